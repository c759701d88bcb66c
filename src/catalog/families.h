#ifndef HST_CATALOG_FAMILIES_H
#define HST_CATALOG_FAMILIES_H
/** @file
 * What model is it? Rules are rows of tables in families.c, from tensor names and shapes alone; adding a family is adding a row. */
#include "catalog/draft.h"
#include "catalog/keys.h"

/** Set type, family, variant and verdict of a model from its tensors. What no row knows keeps type "other". */
int hst_families_judge(struct hst_model *model, const struct hst_keys *keys, struct hst_error *err);
/** When no tensor decided: what the metadata of the file says of its architecture (GGUF's general.architecture). */
int hst_families_judge_metadata(struct hst_model *model, const struct hst_tensor_table *table, struct hst_error *err);
/** Role of the main component of this type and family: unet, transformer, vae, lora, ... */
const char *hst_families_main_role(const struct hst_model *model);
/** Role of a tensor in a single-file checkpoint by its prefix (vae, text_encoder, ...); NULL = it belongs to the main component. */
const char *hst_families_role_of(const char *tensor_name);
#endif
