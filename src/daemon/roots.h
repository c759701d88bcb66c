#ifndef HST_DAEMON_ROOTS_H
#define HST_DAEMON_ROOTS_H
/** @file
 * The folders to scan: those of --models, and those of ComfyUI's extra_model_paths.yaml, as it is: sections with a base_path and a folder, or
 * several (one a line), for each kind of model. */
#include "daemon/settings.h"

/** Folders of models. Zero-initialise; free with hst_roots_fini. */
struct hst_roots {
    char **folders; /**< paths; owned */
    size_t count;   /**< of folders */
};

/** Add all that the settings name. */
int hst_roots_collect(const struct hst_settings *settings, struct hst_roots *roots, struct hst_error *err);
/** Read a file of ComfyUI's and add its folders. Paths are relative to the section's base_path, and that to the file's own folder; ~ is the home folder.
 * Folders that do not exist are left out, as ComfyUI does. HST_E_CONFIG names the line. */
int hst_roots_read_comfyui(struct hst_roots *comfyui, const char *path, struct hst_error *err);
/** Add a folder. */
int hst_roots_add(struct hst_roots *comfyui, const char *folder, struct hst_error *err);
/** Free what it holds. */
void hst_roots_fini(struct hst_roots *comfyui);
#endif
