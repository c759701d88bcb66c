#ifndef HST_KEEPER_RANGES_H
#define HST_KEEPER_RANGES_H
/** @file
 * Which bytes of a file are locked: ranges in order that neither overlap nor touch. Pure. */
#include "base/error.h"

/** A locked range of the first file of an item. */
struct hst_keeper_range {
    uint64_t offset;     /**< in the file, page-aligned */
    uint64_t size_bytes; /**< multiple of a page */
};

/** Ranges. Zero-initialise; free with hst_ranges_fini. */
struct hst_ranges {
    struct hst_keeper_range *items; /**< owned */
    size_t count;                   /**< of items */
    size_t capacity;                /**< of items */
};

/** Add this one, which may overlap others; its end does not overflow. HST_E_LIMIT_EXCEEDED, HST_E_NOMEM: nothing changed. */
int hst_ranges_add(struct hst_ranges *ranges, const struct hst_keeper_range *range, struct hst_error *err);
/** Take it out, as far as it is there; others may be cut in two. HST_E_LIMIT_EXCEEDED, HST_E_NOMEM: nothing changed. */
int hst_ranges_remove(struct hst_ranges *ranges, const struct hst_keeper_range *range, struct hst_error *err);
/** Forget all. */
void hst_ranges_fini(struct hst_ranges *ranges);
#endif
