#ifndef HST_SERVICE_SELECT_H
#define HST_SERVICE_SELECT_H
/** @file
 * What a request names: models, components, devices. Pointers are borrowed from the catalog and the request. */
#include "service/service.h"

/** A model, and which of its components. */
struct hst_selected {
    struct hst_model *model; /**< borrowed */
    const char **roles;      /**< borrowed texts in an owned array; NULL = the whole model */
    size_t role_count;       /**< of roles */
};
/** All that was named. Zero-initialise; free with hst_selection_fini. */
struct hst_selection {
    struct hst_selected *items; /**< owned; each model once */
    size_t count;               /**< 0 = nothing was named */
};

/** Read `model_id`, `components` (roles of that model, or component ids), `component_ids`, and `path_id` (a component id; may be NULL). */
int hst_selection_read(const struct hst_call *call, const char *path_id, struct hst_selection *ret_selection, struct hst_error *err);
/** Read `components` alone: roles of `model`, or ids of its components. */
int hst_selection_read_of(const struct hst_call *call, const struct hst_model *model, struct hst_selection *ret_selection, struct hst_error *err);
/** Is the component named, in whatever generation? */
bool hst_selection_has(const struct hst_selection *selection, const struct hst_component *component);
/** Free what it holds. */
void hst_selection_fini(struct hst_selection *selection);
/** Is it a model type of the contract? NULL is fine. */
int hst_select_check_type(const char *type, struct hst_error *err);
/** The model of an id, or HST_E_MODEL_NOT_FOUND. */
int hst_select_model(const struct hst_service *service, const char *id, struct hst_model **ret_model, struct hst_error *err);
/** The component of an id "MODEL:ROLE", or HST_E_MODEL_NOT_FOUND, HST_E_COMPONENT_NOT_FOUND. */
int hst_select_component(const struct hst_service *service, const char *id, struct hst_component **ret_component, struct hst_error *err);
/** The device of an id or a UUID; "cpu" and "host" are host:0, "cuda" is the first card, NULL the default: the first card, or host:0 where none is.
 * HST_E_DEVICE_NOT_FOUND names those that there are. */
int hst_select_device(const struct hst_service *service, const char *id, struct hst_device **ret_device, struct hst_error *err);
/** Where a model is best loaded when nobody says where: of the devices of the first one's kind (cards, where there are any), the one that has most of it already; else
 * the one with the most room, free before evictable. Never NULL. */
struct hst_device *hst_select_place(const struct hst_service *service, const struct hst_model *model);
/** The device of a call: `path_id`, or the field `device_id`, or NULL when neither is given. */
int hst_select_call_device(const struct hst_call *call, const char *path_id, struct hst_device **ret_device, struct hst_error *err);
#endif
