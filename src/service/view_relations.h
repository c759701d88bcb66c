#ifndef HST_SERVICE_VIEW_RELATIONS_H
#define HST_SERVICE_VIEW_RELATIONS_H
/** @file
 * How models belong together, as JSON. New references. */
#include "relate/compatibility.h"
#include "service/dependencies.h"

/** What a model needs, who serves, and in which order all of that is loaded. */
int hst_view_dependencies(const struct hst_service *service, struct hst_model *model, json_t **ret_view, struct hst_error *err);
/** Which families serve the roles that a model needs, and which of the roles it does not carry itself: `needs{}`, `lacks[]`. */
json_t *hst_view_needs(const struct hst_model *model);
/** Whether the model fits on each device, its components one by one, all of it, and with what it needs: an array. */
json_t *hst_view_fit(const struct hst_service *service, struct hst_model *model, const struct hst_dependencies *dependencies);
/** A report of two models. */
json_t *hst_view_compatibility(const struct hst_compatibility *report);
#endif
