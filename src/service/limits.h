#ifndef HST_SERVICE_LIMITS_H
#define HST_SERVICE_LIMITS_H
/** @file
 * Limits of the service, each with its reason. */

/** Events that are kept for those who come back: some minutes of a busy daemon. */
#define HST_EVENTS_KEPT 1024u
/** Subscriptions at once: each is a connection. */
#define HST_SUBSCRIPTIONS_MAX 256u
/** Shortest time between two news of progress of the same job: what an eye can follow. */
#define HST_PROGRESS_MS 100.0
/** Path parameters of a route. */
#define HST_ROUTE_PARAMS_MAX 4u
/** Longest path that is looked up; longer ones are no route. */
#define HST_ROUTE_PATH_MAX 4096u
/** Bytes of a text that is written about a model: a long description; thumbnails are somebody else's to write. */
#define HST_WORD_MAX 65536u
/** Bytes of a key under which it is written. */
#define HST_WORD_KEY_MAX 128u
/** Fields of one such request, and entries of a list. */
#define HST_WORDS_MAX 256u
/** Largest weight of a LoRA that anybody means. */
#define HST_WORD_NUMBER_MAX 100
/** Entries of a list field: as many components as a large catalog has. */
#define HST_FIELD_ITEMS_MAX 4096u
/** Threads that validate: one reads a disk, the other answers what needs only headers meanwhile. */
#define HST_VALIDATION_THREADS 2u
/** Validations that may wait or run: beyond that somebody asks without listening. */
#define HST_VALIDATIONS_ACTIVE_MAX 256u
/** Validations that are kept after their end: a page of a large catalog, some kilobytes each. */
#define HST_VALIDATIONS_KEPT 256u
/** Needs of one model: no family has more than four encoders and a VAE. */
#define HST_NEEDS_MAX 8u
/** Comparisons that may wait or run: a page that asks about every LoRA of a base is far below. */
#define HST_COMPARISONS_MAX 1024u
/** Components listed for one need: enough to choose from, and a library of a thousand LoRA bases makes no page of a thousand rows. */
#define HST_CANDIDATES_MAX 32u
/** Threads that convert models: a disk is read and written best by one. */
#define HST_CONVERSION_THREADS 1u
/** Conversions that may wait or run, or are remembered: each takes some kilobytes. */
#define HST_CONVERSIONS_MAX 64u
/** From the first change of what is learned to its writing: what a kill may cost, and no more writes than that on a busy day. */
#define HST_RECORDER_MS 2000u
/** From the last thing that happened to a look at what could be brought in ahead: who has just loaded something may load the next at once. */
#define HST_PRELOAD_QUIET_MS 250u
/** Until it is looked again whether memory that was let go is free by now. */
#define HST_PRELOAD_AGAIN_MS 500u
/** Between two looks when nothing happens: an hour begins, memory became free elsewhere. */
#define HST_PRELOAD_TICK_MS 60000u
/** This part (1/N) of the machine's memory is left free by what is brought in ahead. */
#define HST_PRELOAD_LEAVE 20u
/** Speed of a disk about which nothing is known yet. */
#define HST_PRELOAD_BYTES_PER_S 1e9
/** Models shown by GET /api/model/cache/patterns when nobody says how many. */
#define HST_PATTERNS_SHOWN 50u
/** Longest idle time that can be asked for: a year. */
#define HST_OPTIMIZE_IDLE_MAX 31536000u
#endif
