#ifndef HST_IDENTIFY_FOLDERS_H
#define HST_IDENTIFY_FOLDERS_H
/** @file
 * What the folders that a model lies in say about it: the names that ComfyUI, A1111, Forge, InvokeAI, SwarmUI, Stability Matrix and huggingface_hub
 * give them. They are hints; whether they count, the rules decide. */
#include "model/draft.h"

/** The type of model that a folder of this name holds (contract section 3), or NULL. Any case. */
const char *hst_folders_type(const char *name);
/** Note what the path of the model says: hints of source HST_HINT_FOLDER with the keys "type" (by the nearest folder that has one) and
 * "repository" ("org/name" in huggingface_hub's cache). */
int hst_folders_note(struct hst_model *model, struct hst_error *err);
#endif
