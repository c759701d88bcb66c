#include "service/plans.h"

#include "service/errand.h"
#include "service/internal.h"
#include "service/view.h"

static void on_ended(void *context, const struct hst_job *job)
{
    struct hst_errand *errand = context;
    struct hst_service *service = errand->service;
    if (service != NULL && job->error.status < 0)
        hst_call_fail(service, errand->ticket, &job->error, hst_view_failure_details(service, job->device, &job->error));
    else if (service != NULL)
        hst_call_ok(service, errand->ticket, hst_view_plan(service, job));
    hst_errand_end(errand);
}

int hst_plans_start(const struct hst_call *call, const struct hst_selected *item, const struct hst_batch_wish *wish, struct hst_error *err)
{
    struct hst_load_request request = hst_batch_request(call->service, item, wish);
    struct hst_errand *errand = hst_errand_begin(call, item->model);
    if (errand == NULL) return hst_error_nomem(err);
    int status = hst_loader_dry_run(call->service->config.loader, &request, on_ended, errand, err);
    if (status < 0) hst_errand_end(errand);
    return status;
}
