/* Jobs and totals as JSON. */
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/view.h"

#include "os/meminfo.h"

static json_t *steps_of(const struct hst_job *job)
{
    json_t *steps = json_array();
    for (size_t i = 0; i < HST_STEP_COUNT; i++)
        json_array_append_new(steps, json_pack("{s:s, s:s, s:o, s:o}", "step", hst_step_name((enum hst_step)i), "state", job->steps[i].state, "ms",
                                               hst_jsonx_ms(job->steps[i].ms), "detail", hst_jsonx_text(job->steps[i].detail)));
    return steps;
}

/* What it brought to where it was asked to; nothing before it is done. */
static json_t *loaded_of(const struct hst_job *job, uint64_t *ret_bytes)
{
    json_t *loaded = json_array();
    *ret_bytes = 0;
    for (size_t i = 0; job->state == HST_JOB_DONE && i < job->component_count; i++) {
        const struct hst_component *component = job->components[i];
        uint64_t bytes = job->device != NULL ? job->device_bytes[i] : 0;
        *ret_bytes += bytes;
        json_array_append_new(loaded, json_pack("{s:s, s:o, s:o, s:b, s:s?}", "component_id", component->id, "vram_bytes", hst_jsonx_size(bytes),
                                                "size_bytes", hst_jsonx_size(job->sizes[i]), "shared", job->shared[i], "precision",
                                                job->precisions[i] != NULL ? job->precisions[i] : component->precision));
    }
    return loaded;
}

static double progress_of(const struct hst_job *job)
{
    if (job->state == HST_JOB_DONE) return 1;
    return job->total_bytes > 0 ? (double)job->done_bytes / (double)job->total_bytes : 0;
}

json_t *hst_view_estimate(const struct hst_estimate *estimate)
{
    if (estimate->source == NULL) return json_null();
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "source", estimate->source, "expected_ms", hst_jsonx_known_ms(estimate->expected_ms), "margin_ms",
                     hst_jsonx_known_ms(estimate->margin_ms), "measured_ms", hst_jsonx_known_ms(estimate->measured_ms), "expected_bytes",
                     hst_jsonx_size(estimate->expected_bytes), "measured_bytes", hst_jsonx_size(estimate->measured_bytes));
}

json_t *hst_view_job(const struct hst_job *job)
{
    uint64_t bytes;
    json_t *loaded = loaded_of(job, &bytes);
    json_t *view = json_pack("{s:s, s:s, s:s?, s:s, s:s, s:o, s:o, s:o}", "job_id", job->id, "model_id", job->model->id, "device_id",
                             job->device != NULL ? job->device->id : NULL, "state", hst_job_state_name(job->state), "step", hst_step_name(job->step),
                             "steps", steps_of(job), "loaded_components", loaded, "vram_usage_bytes", hst_jsonx_size(bytes));
    json_object_set_new(view, "estimate", hst_view_estimate(&job->estimate));
    json_object_set_new(view, "loading_ms", hst_jsonx_ms(job->loading_ms));
    json_object_set_new(view, "optimization_applied", json_string(job->optimization_applied));
    json_object_set_new(view, "total_bytes", hst_jsonx_size(job->total_bytes));
    json_object_set_new(view, "done_bytes", hst_jsonx_size(job->done_bytes));
    json_object_set_new(view, "progress", hst_jsonx_ms(progress_of(job)));
    json_object_set_new(view, "read_bytes", hst_jsonx_size(hst_amount_total(&job->read)));
    json_object_set_new(view, "warm_bytes", hst_jsonx_size(job->read.warm_bytes));
    json_object_set_new(view, "ram_bytes", hst_jsonx_size(job->plan->ram_bytes));
    json_object_set_new(view, "replans", hst_jsonx_size(job->replans));
    json_object_set_new(view, "background", json_boolean(job->ahead));
    json_object_set_new(view, "started_at", hst_jsonx_time((int64_t)job->started_wall_ns));
    json_object_set_new(view, "error", job->error.status < 0 ? hst_error_json(&job->error, NULL) : json_null());
    return view;
}

/* What was measured of memory for copies. */
static json_t *copy_backings(const struct hst_cache *cache)
{
    json_t *rows = json_array();
    for (int kind = HST_BACKING_TMPFS_HUGE; kind < HST_BACKING_COUNT; kind++) {
        double cost = hst_cache_touch_cost(cache, (enum hst_backing)kind);
        json_array_append_new(rows, json_pack("{s:s, s:o}", "backing", hst_backing_name((enum hst_backing)kind), "touch_ms_per_gib",
                                              cost > 0 ? hst_jsonx_ms(cost) : json_null()));
    }
    return rows;
}

