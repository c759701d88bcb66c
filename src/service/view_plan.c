/* Plans, and records of evictions, as JSON. */
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/plans.h"
#include "service/view.h"

static void add_evictions(json_t *list, const struct hst_plan_eviction *evictions, size_t count, const char *tier)
{
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s?, s:o, s:f, s:s}", "component_id", evictions[i].component_id, "tier", tier, "device_id", evictions[i].device_id,
                                              "bytes", hst_jsonx_size(evictions[i].bytes), "value", evictions[i].value, "reason", evictions[i].reason));
}

/* In the order in which they go: off devices first, then out of RAM. */
static json_t *view_evictions(const struct hst_plan *plan)
{
    json_t *list = json_array();
    add_evictions(list, plan->device_evictions, plan->device_eviction_count, "device");
    add_evictions(list, plan->ram_evictions, plan->ram_eviction_count, "ram");
    return list;
}

/* What is done about a component, in a word. */
static const char *action_of(const struct hst_outlook *outlook)
{
    if (outlook->arriving) return "wait";
    if (outlook->held) return "none";
    if (outlook->read_bytes == 0) return "share";
    return outlook->converts ? "convert" : "read";
}

static json_t *view_component(const struct hst_service *service, const struct hst_job *job, size_t index)
{
    const struct hst_component *component = job->components[index];
    const struct hst_outlook *outlook = &job->outlooks[index];
    const char *precision = job->precisions[index];
    json_t *view = json_pack("{s:s, s:s, s:o, s:s, s:b, s:o, s:s, s:s?, s:s?}", "component_id", component->id, "component_type", component->role, "size_bytes",
                             hst_jsonx_size(job->sizes[index]), "ram", hst_view_ram_state(hst_cache_find_as(service->config.cache, component, precision)), "loaded",
                             outlook->loaded, "batch", hst_jsonx_size(job->plan->batch_of[index]), "action", action_of(outlook), "precision",
                             precision != NULL ? precision : component->precision, "stored_precision", component->precision);
    json_object_set_new(view, "ram_bytes", hst_jsonx_size(outlook->ram_bytes));
    json_object_set_new(view, "device_bytes", hst_jsonx_size(outlook->device_bytes));
    json_object_set_new(view, "read_bytes", hst_jsonx_size(outlook->read_bytes));
    json_object_set_new(view, "warm_bytes", hst_jsonx_size(outlook->warm_bytes));
    json_object_set_new(view, "shared_bytes", hst_jsonx_size(outlook->shared_bytes));
    json_object_set_new(view, "shared_with", hst_jsonx_texts((const char *const *)outlook->sharers, outlook->sharer_count));
    return view;
}

static json_t *view_components(const struct hst_service *service, const struct hst_job *job)
{
    json_t *list = json_array();
    for (size_t i = 0; i < job->component_count; i++)
        json_array_append_new(list, view_component(service, job, i));
    return list;
}

/* Sums of the plan. */
struct sums {
    uint64_t read;
    uint64_t converted;
    uint64_t warm;
    uint64_t shared;
    uint64_t evicted; /* from RAM */
};

static struct sums sum_up(const struct hst_job *job)
{
    struct sums sums = {0};
    for (size_t i = 0; i < job->component_count; i++) {
        const struct hst_outlook *outlook = &job->outlooks[i];
        sums.read += outlook->read_bytes;
        sums.converted += outlook->converts ? outlook->read_bytes : 0;
        sums.warm += outlook->warm_bytes;
        sums.shared += outlook->shared_bytes;
    }
    for (size_t i = 0; i < job->plan->ram_eviction_count; i++)
        sums.evicted += job->plan->ram_evictions[i].bytes;
    return sums;
}

static void add_step(json_t *steps, bool needed, const char *step, const char *text, uint64_t bytes)
{
    if (needed) json_array_append_new(steps, json_pack("{s:s, s:s, s:o}", "step", step, "text", text, "bytes", hst_jsonx_size(bytes)));
}

