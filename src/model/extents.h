#ifndef HST_MODEL_EXTENTS_H
#define HST_MODEL_EXTENTS_H
/** @file
 * Where a component's bytes lie: its tensors' ranges, rounded to pages and merged. Pure arithmetic. */
#include "model/model.h"

/** A page-aligned run of a file. */
struct hst_extent {
    uint32_t file;       /**< index into the model's files */
    uint64_t offset;     /**< in the file, page-aligned */
    uint64_t size_bytes; /**< a multiple of the page size */
    uint64_t packed;     /**< where it begins when all extents lie one after the other */
};

/** The extents of a component. */
struct hst_extents {
    struct hst_extent *items; /**< owned, ordered by (file, offset), disjoint */
    size_t count;             /**< of items */
    uint64_t size_bytes;      /**< sum */
};

/** Compute them, without the tensors for which `skip` (one a tensor; NULL = all count) is true; the result is owned by the caller (hst_extents_fini). A component without bytes has none. */
int hst_extents_of(const struct hst_component *component, const bool *skip, uint64_t page_size, struct hst_extents *ret_extents, struct hst_error *err);
/** Their sum alone, without allocating. */
uint64_t hst_extents_cost(const struct hst_component *component, uint64_t page_size);
/** The extent that holds this byte of the file, which must be in one. */
const struct hst_extent *hst_extents_find(const struct hst_extents *extents, uint32_t file, uint64_t offset);
/** Free what it holds. */
void hst_extents_fini(struct hst_extents *extents);
#endif
