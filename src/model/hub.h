#ifndef HST_MODEL_HUB_H
#define HST_MODEL_HUB_H
/** @file
 * The cache of huggingface_hub, used where it lies: models--ORG--NAME/{blobs,refs,snapshots/REVISION}. The files of a snapshot are links into blobs/. */
#include "model/draft.h"

/** Is the folder at this path, open as dir_fd, a repository of the cache? */
bool hst_hub_is_repository(const char *path, int dir_fd);
/** Is it one of data or of an application, which has no models? */
bool hst_hub_is_foreign(const char *path, int dir_fd);
/** The revision that refs/main names, if its snapshot is there: into revision. @return is there one? */
bool hst_hub_main(int dir_fd, char revision[256]);

/** What a path in the cache says. Texts are borrowed from the path or static. */
struct hst_hub {
    size_t snapshot;       /**< length of the path of the snapshot: REPO/snapshots/REVISION */
    const char *rest;      /**< path within the snapshot; "" = the snapshot itself */
    char repository[256];  /**< "org/name" */
};
/** Is the path that of a snapshot, or of something in one? *ret_hub is set only then. */
bool hst_hub_of(const char *path, struct hst_hub *ret_hub);
/** Name of the model at this path by its repository: of a snapshot, and of a file whose own name says nothing (model.safetensors). NULL = by its own. */
const char *hst_hub_name(const char *path, struct hst_hub *hub);
#endif
