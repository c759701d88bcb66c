#ifndef HST_CATALOG_CONTENT_H
#define HST_CATALOG_CONTENT_H
/** @file
 * What a model's weights are, whatever they are called and wherever they lie: a digest of all its files, remembered with its id. Models
 * with the same digest are duplicates. Loop thread only. */
#include "catalog/internal.h"

/** An entry without content yet. */
void hst_content_init(struct hst_content *content);
/** Take it out of what is known. */
void hst_content_fini(struct hst_catalog *catalog, struct hst_entry *entry);
/** Make it of the hashes of the entry's files, once all of them are known; until then the entry has no current content, and what is
 * remembered is that of before. */
void hst_content_refresh(struct hst_catalog *catalog, struct hst_entry *entry);
/** Are the hashes of all its files known? */
bool hst_content_is_known(const struct hst_catalog *catalog, const struct hst_model *model);
/** Bytes and number of a model's tensors. */
void hst_content_measure(const struct hst_model *model, uint64_t *ret_data_bytes, uint64_t *ret_tensor_count);
/** The sketch of a model: of the sketches of its files, in their order. */
void hst_content_sketch(const uint8_t (*sketches)[HST_XXH128_BYTES], size_t count, uint8_t ret_sketch[HST_XXH128_BYTES]);
/** Read the database; after the models were. */
int hst_content_recall(struct hst_catalog *catalog, struct hst_error *err);
#endif
