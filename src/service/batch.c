#include "service/batch.h"

#include "base/cleanup.h"
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/view.h"

#include <stdlib.h>

struct batch {
    struct hst_list node;
    struct hst_service *service; /* NULL once the service is gone */
    uint64_t ticket;
    size_t pending;              /* jobs that have not ended, and one while they are being started */
    const struct hst_device *device; /* NULL = to RAM */
    bool unpin;
    json_t *jobs;                /* views, in the order in which they ended */
    struct hst_error error;      /* of the first one that failed */
};

static void free_batch(struct batch *batch)
{
    hst_list_remove(&batch->node);
    json_decref(batch->jobs);
    free(batch);
}

/* Several loads as one: sums, and each for itself. */
static json_t *merge(json_t *jobs)
{
    json_t *loaded = json_array(), *job;
    json_int_t bytes = 0;
    double ms = 0;
    size_t index;
    json_array_foreach(jobs, index, job) {
        double took = json_number_value(json_object_get(job, "loading_ms"));
        json_array_extend(loaded, json_object_get(job, "loaded_components"));
        bytes += json_integer_value(json_object_get(job, "vram_usage_bytes"));
        ms = took > ms ? took : ms;
    }
    return json_pack("{s:O, s:o, s:I, s:f}", "jobs", jobs, "loaded_components", loaded, "vram_usage_bytes", bytes, "loading_ms", ms);
}

static json_t *result_of(json_t *jobs)
{
    return json_array_size(jobs) == 1 ? json_incref(json_array_get(jobs, 0)) : merge(jobs);
}

static json_t *details_of(const struct batch *batch)
{
    json_t *details = hst_view_failure_details(batch->service, batch->device, &batch->error);
    json_object_set(details, "jobs", batch->jobs);
    return details;
}

static void settle(struct batch *batch)
{
    if (--batch->pending > 0) return;
    if (batch->service != NULL && batch->error.status < 0)
        hst_call_fail(batch->service, batch->ticket, &batch->error, details_of(batch));
    else if (batch->service != NULL)
        hst_call_ok(batch->service, batch->ticket, result_of(batch->jobs));
    free_batch(batch);
}

static void unpin(const struct hst_service *service, const struct hst_job *job)
{
    for (size_t i = 0; i < job->component_count; i++) {
        struct hst_residency *held = hst_cache_find_as(service->config.cache, job->components[i], job->precisions[i]);
        struct hst_loaded *loaded = job->device != NULL ? hst_loader_find_as(service->config.loader, job->components[i], job->device, job->precisions[i]) : NULL;
        if (held != NULL) hst_cache_pin(service->config.cache, held, false);
        if (loaded != NULL) hst_loader_pin(service->config.loader, loaded, false);
    }
}

static void on_ended(void *context, const struct hst_job *job)
{
    struct batch *batch = context;
    json_array_append_new(batch->jobs, hst_view_job(job));
    if (batch->service != NULL && batch->unpin && job->state == HST_JOB_DONE) unpin(batch->service, job);
    if (job->error.status < 0 && batch->error.status == 0) batch->error = job->error;
    settle(batch);
}

struct hst_load_request hst_batch_request(const struct hst_service *service, const struct hst_selected *item, const struct hst_batch_wish *wish)
{
    return (struct hst_load_request){.model = item->model,
                                     .roles = item->roles,
                                     .role_count = item->role_count,
                                     .device = wish->anywhere ? hst_select_place(service, item->model) : wish->device,
                                     .precision = wish->precision,
                                     .optimization_level = wish->optimization_level,
                                     .pin = wish->pin,
                                     .keep = wish->keep,
                                     .ttl_seconds = wish->ttl_seconds,
                                     .patient = wish->patient};
}

static int start_one(struct batch *batch, const struct hst_selected *item, const struct hst_batch_wish *wish, struct hst_job **ret_job, struct hst_error *err)
{
    struct hst_load_request request = hst_batch_request(batch->service, item, wish);
    if (batch->device == NULL) batch->device = request.device;
    batch->pending++;
    int status = hst_loader_start(batch->service->config.loader, &request, on_ended, batch, ret_job, err);
    if (status < 0) batch->pending--;
    return status;
}

/* Start what can be started; an error goes to whoever waits, once the others have ended. */
static void start_all(struct batch *batch, const struct hst_selection *selection, const struct hst_batch_wish *wish, json_t *started)
{
    struct hst_job *job;
    struct hst_error error = {0};
    for (size_t i = 0; i < selection->count; i++) {
        if (start_one(batch, &selection->items[i], wish, &job, &error) < 0)
            batch->error = batch->error.status == 0 ? error : batch->error;
        else
            json_array_append_new(started, hst_view_job(job));
    }
}

static int make(const struct hst_call *call, const struct hst_batch_wish *wish, struct batch **ret_batch, struct hst_error *err)
{
    struct batch *batch = calloc(1, sizeof *batch);
    json_t *jobs = json_array();
    if (batch == NULL || jobs == NULL) {
        free(batch);
        json_decref(jobs);
        return hst_error_nomem(err);
    }
    *batch = (struct batch){.service = call->service, .ticket = call->ticket, .pending = 1, .device = wish->device, .unpin = wish->unpin, .jobs = jobs};
    hst_list_append(&call->service->batches, &batch->node);
    *ret_batch = batch;
    return HST_OK;
}

int hst_batch_start(const struct hst_call *call, const struct hst_selection *selection, const struct hst_batch_wish *wish, struct hst_error *err)
{
    struct batch *batch;
    if (selection->count == 0) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "name a model_id or component_ids");
    HST_TRY(make(call, wish, &batch, err));
    json_t *started = json_array();
    start_all(batch, selection, wish, started);
    if (!wish->wait && batch->error.status == 0) hst_call_ok(call->service, call->ticket, result_of(started));
    json_decref(started);
    settle(batch);
    return HST_OK;
}

void hst_batch_orphan_all(struct hst_service *service)
{
    HST_LIST_FOREACH(node, &service->batches) {
        hst_container_of(node, struct batch, node)->service = NULL;
        hst_list_remove(node);
    }
}
