#ifndef HST_MODEL_PIPELINE_H
#define HST_MODEL_PIPELINE_H
/** @file
 * diffusers folders: model_index.json names the components, each has a subfolder; and what config.json adds to a verdict. */
#include "model/draft.h"
#include "formats/folder.h"

/** Read every component. *ret_main_file = first file of the unet or transformer, or the number of files when there is none. */
int hst_pipeline_read(struct hst_model *model, int dir_fd, uint32_t *ret_main_file, struct hst_error *err);
/** Parse a config.json; a missing one is all empty. */
int hst_pipeline_read_config(int dir_fd, const char *path, struct hst_model_config *ret_config, struct hst_error *err);
/** Note what config.json says where tensors may leave it open: the class, the scaling factor, the prediction type. */
int hst_pipeline_add_hints(struct hst_model *model, const struct hst_model_config *config, struct hst_error *err);
/** Let config.json name what tensors cannot: the architecture of a language model. */
int hst_pipeline_use_config(struct hst_model *model, const struct hst_model_config *config, struct hst_error *err);
#endif
