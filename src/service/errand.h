#ifndef HST_SERVICE_ERRAND_H
#define HST_SERVICE_ERRAND_H
/** @file
 * A request that waits for the disk, or for a thread: the answer comes later, and who asked is found again by ticket. */
#include "base/list.h"
#include "service/service.h"

/** The errand. */
struct hst_errand {
    struct hst_list node;        /**< in service->errands */
    struct hst_service *service; /**< NULL once it is gone */
    uint64_t ticket;             /**< of the call */
    char model_id[160];          /**< which model */
};

/** Begin one for a call, about a model or (NULL) none; owned by the list until hst_errand_end. NULL without memory. */
struct hst_errand *hst_errand_begin(const struct hst_call *call, const struct hst_model *model);
/** It is over. */
void hst_errand_end(struct hst_errand *errand);
#endif
