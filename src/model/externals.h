#ifndef HST_MODEL_EXTERNALS_H
#define HST_MODEL_EXTERNALS_H
/** @file
 * External data: files beside a model file that hold tensors it describes (struct hst_external). They become files of the model, each with its own
 * table. Any thread. */
#include "model/draft.h"

/** Open the external data of a file that was just added and parsed, and add each as a file of the model right after it. `dir_fd` and `path` are those
 * of hst_draft_file: the data must lie beneath dir_fd, or without one beneath the folder that the file lies in. HST_E_INCOMPLETE_MODEL when one is not there; HST_E_INVALID_FILE when it leads out of the folder, is no regular file, or has another size. */
int hst_externals_open(struct hst_model *model, uint32_t file, int dir_fd, const char *path, struct hst_error *err);
/** Read those of which a checksum is given, and compare: as long as reading takes, so a scan does not do it. HST_E_INVALID_FILE */
int hst_externals_verify(const struct hst_model *model, struct hst_error *err);
#endif
