#ifndef HST_CATALOG_HALVES_H
#define HST_CATALOG_HALVES_H
/** @file
 * Low-rank adapters keep each change of a weight as two matrices, down and up, under names that differ in one part. */
#include "model/model.h"
#include "catalog/names.h"

/** What is wrong with the pairs of a model. Zero-initialise; free with hst_halves_fini. */
struct hst_halves {
    uint64_t pairs;           /**< halves that have their other half, in pairs */
    struct hst_names missing; /**< names of the halves that are not there */
    struct hst_names unequal; /**< down halves whose rank is not that of their other half */
};

/** Look for halves among the tensors of a model whose components are all held. */
int hst_halves_check(const struct hst_model *model, struct hst_halves *halves, struct hst_error *err);
/** Is this the second half (up) of a pair? Training begins with zeros there. */
bool hst_halves_is_up(const char *tensor_name);
/** Free what it holds. */
void hst_halves_fini(struct hst_halves *halves);
#endif
