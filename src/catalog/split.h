#ifndef HST_CATALOG_SPLIT_H
#define HST_CATALOG_SPLIT_H
/** @file
 * A GGUF in several files says so in each of them (split.no, split.count, split.tensors.count): what they say must be what was read. */
#include "model/model.h"

/** Compare what the model's files say of the split with the files there are; fine for files that say nothing. HST_E_INCOMPLETE_MODEL when one was read
 * alone, HST_E_INVALID_FILE when they contradict. */
int hst_split_check(const struct hst_model *model, struct hst_error *err);
#endif
