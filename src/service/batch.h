#ifndef HST_SERVICE_BATCH_H
#define HST_SERVICE_BATCH_H
/** @file
 * The jobs of one request: one a model that it names. Whoever asked is answered when all have ended. */
#include "service/select.h"

/** What shall be done with the selection. Texts are borrowed during hst_batch_start. */
struct hst_batch_wish {
    struct hst_device *device;      /**< NULL = RAM only, unless `anywhere` */
    bool anywhere;                  /**< to a device, each model to where it is best (hst_select_place) */
    const char *precision;          /**< NULL = as stored */
    const char *optimization_level; /**< NULL = balanced */
    bool pin;                       /**< pin what is loaded */
    bool unpin;                     /**< unpin it */
    bool wait;                      /**< answer at the end, not at once */
    bool keep;                      /**< is ttl_seconds said? */
    uint32_t ttl_seconds;           /**< it may go when it was not used for so long */
    bool patient;                /**< when no other load runs */
};
/** Start them and see to it that the call is answered. On failure nothing runs and the call is not answered. */
int hst_batch_start(const struct hst_call *call, const struct hst_selection *selection, const struct hst_batch_wish *wish, struct hst_error *err);
/** The load of one model's components with a wish. What it points to is borrowed from both. */
struct hst_load_request hst_batch_request(const struct hst_service *service, const struct hst_selected *item, const struct hst_batch_wish *wish);
#endif
