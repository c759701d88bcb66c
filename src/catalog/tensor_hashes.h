#ifndef HST_CATALOG_TENSOR_HASHES_H
#define HST_CATALOG_TENSOR_HASHES_H
/** @file
 * The hashes of a model's tensors, brought from the database: asked for on the loop thread, read on another, and noted with the model's
 * tables (model/layout.h) on the loop thread again. */
#include "catalog/catalog.h"

/** Hashes on their way. */
struct hst_tensor_hashes;

/** Ask for those of every file of the model that is hashed; a NULL catalog knows none. *ret_hashes owned by the caller. */
int hst_tensor_hashes_new(const struct hst_catalog *catalog, struct hst_model *model, struct hst_tensor_hashes **ret_hashes, struct hst_error *err);
/** Read them; what cannot be read stays unknown. Any thread. */
void hst_tensor_hashes_read(struct hst_tensor_hashes *hashes);
/** Note them with the model: those of files whose tables are there. */
void hst_tensor_hashes_note(struct hst_tensor_hashes *hashes);
/** Free it. Loop thread; NULL is fine. */
void hst_tensor_hashes_free(struct hst_tensor_hashes *hashes);
#endif
