/* What goes though nobody needs the room: when its time to live is over. And what is not to go: pins that the user wishes for. */
#include "base/cleanup.h"
#include "load/internal.h"
#include "load/limits.h"
#include "load/pressure.h"
#include "os/clock.h"

#include <stdio.h>
#include <string.h>

/* Seconds for which it stays without being used; negative = as long as there is room. `said` = by who loaded it, or -1. */
static int64_t ttl_of(const struct hst_loader *loader, const struct hst_component *component, int64_t said)
{
    const struct hst_model_config *config = hst_config_of(loader->config.catalog, component->model->id);
    if (said >= 0) return said;
    return config->has_ttl ? (int64_t)config->ttl_seconds : -1;
}

static bool is_over(int64_t ttl, uint64_t idle_since_ns)
{
    return ttl >= 0 && hst_clock_ms_since(idle_since_ns) >= (double)ttl * 1e3;
}

bool hst_giveback_is_due(const struct hst_loader *loader, const struct hst_residency *residency)
{
    return residency->leases == 0 && is_over(ttl_of(loader, residency->component, residency->ttl_seconds), residency->idle_since_ns);
}

bool hst_giveback_loaded_is_due(const struct hst_loader *loader, const struct hst_loaded *loaded)
{
    if (loaded->residency != NULL) return hst_giveback_is_due(loader, loaded->residency);
    return loaded->leases == 0 && is_over(ttl_of(loader, loaded->component, loaded->ttl_seconds), loaded->idle_since_ns);
}

/* Take what is not pinned and not leased off the devices that reference it, and out of RAM; `record` says why. @return is it gone? */
static bool give_back(struct hst_loader *loader, struct hst_residency *residency, struct hst_decision *record)
{
    if (!hst_facts_evictable(loader, residency)) return false;
    for (size_t i = loader->loaded_count; i > 0; i--)
        if (loader->loaded[i - 1]->view.residency == residency) hst_loader_unload(loader, &loader->loaded[i - 1]->view, NULL, NULL);
    return hst_loader_evict(loader, residency, record, NULL) == HST_OK;
}

/* What a device has itself goes by itself. */
static void expire_loaded(struct hst_loader *loader)
{
    for (size_t i = loader->loaded_count; i > 0; i--) {
        struct hst_loaded_entry *entry = loader->loaded[i - 1];
        struct hst_decision record = {.cause = HST_CAUSE_TTL, .reason = "its time to live is over"};
        if (entry->view.residency != NULL || !hst_loaded_evictable(loader, entry) || !hst_giveback_loaded_is_due(loader, &entry->view)) continue;
        snprintf(record.component_id, sizeof record.component_id, "%s", entry->view.component->id);
        snprintf(record.device_id, sizeof record.device_id, "%s", entry->view.device->id);
        if (hst_loader_unload(loader, &entry->view, &record.bytes, NULL) < 0) continue;
        loader->expired_bytes += record.bytes;
        hst_decision_note(loader, &record);
    }
}

static void on_time(uv_timer_t *timer)
{
    struct hst_loader *loader = timer->data;
    size_t cursor = 0;
    expire_loaded(loader);
    for (struct hst_residency *held; (held = hst_cache_next(loader->config.cache, &cursor));) {
        struct hst_decision record = {.cause = HST_CAUSE_TTL, .reason = "its time to live is over"};
        if (!hst_giveback_is_due(loader, held) || !give_back(loader, held, &record)) continue;
        loader->expired_bytes += record.bytes;
        cursor--;
    }
}

/* Who may go, and in which order. */
struct queue {
    struct hst_residency **held;
    struct hst_plan_candidate *candidates;
    size_t *order;
    size_t count;
};

static void queue_fini(struct queue *queue)
{
    free(queue->held);
    free(queue->candidates);
    free(queue->order);
}

static int fill_queue(const struct hst_loader *loader, const struct hst_plan_policy *policy, struct queue *queue, struct hst_error *err)
{
    size_t room = hst_cache_count(loader->config.cache) + 1, cursor = 0;
    queue->held = calloc(room, sizeof(struct hst_residency *));
    queue->candidates = calloc(room, sizeof *queue->candidates);
    if (queue->held == NULL || queue->candidates == NULL) return hst_error_nomem(err);
    for (struct hst_residency *held; (held = hst_cache_next(loader->config.cache, &cursor));) {
        if (!hst_facts_evictable(loader, held)) continue;
        queue->held[queue->count] = held;
        queue->candidates[queue->count++] = hst_facts_candidate(loader, held);
    }
    return hst_plan_rank(policy, queue->candidates, queue->count, &queue->order, err);
}

