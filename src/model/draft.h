#ifndef HST_MODEL_DRAFT_H
#define HST_MODEL_DRAFT_H
/** @file
 * Building a model piece by piece. Any thread; nobody else sees it until it is finished. */
#include "model/model.h"

/** Begin a model at `path` (a file or a folder); name and id are its last part without suffix. Owned: hst_model_unref. */
int hst_draft_new(const char *path, const char *format, struct hst_model **ret_model, struct hst_error *err);
/** The name of a model at this path: its last part without suffix and part number, cut to `size` bytes. */
void hst_draft_name(const char *path, char *out, size_t size);
/** Set (replace) a text member such as &model->family; NULL clears it. */
int hst_draft_text(char **member, const char *text, struct hst_error *err);
/** Add a sentence of evidence. */
int hst_draft_evidence(struct hst_model *model, struct hst_error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** Note what is odd about its files and does no harm: "word: a sentence". */
int hst_draft_warning(struct hst_model *model, struct hst_error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** Say which hint would settle what the tensors cannot. */
int hst_draft_needs_hint(struct hst_model *model, const char *hint, struct hst_error *err);
/** Note what somebody says about the model. Whether it counts is decided by the rules (families.h). */
int hst_draft_hint(struct hst_model *model, enum hst_hint_source source, const char *key, const char *value, struct hst_error *err);
/** Add a file of this absolute path, with nothing in it yet. *ret_file is valid until the next one is added. */
int hst_draft_add_file(struct hst_model *model, const char *path, struct hst_model_file **ret_file, struct hst_error *err);
/** Open and parse a file into the model, and add the files of its external data after it. `dir_fd` >= 0: `path` is relative to it and must stay beneath it, and `folder` is its path
 * for display; -1: `path` is absolute. *ret_file = its index. */
int hst_draft_file(struct hst_model *model, int dir_fd, const char *folder, const char *path, uint32_t *ret_file, struct hst_error *err);
/** Parse a file of a finished model again, open at `fd`: *ret_table is as it was, and owned by the caller. HST_E_FILE_CHANGED when it is
 * another file by now. */
int hst_draft_reread(const struct hst_model_file *file, int fd, struct hst_tensor_table **ret_table, struct hst_error *err);
/** The component of this role, made if it is new. *ret_component is valid until the next one is made. */
int hst_draft_component(struct hst_model *model, const char *role, struct hst_component **ret_component, struct hst_error *err);
/** Add a tensor of a file to a component. Tensors of one component come in order of (file, offset). */
int hst_draft_tensor(struct hst_component *component, uint32_t file, const struct hst_tensor *tensor, struct hst_error *err);
/** Add every tensor of a file, and of its external data, to the component of this role. */
int hst_draft_whole_file(struct hst_model *model, uint32_t file, const char *role, struct hst_error *err);
/** Compute ids, sums and precisions, and note which tensor belongs where (layout.h). Call once all is in; every component is then held once. */
int hst_draft_finish(struct hst_model *model, struct hst_error *err);
/** Rename: the catalog made another id. */
int hst_draft_set_id(struct hst_model *model, const char *id, struct hst_error *err);
/** Mark it unusable and keep why; what was collected so far stays. */
void hst_draft_invalid(struct hst_model *model, const struct hst_error *why);
#endif
