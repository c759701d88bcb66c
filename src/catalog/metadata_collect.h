#ifndef HST_CATALOG_METADATA_COLLECT_H
#define HST_CATALOG_METADATA_COLLECT_H
/** @file
 * Everyone who says something about a model besides its tensors is asked: the user and sidecars before it is read and judged, then its
 * own files. What they say is kept in words (model->metadata); what is short enough to name a family is a hint, too (model->hints).
 * Hints of the files' own metadata are collected by hints.h. */
#include "model/override.h"

/** Ask the user (`said` may be NULL) and sidecars: `is_folder`: they lie in it, not beside it. */
int hst_metadata_collect(struct hst_model *model, bool is_folder, const struct hst_override_list *said, struct hst_error *err);
/** Ask the user alone, when it is known that nothing lies beside the model. */
int hst_metadata_collect_user(struct hst_model *model, const struct hst_override_list *said, struct hst_error *err);
/** Ask the model's own files, as far as they are parsed. */
int hst_metadata_collect_files(struct hst_model *model, struct hst_error *err);
/** Everything once more, from the disk, with long values up to the limits of the list, which was begun by the caller. Without `headers`
 * the model's own files are not parsed again. */
int hst_metadata_collect_again(const struct hst_model *model, bool headers, const struct hst_override_list *said, struct hst_metadata_list *list, struct hst_error *err);
#endif
