#ifndef HST_CATALOG_SIDECAR_H
#define HST_CATALOG_SIDECAR_H
/** @file
 * Which files beside a model speak of it: sidecars of other tools, and preview images. A model NAME.safetensors has NAME.json,
 * NAME.civitai.info, NAME.preview.png ...; a model folder has README.md, config.json and hoist.swarm.json inside. Any thread. */
#include "catalog/limits.h"
#include "model/model.h"
#include "catalog/walk.h"

/** Read every sidecar of the model at `path`, named `name` (a file name without suffix), into the list, and find its preview. A broken
 * sidecar is a warning of the list. `path` of a folder: `name` is NULL. */
int hst_sidecar_read(const char *path, const char *name, struct hst_metadata_list *list, struct hst_error *err);
/** The sidecar that hoist writes, in SwarmUI's shape. @return false when the path gets too long */
bool hst_sidecar_own(const char *path, const char *name, char out[HST_WALK_PATH_MAX]);
/** Is this a name that only a sidecar has? Inside a model folder such a file is not part of the model's content. */
bool hst_sidecar_is(const char *name);
/** Sum up into candidate->sidecars which sidecars and previews each of these candidates has, all of the open folder `dir_fd`: one more
 * listing, and a look at each file that belongs to one of them. */
void hst_sidecar_stamp(int dir_fd, struct hst_candidate *candidates, size_t count);
#endif
