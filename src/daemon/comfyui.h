#ifndef HST_DAEMON_COMFYUI_H
#define HST_DAEMON_COMFYUI_H
/** @file
 * ComfyUI's extra_model_paths.yaml, as it is: sections with a base_path and a folder, or several (one a line), for each kind of model. */
#include "base/error.h"

/** Folders of models. Zero-initialise; free with hst_comfyui_fini. */
struct hst_comfyui {
    char **folders; /**< absolute paths of folders that exist; owned */
    size_t count;   /**< of folders */
};

/** Read such a file and add its folders. Paths are relative to the section's base_path, and that to the file's own folder; ~ is the home folder.
 * Folders that do not exist are left out, as ComfyUI does. HST_E_CONFIG names the line. */
int hst_comfyui_read(struct hst_comfyui *comfyui, const char *path, struct hst_error *err);
/** Add a folder. */
int hst_comfyui_add(struct hst_comfyui *comfyui, const char *folder, struct hst_error *err);
/** Free what it holds. */
void hst_comfyui_fini(struct hst_comfyui *comfyui);
#endif
