#ifndef HST_MODEL_SHARDS_H
#define HST_MODEL_SHARDS_H
/** @file
 * The weights of one component in a folder: one file, or several named by an index. */
#include "model/draft.h"

/** Read the weights in `subfolder` ("" = the folder itself) of dir_fd into the component `role`. The full-precision set is preferred
 * to variants such as fp16. HST_E_INCOMPLETE_MODEL when there are none or a shard lacks something. */
int hst_shards_read(struct hst_model *model, int dir_fd, const char *subfolder, const char *role, struct hst_error *err);
/** Read a small file of a folder whole; *ret_bytes is owned by the caller. */
int hst_shards_slurp(int dir_fd, const char *path, uint64_t limit, char **ret_bytes, size_t *ret_length, struct hst_error *err);
/** Does the folder hold weights under one of the usual names? */
bool hst_shards_has_weights(int dir_fd);
#endif
