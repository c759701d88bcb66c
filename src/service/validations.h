#ifndef HST_SERVICE_VALIDATIONS_H
#define HST_SERVICE_VALIDATIONS_H
/** @file
 * Validations of models, off the loop thread and at low priority: at most one a model at a time; the last result of a model is kept.
 *
 *     start --> RUNNING --> DONE (whatever was found) | FAILED (it could not be found out) | CANCELLED
 */
#include "service/service.h"

/** Start one, or join one that runs and finds out as much; HST_E_BUSY when it does not. With `wait` the call is answered at its end, else the
 * caller answers it. */
int hst_validations_start(const struct hst_call *call, struct hst_model *model, bool deep, bool wait, struct hst_error *err);
/** How the newest one of this model stands; state "none" when there was none. New reference. */
json_t *hst_validations_view(const struct hst_service *service, const struct hst_model *model);
/** Ask a running one to stop: it ends soon, and those who wait are told. HST_E_BUSY when none runs. */
int hst_validations_cancel(struct hst_service *service, const struct hst_model *model, struct hst_error *err);
/** Stop all, wait for their ends, and free. */
void hst_validations_free(struct hst_service *service);
#endif
