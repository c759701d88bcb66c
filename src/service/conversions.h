#ifndef HST_SERVICE_CONVERSIONS_H
#define HST_SERVICE_CONVERSIONS_H
/** @file
 * Conversions of models into other files, off the loop thread, one after the other; at most one a model, whose outcome is kept until the next.
 *
 *     start --> RUNNING: read the tables (thread), hold the components (loop), write (thread) --> DONE | FAILED | CANCELLED
 */
#include "rewrite/rewrite.h"
#include "service/select.h"

/** What is asked for. Borrowed during hst_conversions_start. */
struct hst_conversion_wish {
    enum hst_dtype dtype;         /**< the precision */
    enum hst_convert_level level; /**< what matters most */
    const char *output;           /**< absolute path, or name of a file beside the model; NULL = NAME-PRECISION.safetensors there */
    bool overwrite;               /**< may it take another file's place? */
    bool anywhere;                /**< may an absolute path lead out of the folders of models? */
    bool wait;                    /**< answer the call at the end; else the caller does it */
    const struct hst_selected *selected; /**< which components; NULL = all, and tensors that belong to none */
};

/** Start one. HST_E_BUSY while one of this model runs; HST_E_INVALID_ARGUMENT; what is wrong with a model that is not sound. */
int hst_conversions_start(const struct hst_call *call, struct hst_model *model, const struct hst_conversion_wish *wish, struct hst_error *err);
/** How the newest one of this model stands; state "none" when there was none. New reference. */
json_t *hst_conversions_view(const struct hst_service *service, const struct hst_model *model);
/** Ask a running one to stop: nothing of it is left. HST_E_BUSY when none runs. */
int hst_conversions_cancel(struct hst_service *service, const struct hst_model *model, struct hst_error *err);
/** Stop all, wait for their ends, and free. */
void hst_conversions_free(struct hst_service *service);
#endif
