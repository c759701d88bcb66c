#ifndef HST_CATALOG_ADOPT_H
#define HST_CATALOG_ADOPT_H
/** @file
 * A model at an unknown path may be one that vanished elsewhere: copied to another disk, downloaded again, its header rewritten. It takes
 * the id over when number and bytes of its tensors, and a page of each, are equal (docs/decisions/0008). Loop thread, but for the sketch. */
#include "catalog/internal.h"

/** Note which models have vanished: those that this scan has not seen and whose content is known. */
void hst_adopt_begin(struct hst_catalog *catalog);
/** Is there a vanished one that this model may be? Then its sketch decides. */
bool hst_adopt_may(const struct hst_catalog *catalog, const struct hst_model *model);
/** Read the sketch of a model. Any thread. */
int hst_adopt_sketch(const struct hst_model *model, uint8_t ret_sketch[HST_XXH128_BYTES], struct hst_error *err);
/** The vanished one, or NULL; one of the same file name if there are several. */
struct hst_entry *hst_adopt_find(const struct hst_catalog *catalog, const struct hst_model *model, const uint8_t sketch[HST_XXH128_BYTES]);
/** Forget who vanished. */
void hst_adopt_end(struct hst_catalog *catalog);
#endif
