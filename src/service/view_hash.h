#ifndef HST_SERVICE_VIEW_HASH_H
#define HST_SERVICE_VIEW_HASH_H
/** @file
 * Hashes, and how far hashing is, as JSON objects. New references; NULL when out of memory. */
#include "service/service.h"

/** The hashes of a model that are known: of its file, or of each of its files. */
json_t *hst_view_hashes(const struct hst_catalog *catalog, const struct hst_model *model);
/** How far hashing is. */
json_t *hst_view_hashing(const struct hst_hash_status *status);
/** Ids of the models with the same weights, in order. */
json_t *hst_view_duplicates(const struct hst_catalog *catalog, const struct hst_model *model);
/** Put all of these, and weights_since_generation, into the view of a model. */
void hst_view_identity(const struct hst_catalog *catalog, const struct hst_model *model, json_t *object);
#endif
