#ifndef HST_CATALOG_PROBE_H
#define HST_CATALOG_PROBE_H
/** @file
 * From a path to a model: parses what is there, splits it into components, judges its family. Any thread; reads headers only. */
#include "model/override.h"

/** Is this folder a model of its own (model_index.json, or config.json beside weights)? */
bool hst_probe_is_model_folder(int dir_fd);
/** A file. A malformed one gives a model in state invalid, not an error; HST_E_UNKNOWN_FORMAT when it is no model at all. */
int hst_probe_file(const char *path, struct hst_model **ret_model, struct hst_error *err);
/** A model folder. */
int hst_probe_folder(const char *path, struct hst_model **ret_model, struct hst_error *err);
/** What is known before a model is read. */
struct hst_probe_known {
    bool is_folder;                       /**< a model folder */
    bool alone;                           /**< nothing lies beside it that speaks of it: do not look */
    const struct hst_override_list *said; /**< what the user said of it; may be NULL */
};
/** One of these, with what is known of it. */
int hst_probe_known(const char *path, const struct hst_probe_known *known, struct hst_model **ret_model, struct hst_error *err);
#endif