static json_t *reading_of(const struct hst_cache *cache)
{
    const char *why_not;
    const char *method = hst_cache_reading(cache, &why_not);
    return json_pack("{s:s, s:s?}", "method", method, "why_not_io_uring", why_not);
}

void hst_view_cache_totals(const struct hst_service *service, json_t *object)
{
    struct hst_cache_stats stats = hst_cache_stats(service->config.cache);
    uint64_t asked = stats.hits + stats.misses;
    uint64_t free_bytes = stats.budget_bytes > stats.used_bytes ? stats.budget_bytes - stats.used_bytes : 0;
    json_object_set_new(object, "budget_bytes", hst_jsonx_size(stats.budget_bytes));
    json_object_set_new(object, "used_bytes", hst_jsonx_size(stats.used_bytes));
    json_object_set_new(object, "free_bytes", hst_jsonx_size(free_bytes));
    json_object_set_new(object, "evictable_bytes", hst_jsonx_size(stats.evictable_bytes));
    json_object_set_new(object, "draining_bytes", hst_jsonx_size(stats.draining_bytes));
    json_object_set_new(object, "hits", hst_jsonx_size(stats.hits));
    json_object_set_new(object, "misses", hst_jsonx_size(stats.misses));
    json_object_set_new(object, "hit_rate", asked > 0 ? json_real((double)stats.hits / (double)asked) : json_null());
    json_object_set_new(object, "evictions", hst_jsonx_size(stats.evictions));
    json_object_set_new(object, "filled_bytes", hst_jsonx_size(stats.filled_bytes));
    json_object_set_new(object, "copy_backing", json_string(hst_backing_name(hst_cache_copy_backing(service->config.cache))));
    json_object_set_new(object, "copy_backings", copy_backings(service->config.cache));
    json_object_set_new(object, "reading", reading_of(service->config.cache));
    json_object_set_new(object, "refetched_bytes", hst_jsonx_size(stats.refetched_bytes));
    json_object_set_new(object, "total_components", hst_jsonx_size(stats.count));
}

/* What would have to end before it could be evicted; NULL when it could be now. */
static const char *why_it_stays(const struct hst_service *service, const struct hst_residency *held)
{
    if (held->leases > 0) return "processes map it";
    if (held->pinned) return "it is pinned";
    if (held->state == HST_RESIDENCY_CACHING) return "it is being loaded";
    return hst_loader_busy(service->config.loader, held->component) ? "a load works on it" : NULL;
}

json_t *hst_view_shortage(const struct hst_shortage *shortage)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:b}", "state", shortage->is_short ? "short" : "enough", "available_bytes",
                     hst_jsonx_size(shortage->available_bytes), "reserve_bytes", hst_jsonx_size(shortage->reserve_bytes), "given_back_bytes",
                     hst_jsonx_size(shortage->given_back_bytes), "some_avg10", shortage->is_known ? json_real(shortage->some_avg10) : json_null(), "full_avg10",
                     shortage->is_known ? json_real(shortage->full_avg10) : json_null(), "pressed", shortage->is_pressed, "told_by_kernel", shortage->is_told);
}

/* What fills RAM, and why it stays. */
static json_t *fillers(const struct hst_service *service)
{
    json_t *holders = json_array();
    size_t cursor = 0;
    for (struct hst_residency *held; (held = hst_cache_next(service->config.cache, &cursor));)
        json_array_append_new(holders, json_pack("{s:s, s:o, s:s, s:b, s:i, s:s?, s:o}", "component_id", held->component->id, "bytes",
                                                 hst_jsonx_size(held->charged_bytes), "state", hst_view_ram_state(held), "pinned", held->pinned,
                                                 "devices", (int)held->device_refs, "stays", why_it_stays(service, held), "holders", hst_view_holders(service, held->component)));
    return holders;
}

json_t *hst_view_failure_details(const struct hst_service *service, const struct hst_device *device, const struct hst_error *error)
{
    if (error->status != HST_E_OUT_OF_RAM && error->status != HST_E_OUT_OF_DEVICE_MEMORY) return json_object();
    json_t *details = json_pack("{s:o, s:o, s:o}", "holders", fillers(service), "machine_total_bytes", hst_jsonx_size(hst_meminfo_total_bytes()), "machine_free_bytes",
                                hst_jsonx_size(hst_meminfo_headroom_bytes()));
    if (error->status == HST_E_OUT_OF_DEVICE_MEMORY && device != NULL) hst_view_add_shortage_of(service, device, details);
    return details;
}
