#include "base/cleanup.h"
#include "catalog/config.h"
#include "service/batch.h"
#include "service/fields.h"
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/plans.h"
#include "service/verbs.h"
#include "service/view.h"

static const char *const load_fields[] = {"model_id", "components", "component_ids", "device_id", "precision", "optimization_level", "pin", "wait", "ttl_seconds", NULL};

static int read_ttl(const struct hst_call *call, struct hst_batch_wish *wish, struct hst_error *err)
{
    int64_t seconds = -1;
    HST_TRY(hst_fields_integer(call, "ttl_seconds", 0, HST_TTL_SECONDS_MAX, &seconds, err));
    wish->keep = seconds >= 0;
    wish->ttl_seconds = wish->keep ? (uint32_t)seconds : 0;
    return HST_OK;
}

static int read_wish(const struct hst_call *call, struct hst_batch_wish *ret_wish, struct hst_error *err)
{
    struct hst_batch_wish wish = {.wait = true};
    bool pin = true;
    HST_TRY(hst_fields_check(call, load_fields, err));
    HST_TRY(hst_fields_text(call, "precision", &wish.precision, err));
    HST_TRY(hst_fields_text(call, "optimization_level", &wish.optimization_level, err));
    HST_TRY(hst_fields_flag(call, "wait", &wish.wait, err));
    HST_TRY(hst_fields_flag(call, "pin", &pin, err));
    HST_TRY(read_ttl(call, &wish, err));
    wish.pin = pin && !json_is_null(json_object_get(call->fields, "pin")) && json_object_get(call->fields, "pin") != NULL;
    wish.unpin = !pin;
    *ret_wish = wish;
    return HST_OK;
}

static int start(struct hst_call *call, bool to_device, struct hst_error *err)
{
    HST_AUTO(hst_selection_fini) struct hst_selection selection = {0};
    struct hst_batch_wish wish;
    HST_TRY(read_wish(call, &wish, err));
    HST_TRY(hst_select_call_device(call, call->params[0], &wish.device, err));
    wish.anywhere = to_device && wish.device == NULL;
    HST_TRY(hst_selection_read(call, NULL, &selection, err));
    return hst_batch_start(call, &selection, &wish, err);
}

static void load(struct hst_call *call)
{
    struct hst_error error = {0};
    if (start(call, true, &error) < 0) hst_call_fail(call->service, call->ticket, &error, NULL);
}

static void cache(struct hst_call *call)
{
    struct hst_error error = {0};
    if (start(call, false, &error) < 0) hst_call_fail(call->service, call->ticket, &error, NULL);
}

/* What an unload did. */
struct unloading {
    json_t *gone;
    json_t *kept;
    uint64_t freed_bytes;
};

static void keep(const struct hst_service *service, struct unloading *unloading, const struct hst_loaded *loaded, const struct hst_error *why)
{
    json_array_append_new(unloading->kept, json_pack("{s:s, s:s, s:s, s:o}", "component_id", loaded->component->id, "device_id", loaded->device->id,
                                                     "reason", why->text, "holders", hst_view_holders(service, loaded->component)));
}

/* @return was it taken off? */
static bool unload_one(const struct hst_service *service, struct unloading *unloading, struct hst_loaded *loaded)
{
    struct hst_error error = {0};
    uint64_t freed_bytes = 0;
    json_t *row = json_pack("{s:s, s:s}", "component_id", loaded->component->id, "device_id", loaded->device->id);
    bool gone = hst_loader_unload(service->config.loader, loaded, &freed_bytes, &error) == HST_OK;
    if (gone) {
        json_object_set_new(row, "freed_bytes", hst_jsonx_size(freed_bytes));
        json_array_append(unloading->gone, row);
        unloading->freed_bytes += freed_bytes;
    } else
        keep(service, unloading, loaded, &error);
    json_decref(row);
    return gone;
}

static void unload_matching(const struct hst_service *service, const struct hst_selection *selection, const struct hst_device *device, struct unloading *unloading)
{
    size_t cursor = 0;
    for (struct hst_loaded *loaded; (loaded = hst_loader_next_loaded(service->config.loader, &cursor));) {
        if (device != NULL && loaded->device != device) continue;
        if (selection->count > 0 && !hst_selection_has(selection, loaded->component)) continue;
        if (unload_one(service, unloading, loaded)) cursor--;
    }
}

static int unload(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    static const char *const known[] = {"model_id", "components", "component_ids", "device_id", NULL};
    HST_AUTO(hst_selection_fini) struct hst_selection selection = {0};
    struct hst_device *device;
    HST_TRY(hst_fields_check(call, known, err));
    HST_TRY(hst_select_call_device(call, call->params[0], &device, err));
    HST_TRY(hst_selection_read(call, NULL, &selection, err));
    struct unloading unloading = {.gone = json_array(), .kept = json_array()};
    unload_matching(call->service, &selection, device, &unloading);
    *ret_data = json_pack("{s:o, s:o, s:o}", "unloaded_components", unloading.gone, "leased_components", unloading.kept, "freed_bytes",
                          hst_jsonx_size(unloading.freed_bytes));
    return HST_OK;
}

