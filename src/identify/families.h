#ifndef HST_IDENTIFY_FAMILIES_H
#define HST_IDENTIFY_FAMILIES_H
/** @file
 * What model is it? Asks the rules of api/families.yaml (rules.h) and, where they leave it open, the hints (hints.h). */
#include "model/draft.h"
#include "identify/keys.h"

/** Set type, family, variant, storage and verdict of a model from the tensors of its files and what `table`, one of theirs, says in its metadata. What no
 * rule knows keeps type "other". HST_E_INCOMPLETE_MODEL (after judging) when half of a LoRA's pair is missing. */
int hst_families_judge(struct hst_model *model, struct hst_keys *keys, const struct hst_tensor_table *table, struct hst_error *err);
/** Role of the main component of this type and family: unet, transformer, vae, lora, ... */
const char *hst_families_main_role(const struct hst_model *model);
/** Role of a tensor of a single-file checkpoint by its prefix (vae, text_encoder, ...); NULL = it belongs to the main component. */
const char *hst_families_role_of(const struct hst_model *model, const char *tensor_name);
#endif
