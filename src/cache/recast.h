#ifndef HST_CACHE_RECAST_H
#define HST_CACHE_RECAST_H
/** @file
 * A component in other element types than its file has: which tensor becomes what, and bringing it in that way. */
#include "cache/backing.h"
#include "convert/convert.h"
#include "model/model.h"

/** What each tensor of a component becomes. */
struct hst_recast {
    char precision[16];            /**< as it was wished: part of the residency's name */
    size_t count;                  /**< tensors of the component */
    enum hst_dtype dtypes[];       /**< their types */
};

/** Of the tensors of a component that is held, all as stored at first. NULL without memory; owned by the caller: free. */
struct hst_recast *hst_recast_new(const struct hst_component *component, const char *precision);
/** A copy; NULL of NULL, and without memory. */
struct hst_recast *hst_recast_copy(const struct hst_recast *recast);
/** Type of a tensor; `recast` NULL = as stored. */
enum hst_dtype hst_recast_dtype(const struct hst_recast *recast, const struct hst_component *component, size_t tensor);
/** Have all of its tensors the same types in both? */
bool hst_recast_same(const struct hst_recast *a, const struct hst_recast *b, const struct hst_component *component);
/** Bytes of a tensor in that type. */
uint64_t hst_recast_bytes(const struct hst_recast *recast, const struct hst_component *component, size_t tensor);
/** Bytes of all of them. */
uint64_t hst_recast_total(const struct hst_recast *recast, const struct hst_component *component);
/** Read `fetch`, whose sizes are those in the file, and convert it on its way. [worker] */
int hst_recast_fill(const struct hst_fetch *fetch, const struct hst_converter *converter, struct hst_error *err);
#endif
