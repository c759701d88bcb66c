#ifndef HST_CACHE_USES_H
#define HST_CACHE_USES_H
/** @file
 * Which bytes of a run of memory are named, and how often: the memory of a byte that nobody names can be given back. Pure. */
#include "base/error.h"

/** Where a count begins. */
struct hst_edge {
    uint64_t at;    /**< first byte of it */
    uint32_t count; /**< uses of the bytes from here to the next edge */
    uint32_t ends;  /**< uses that begin or end here: with the last one the edge goes */
};

/** The counts. Zero-initialise; free with hst_uses_fini. */
struct hst_uses {
    struct hst_edge *edges; /**< owned, in order of `at` */
    size_t count;           /**< of edges */
    size_t room;            /**< of edges */
    uint64_t used_bytes;    /**< bytes that are named at all */
};

/** Told of bytes that nobody names any more. */
typedef void (*hst_uses_fn)(void *context, uint64_t begin, uint64_t end);

/** Make sure that `count` more uses cannot fail. */
int hst_uses_reserve(struct hst_uses *ranges, size_t count, struct hst_error *err);
/** Name [begin, end) once more, for which room was reserved. @return bytes that nobody had named before */
uint64_t hst_uses_use(struct hst_uses *ranges, uint64_t begin, uint64_t end);
/** Take back a use of exactly these bytes; `unused` is told of what is not named any more. Never fails. */
void hst_uses_release(struct hst_uses *ranges, uint64_t begin, uint64_t end, hst_uses_fn unused, void *context);
/** Bytes of [begin, end) that are named at least `least` times (1 or more). */
uint64_t hst_uses_count(const struct hst_uses *ranges, uint64_t begin, uint64_t end, uint32_t least);
/** Free the counts. */
void hst_uses_fini(struct hst_uses *ranges);
#endif