static json_t *view_steps(const struct hst_plan *plan, const struct sums *sums)
{
    json_t *steps = json_array();
    add_step(steps, plan->ram_eviction_count + plan->device_eviction_count > 0, "evict", "make room", sums->evicted);
    add_step(steps, sums->shared > 0, "share", "use the memory of equal tensors that are there", sums->shared);
    add_step(steps, sums->read > sums->converted, "cache", "read from disk into RAM", sums->read - sums->converted);
    add_step(steps, sums->converted > 0, "convert", "read from disk and convert on the way into RAM", sums->converted);
    add_step(steps, plan->device_bytes > 0, "load", "reserve and load on the device", plan->device_bytes);
    return steps;
}

json_t *hst_view_plan(const struct hst_service *service, const struct hst_job *job)
{
    const struct hst_plan *plan = job->plan;
    struct hst_cache_stats stats = hst_cache_stats(service->config.cache);
    struct sums sums = sum_up(job);
    json_t *view = json_pack("{s:s, s:s?, s:o, s:o, s:o, s:o, s:o, s:o}", "model_id", job->model->id, "device_id", job->device != NULL ? job->device->id : NULL, "steps",
                             view_steps(plan, &sums), "components", view_components(service, job), "evictions", view_evictions(plan), "batches",
                             hst_jsonx_size(plan->batch_count), "ram_bytes", hst_jsonx_size(plan->ram_bytes), "device_bytes", hst_jsonx_size(plan->device_bytes));
    json_object_set_new(view, "read_bytes", hst_jsonx_size(sums.read));
    json_object_set_new(view, "warm_bytes", hst_jsonx_size(sums.warm));
    json_object_set_new(view, "shared_bytes", hst_jsonx_size(sums.shared));
    json_object_set_new(view, "evicted_bytes", hst_jsonx_size(sums.evicted));
    json_object_set_new(view, "ram_used_bytes", hst_jsonx_size(stats.used_bytes));
    json_object_set_new(view, "ram_budget_bytes", hst_jsonx_size(stats.budget_bytes));
    json_object_set_new(view, "expected_ms", hst_jsonx_known_ms(job->estimate.expected_ms));
    json_object_set_new(view, "margin_ms", hst_jsonx_known_ms(job->estimate.margin_ms));
    return view;
}

static json_t *view_rivals(const struct hst_decision *decision)
{
    json_t *rivals = json_array();
    for (size_t i = 0; i < decision->rival_count; i++)
        json_array_append_new(rivals, json_pack("{s:s, s:f}", "component_id", decision->rivals[i].component_id, "value", decision->rivals[i].value));
    return rivals;
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

json_t *hst_view_decision(const struct hst_decision *decision)
{
    json_t *view = json_pack("{s:o, s:o, s:s, s:s, s:s, s:s?, s:o, s:s}", "decision_id", hst_jsonx_size(decision->id), "at", hst_jsonx_time(decision->at_wall_ns), "cause",
                             hst_decision_cause_name(decision->cause), "component_id", decision->component_id, "tier", decision->device_id[0] == '\0' ? "ram" : "device",
                             "device_id", or_null(decision->device_id), "bytes", hst_jsonx_size(decision->bytes), "reason", decision->reason);
    bool chosen = decision->policy[0] != '\0';
    json_object_set_new(view, "job_id", hst_jsonx_text(or_null(decision->job_id)));
    json_object_set_new(view, "model_id", hst_jsonx_text(or_null(decision->model_id)));
    json_object_set_new(view, "policy", hst_jsonx_text(or_null(decision->policy)));
    json_object_set_new(view, "value", chosen ? json_real(decision->value) : json_null());
    json_object_set_new(view, "rivals", view_rivals(decision));
    json_object_set_new(view, "thrash", json_boolean(decision->reloaded_wall_ns != 0));
    json_object_set_new(view, "reloaded_at", hst_jsonx_time(decision->reloaded_wall_ns));
    return view;
}
