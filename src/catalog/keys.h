#ifndef HST_CATALOG_KEYS_H
#define HST_CATALOG_KEYS_H
/** @file
 * Tensors by name, with the main model's prefix taken off, so that a rule is written once for every way of naming. */
#include "base/map.h"
#include "formats/tensors.h"

/** A look-up over the tensors of one or more tables; all borrowed. */
struct hst_keys {
    struct hst_map by_name; /**< stripped name -> tensor */
    const char *prefix;     /**< what was taken off, e.g. "model.diffusion_model."; "" for none */
    size_t count;           /**< tensors */
};

/** Collect the tensors of a table; the prefix is chosen from its names. Call once a file, prefix of the first wins. */
int hst_keys_add(struct hst_keys *keys, const struct hst_tensor_table *table, struct hst_error *err);
/** The tensor of this stripped name, or NULL. */
const struct hst_tensor *hst_keys_find(const struct hst_keys *keys, const char *name);
/** The first tensor whose name contains `part` and ends in `suffix`, or NULL. */
const struct hst_tensor *hst_keys_like(const struct hst_keys *keys, const char *part, const char *suffix);
/** Size of dimension `dim`, or 0 when the tensor is NULL or has fewer. */
uint64_t hst_keys_dim(const struct hst_tensor *tensor, uint32_t dim);
/** Free what it holds. */
void hst_keys_fini(struct hst_keys *keys);
#endif
