#ifndef HST_RELATE_NEEDS_H
#define HST_RELATE_NEEDS_H
/** @file
 * What a model needs besides itself: text encoders and a VAE for a main model, a base for an adapter. Which family needs what is a
 * table (api/needs.yaml). */
#include "model/model.h"

/** Families that may serve one need. */
#define HST_NEED_FAMILIES 12

/** A role that must be filled. */
struct hst_need {
    const char *family;        /**< of the model that needs it */
    const char *variant;       /**< the row is for this variant alone, or NULL */
    const char *role;          /**< "text_encoder", "text_encoder_2", ..., "vae"; "base" for an adapter */
    uint64_t latent_channels;  /**< of a VAE; 0 for other roles */
    const char *families[HST_NEED_FAMILIES]; /**< of the models that serve, ended by NULL if there is room */
};

/** How well a component serves a need. */
struct hst_serving {
    unsigned rank;    /**< 0 = best: a model of its own; 1 = a part of a checkpoint; 2 = perhaps */
    bool decided;     /**< false: its tensors do not tell whether it is the one */
    char reason[256]; /**< why it serves */
};

/** Needs of a model, one by one: start with *cursor = 0. Texts are static, or the model's. @return false at the end */
bool hst_needs_next(const struct hst_model *model, size_t *cursor, struct hst_need *ret_need);
/** The component of the model itself that fills the role, or NULL. */
const struct hst_component *hst_needs_own(const struct hst_model *model, const struct hst_need *need);
/** How far a model is what a need asks for. */
enum hst_listed {
    HST_LISTED_NO,      /**< it is of another family */
    HST_LISTED_PERHAPS, /**< of the family, but its variant is not known, or the need leaves open which */
    HST_LISTED_YES,     /**< it is one of them */
};
/** Is the model's family, or its family and variant ("qwen3_4b"), among those of the need? */
enum hst_listed hst_needs_lists(const struct hst_need *need, const struct hst_model *model);
/** Would this component of another model serve? */
bool hst_needs_serves(const struct hst_need *need, const struct hst_component *component, struct hst_serving *ret_serving);
#endif