static int unload_named(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    if (json_object_size(call->fields) > 0) return unload(call, ret_data, err);
    return hst_error_set(err, HST_E_INVALID_ARGUMENT, "name component_ids; DELETE /api/model/unload without a body unloads all");
}

static int start_plan(struct hst_call *call, struct hst_error *err)
{
    HST_AUTO(hst_selection_fini) struct hst_selection selection = {0};
    struct hst_batch_wish wish;
    HST_TRY(read_wish(call, &wish, err));
    HST_TRY(hst_select_call_device(call, NULL, &wish.device, err));
    wish.anywhere = wish.device == NULL;
    HST_TRY(hst_selection_read(call, NULL, &selection, err));
    if (selection.count != 1) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "a plan is for one model: name its model_id");
    return hst_plans_start(call, &selection.items[0], &wish, err);
}

static void plan(struct hst_call *call)
{
    struct hst_error error = {0};
    if (start_plan(call, &error) < 0) hst_call_fail(call->service, call->ticket, &error, NULL);
}

static int list_decisions(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    const struct hst_decisions *decisions = hst_loader_decisions(call->service->config.loader);
    json_t *list = json_array();
    size_t cursor = 0;
    (void)err;
    for (const struct hst_decision *decision; (decision = hst_decisions_next(decisions, &cursor));)
        json_array_append_new(list, hst_view_decision(decision));
    *ret_data = json_pack("{s:o, s:o, s:o, s:o}", "decisions", list, "total", hst_jsonx_size(decisions->last_id), "evicted_bytes", hst_jsonx_size(decisions->bytes),
                          "thrash_count", hst_jsonx_size(decisions->thrash_count));
    return HST_OK;
}

static int find_job(const struct hst_call *call, struct hst_job **ret_job, struct hst_error *err)
{
    *ret_job = hst_loader_job(call->service->config.loader, call->params[0]);
    return *ret_job != NULL ? HST_OK : hst_error_set(err, HST_E_JOB_NOT_FOUND, "no job has the id '%s'", call->params[0]);
}

static int show_job(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    struct hst_job *job;
    HST_TRY(find_job(call, &job, err));
    *ret_data = hst_view_job(job);
    if (job->error.status < 0)
        json_object_set_new(*ret_data, "error", hst_error_json(&job->error, hst_view_failure_details(call->service, job->device, &job->error)));
    return HST_OK;
}

static int cancel_job(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    struct hst_job *job;
    HST_TRY(find_job(call, &job, err));
    HST_TRY(hst_loader_cancel(call->service->config.loader, job, err));
    return show_job(call, ret_data, err);
}

static int list_jobs(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    json_t *jobs = json_array();
    size_t cursor = 0;
    (void)err;
    for (struct hst_job *job; (job = hst_loader_next_job(call->service->config.loader, &cursor));)
        json_array_append_new(jobs, hst_view_job(job));
    *ret_data = json_pack("{s:o}", "jobs", jobs);
    return HST_OK;
}

static int show_status(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    const struct hst_service_config *config = &call->service->config;
    struct hst_device *device;
    if (call->params[0] != NULL) {
        HST_TRY(hst_select_device(call->service, call->params[0], &device, err));
        *ret_data = hst_view_device(call->service, device);
        return HST_OK;
    }
    json_t *devices = json_array(), *ram = json_object();
    for (size_t i = 0; i < config->device_count; i++)
        json_array_append_new(devices, hst_view_device(call->service, config->devices[i]));
    hst_view_cache_totals(call->service, ram);
    *ret_data = json_pack("{s:o, s:o, s:o}", "devices", devices, "cache", ram, "total_models", hst_jsonx_size(hst_catalog_count(config->catalog)));
    return HST_OK;
}

const struct hst_route hst_verbs_load[] = {
    {"GET", "/api/model/status", NULL, show_status},
    {"GET", "/api/model/status/{device_id}", NULL, show_status},
    {"POST", "/api/model/load", load, NULL},
    {"POST", "/api/model/load/{device_id}", load, NULL},
    {"DELETE", "/api/model/unload", NULL, unload},
    {"DELETE", "/api/model/unload/{device_id}", NULL, unload},
    {"POST", "/api/model/vram/load", load, NULL},
    {"POST", "/api/model/vram/load/{device_id}", load, NULL},
    {"DELETE", "/api/model/vram/unload", NULL, unload_named},
    {"DELETE", "/api/model/vram/unload/{device_id}", NULL, unload_named},
    {"POST", "/api/model/cache", cache, NULL},
    {"POST", "/api/model/plan", plan, NULL},
    {"GET", "/api/model/decisions", NULL, list_decisions},
    {"GET", "/api/model/jobs", NULL, list_jobs},
    {"GET", "/api/model/jobs/{job_id}", NULL, show_job},
    {"DELETE", "/api/model/jobs/{job_id}", NULL, cancel_job},
    {NULL, NULL, NULL, NULL},
};
