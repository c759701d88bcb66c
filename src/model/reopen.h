#ifndef HST_MODEL_REOPEN_H
#define HST_MODEL_REOPEN_H
/** @file
 * Opening a file of a known model once more. Any thread. */
#include "model/model.h"

/** Open the file and parse it. HST_E_FILE_CHANGED when it is not the one that was parsed. *ret_table = NULL when it is malformed; both are
 * owned by the caller. */
int hst_reopen(const char *path, const struct hst_file_id *id, int *ret_fd, struct hst_tensor_table **ret_table, struct hst_error *err);
/** Is the open file still this one? HST_E_FILE_CHANGED when not. */
int hst_reopen_check(int fd, const struct hst_file_id *id, struct hst_error *err);
#endif
