#ifndef HST_KEEPER_LIMITS_H
#define HST_KEEPER_LIMITS_H
/** @file
 * Limits of hoist-keeper and of hoistd's connection to it, each with its reason. */

/** Files of one item: memory has one, the tmpfs two, a component on a card one for each 4 GiB, and one for each tensor that is larger. */
#define HST_KEEPER_FDS_MAX 32u
/** Bytes of a blob that travel in the message itself: a packet has 64 KiB on every system, with its header and a margin. Longer ones travel as
 * a sealed memfd. */
#define HST_KEEPER_BLOB_INLINE 49152u
/** Longest blob: 100,000 tensors of 160 bytes each, with a name. */
#define HST_KEEPER_BLOB_MAX 33554432u
/** Most items: as many segments as fds that a process may usually be allowed. */
#define HST_KEEPER_ITEMS_MAX 65536u
/** Most separate locked ranges of an item, after neighbours were joined: a file whose tensors are locked one by one has gaps between few. */
#define HST_KEEPER_RANGES_MAX 16384u
/** Bytes locked, or unlocked, by one request: 2 to 3 ms of small pages that are in memory (measured), which is how long another thread, or the
 * loop, may have to wait for its turn. */
#define HST_KEEPER_LOCK_BYTES UINT64_C(16777216)
/** Until it answers what takes microseconds; then the memory is not kept, and hoistd goes on. */
#define HST_KEEPER_ANSWER_MS 1000u
/** Until it has locked what may have to come from a disk again. */
#define HST_KEEPER_LOCK_MS 30000u
/** Until a new one greets: its program may lie on a disk that sleeps. */
#define HST_KEEPER_START_MS 10000u
/** Until one that was told to free everything has: the daemon itself is gone within 5 s. */
#define HST_KEEPER_END_MS 3000u
/** How long it keeps the memory of a hoistd that ended without a word: the time to notice and start it again by hand. */
#define HST_KEEPER_WAIT_SECONDS 60u
/** Longest wait that may be asked for: a day. */
#define HST_KEEPER_WAIT_SECONDS_MAX 86400u
/** Between the death of a keeper and the start of another: doubled from the first to the second, so that one that dies at once costs nothing. */
#define HST_KEEPER_RETRY_MS 100u
/** See HST_KEEPER_RETRY_MS. */
#define HST_KEEPER_RETRY_MS_MAX 60000u
#endif
