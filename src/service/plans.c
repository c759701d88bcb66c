#include "service/plans.h"

#include "service/internal.h"
#include "service/view.h"

#include <stdlib.h>

/* Somebody who waits for a plan. */
struct planning {
    struct hst_list node;
    struct hst_service *service; /* NULL once the service is gone */
    uint64_t ticket;
};

static void on_ended(void *context, const struct hst_job *job)
{
    struct planning *planning = context;
    struct hst_service *service = planning->service;
    if (service != NULL && job->error.status < 0)
        hst_call_fail(service, planning->ticket, &job->error, hst_view_failure_details(service, &job->error));
    else if (service != NULL)
        hst_call_ok(service, planning->ticket, hst_view_plan(service, job));
    hst_list_remove(&planning->node);
    free(planning);
}

int hst_plans_start(const struct hst_call *call, const struct hst_selected *item, const struct hst_batch_wish *wish, struct hst_error *err)
{
    struct hst_load_request request = hst_batch_request(item, wish);
    struct planning *planning = calloc(1, sizeof *planning);
    if (planning == NULL) return hst_error_nomem(err);
    *planning = (struct planning){.service = call->service, .ticket = call->ticket};
    hst_list_append(&call->service->plannings, &planning->node);
    int status = hst_loader_dry_run(call->service->config.loader, &request, on_ended, planning, err);
    if (status == HST_OK) return HST_OK;
    hst_list_remove(&planning->node);
    free(planning);
    return status;
}

void hst_plans_orphan_all(struct hst_service *service)
{
    HST_LIST_FOREACH(node, &service->plannings) {
        hst_container_of(node, struct planning, node)->service = NULL;
        hst_list_remove(node);
    }
}
