#ifndef HST_CATALOG_FULLREAD_H
#define HST_CATALOG_FULLREAD_H
/** @file
 * Every byte of a model read once: what its values are, and the hashes that it states. */
#include "catalog/names.h"
#include "catalog/stated.h"
#include <stdatomic.h>

/** Values of a component. */
struct hst_component_values {
    uint64_t nan;               /**< elements that are no number */
    uint64_t infinite;          /**< elements that are infinite */
    uint64_t scanned_bytes;     /**< of types whose values are told apart */
    uint64_t undecoded_bytes;   /**< of types of which only zeros are known (packed blocks) */
    struct hst_names with_nan;  /**< tensors */
    struct hst_names with_infinity; /**< tensors */
    struct hst_names zero;      /**< tensors that have elements, all of them zero */
    struct hst_names zero_weights; /**< those of them that should not be: floats of two or more dimensions, no second half of a pair */
};

/** A reading. Zero-initialise, set the first members, run it, free with hst_fullread_fini. */
struct hst_fullread {
    const struct hst_model *model;  /**< borrowed; its tables are there */
    const _Atomic(bool) *cancel;    /**< stop soon; NULL = never */
    void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes); /**< now and then; NULL = nobody asks */
    void *context;                  /**< for progress */
    uint64_t bytes_read;            /**< so far */
    struct hst_component_values *values; /**< one a component; owned */
    struct hst_stated *stated;      /**< owned */
    size_t stated_count;            /**< of stated */
};

/** Read. HST_E_CANCELLED, HST_E_FILE_CHANGED, HST_E_IO. Any thread. Pages that were not in memory before are dropped from it again. */
int hst_fullread_run(struct hst_fullread *reading, struct hst_error *err);
/** Free what it holds. */
void hst_fullread_fini(struct hst_fullread *reading);
#endif