struct hst_given_back hst_giveback_run(struct hst_loader *loader, uint64_t wanted_bytes, size_t most)
{
    HST_AUTO(queue_fini) struct queue queue = {0};
    const struct hst_plan_policy *policy = loader->config.policy != NULL ? loader->config.policy : hst_plan_policy_default();
    struct hst_given_back gone = {0};
    if (fill_queue(loader, policy, &queue, NULL) < 0) return gone; /* the next look tries again */
    for (size_t i = 0; i < queue.count && gone.bytes < wanted_bytes && gone.components < most; i++) {
        const struct hst_plan_candidate *candidate = &queue.candidates[queue.order[i]];
        struct hst_decision record = {.cause = HST_CAUSE_PRESSURE, .value = hst_plan_value(policy, candidate)};
        snprintf(record.policy, sizeof record.policy, "%s", policy->name);
        hst_plan_explain(policy, candidate, record.reason, sizeof record.reason);
        if (!give_back(loader, queue.held[queue.order[i]], &record)) continue;
        gone.components++;
        gone.bytes += record.bytes;
    }
    return gone;
}

struct hst_shortage hst_loader_shortage(const struct hst_loader *loader)
{
    return loader->pressure != NULL ? hst_pressure_watch_now(loader->pressure) : (struct hst_shortage){0};
}

uint64_t hst_loader_expired_bytes(const struct hst_loader *loader)
{
    return loader->expired_bytes;
}

void hst_giveback_watch(struct hst_loader *loader)
{
    uv_timer_init(loader->config.loop, &loader->ttl_timer);
    loader->ttl_timer.data = loader;
    uv_timer_start(&loader->ttl_timer, on_time, HST_TTL_LOOK_MS, HST_TTL_LOOK_MS);
    uv_unref((uv_handle_t *)&loader->ttl_timer);
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_loader *)handle->data)->counting = false;
}

void hst_giveback_stop(struct hst_loader *loader)
{
    loader->counting = true;
    uv_close((uv_handle_t *)&loader->ttl_timer, on_closed);
    while (loader->counting)
        uv_run(loader->config.loop, UV_RUN_ONCE);
}

static bool is_of(const struct hst_component *component, const struct hst_model *model)
{
    return model != NULL && strcmp(component->model->id, model->id) == 0;
}

void hst_loader_pin_model(struct hst_loader *loader, const struct hst_model *model, bool pinned)
{
    size_t cursor = 0;
    for (struct hst_residency *held; (held = hst_cache_next(loader->config.cache, &cursor));)
        if (is_of(held->component, model)) hst_cache_pin(loader->config.cache, held, pinned);
    for (size_t i = 0; i < loader->loaded_count; i++)
        if (is_of(loader->loaded[i]->view.component, model)) hst_loader_pin(loader, &loader->loaded[i]->view, pinned);
}

/* In whatever precision. */
static bool is_in_ram(const struct hst_loader *loader, const struct hst_component *component)
{
    size_t cursor = 0;
    for (const struct hst_residency *held; (held = hst_cache_next(loader->config.cache, &cursor));)
        if (strcmp(held->component->id, component->id) == 0) return true;
    return false;
}

/* Bytes that a model would add to those that are in RAM. */
static uint64_t absent_bytes(const struct hst_loader *loader, const struct hst_model *model)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < model->component_count; i++)
        if (!is_in_ram(loader, &model->components[i])) bytes += model->components[i].size_bytes;
    return bytes;
}

uint64_t hst_loader_pinned_bytes(const struct hst_loader *loader, const struct hst_model *model)
{
    struct hst_cache *cache = loader->config.cache;
    HST_AUTO(hst_freep) struct hst_residency **pinned = calloc(hst_cache_count(cache) + 1, sizeof(struct hst_residency *));
    size_t count = 0, cursor = 0;
    for (struct hst_residency *held; pinned != NULL && (held = hst_cache_next(cache, &cursor));)
        if (held->state != HST_RESIDENCY_SUSPENDED && (held->pinned || is_of(held->component, model))) pinned[count++] = held;
    uint64_t bytes = hst_cache_union(pinned, count) + (model != NULL ? absent_bytes(loader, model) : 0);
    cursor = 0;
    for (const struct hst_model *other; (other = hst_config_next_pinned(loader->config.catalog, &cursor));)
        if (model == NULL || strcmp(other->id, model->id) != 0) bytes += absent_bytes(loader, other);
    return bytes;
}
