#ifndef HST_IDENTIFY_HINTS_H
#define HST_IDENTIFY_HINTS_H
/** @file
 * What others say about a model - metadata in the file, sidecars, its folder, its name - where tensors cannot decide. The most trusted source
 * that gives a possible answer wins; what the tensors decided is never overruled, only contradicted in the evidence. */
#include "model/draft.h"
#include "identify/rules.h"

/** Note what the file's own metadata and its name say (model->hints). */
int hst_hints_collect(struct hst_model *model, const struct hst_tensor_table *table, struct hst_error *err);
/** Answer what the verdict left open. `between` are the possible answers (ended by NULL; NULL = any); `rival` is a family that
 * looks the same to the rules and may be named instead, or NULL. */
int hst_hints_settle(struct hst_model *model, const char *const *between, const char *rival, struct hst_error *err);
#endif
