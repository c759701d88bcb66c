#ifndef HST_CATALOG_METADATA_WRITE_H
#define HST_CATALOG_METADATA_WRITE_H
/** @file
 * Words about a model on the disk: its sidecar and its header, replaced at once. Any thread. */
#include "model/override.h"
#include "os/replace.h"

/** May a long copy go on? */
struct hst_metadata_write_leave {
    hst_replace_go_fn go; /**< asked now and then */
    void *context;        /**< for it */
};

/** Set these members of the model's sidecar, which is made if there is none; everything else in it stays as it is. */
int hst_metadata_write_sidecar(const struct hst_model *model, bool is_folder, const struct hst_override_list *words, struct hst_error *err);
/** The same for the members that the sidecar has already, so that it does not speak against a header that was just written. */
int hst_metadata_write_sidecar_follow(const struct hst_model *model, bool is_folder, const struct hst_override_list *words, struct hst_error *err);
/** May the model's header be written? HST_E_INCOMPATIBLE says why not. */
int hst_metadata_write_can_header(const struct hst_model *model, struct hst_error *err);
/** Set these pairs of the model's header in a new file with the same tensors, which takes the old one's place. */
int hst_metadata_write_header(const struct hst_model *model, const struct hst_override_list *words, struct hst_metadata_write_leave leave, struct hst_error *err);
#endif
