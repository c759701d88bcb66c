/* A device that lost what was on it. What was loaded there is gone, whoever has it; loads to it fail; and what RAM has is loaded to it again as soon as the device
 * takes it: after a second, then after twice as long each time. */
#include "base/checked.h"
#include "base/cleanup.h"
#include "load/internal.h"
#include "load/limits.h"
#include "model/layout.h"

#include <stdio.h>
#include <string.h>

/* A device that is watched. */
struct hst_lookout {
    struct hst_loader *loader;
    struct hst_device *device;
};

/* Something to be loaded again. */
struct again {
    struct hst_list node; /* in loader->lost */
    struct hst_loader *loader;
    struct hst_component *component; /* its model is referenced */
    struct hst_device *device;
    char precision[16];
    bool pinned;
    int64_t ttl_seconds;
    bool running;
};

static struct again *entry_of(struct hst_list *node)
{
    return hst_container_of(node, struct again, node);
}

static void free_again(struct again *again)
{
    hst_list_remove(&again->node);
    hst_model_unref(again->component->model);
    free(again);
}

/* ---- loading it again ---- */

static void on_time(uv_timer_t *timer);

static void try_later(struct hst_loader *loader)
{
    uv_timer_start(&loader->lost_timer, on_time, loader->lost_ms, 0);
    loader->lost_ms = hst_min_u64(loader->lost_ms * 2, HST_LOST_RETRY_MS_MAX);
}

/* The device is there: no need to wait with the others. */
static void try_next(struct hst_loader *loader)
{
    loader->lost_ms = HST_LOST_RETRY_MS;
    uv_timer_start(&loader->lost_timer, on_time, 0, 0);
}

static void on_ended(void *context, const struct hst_job *job)
{
    struct again *again = context;
    struct hst_loader *loader = again->loader;
    bool device_is_down = job->error.status == HST_E_DEVICE_LOST || job->error.status == HST_E_DEVICE_FAILED || job->error.status == HST_E_DEVICE_UNAVAILABLE;
    again->running = false;
    if (!device_is_down || loader->draining) free_again(again);
    if (loader->draining || hst_list_empty(&loader->lost)) return;
    if (device_is_down)
        try_later(loader);
    else
        try_next(loader);
}

/* Only what RAM still has: that takes no time, and nobody asked for the rest. */
static int load(struct again *again)
{
    struct hst_loader *loader = again->loader;
    struct hst_job *job;
    const char *role = again->component->role;
    if (hst_cache_find_as(loader->config.cache, again->component, again->precision) == NULL) return HST_E_NOT_FOUND;
    struct hst_load_request request = {.model = again->component->model,
                                       .roles = &role,
                                       .role_count = 1,
                                       .device = again->device,
                                       .precision = again->precision[0] != '\0' ? again->precision : NULL,
                                       .as_stored = true,
                                       .pin = again->pinned,
                                       .keep = again->ttl_seconds >= 0,
                                       .ttl_seconds = again->ttl_seconds >= 0 ? (uint32_t)again->ttl_seconds : 0,
                                       .patient = true};
    again->running = true;
    return hst_loader_start(loader, &request, on_ended, again, &job, NULL);
}

/* One after the other: the first says whether the device is there. */
static void on_time(uv_timer_t *timer)
{
    struct hst_loader *loader = timer->data;
    while (!hst_list_empty(&loader->lost)) {
        struct again *again = entry_of(loader->lost.next);
        if (again->running || load(again) == HST_OK) return;
        free_again(again);
    }
}

static void remember(struct hst_loader *loader, const struct hst_loaded *loaded)
{
    struct again *again = loaded->alone ? NULL : calloc(1, sizeof *again);
    if (again == NULL) return;
    *again = (struct again){.loader = loader, .component = loaded->component, .device = loaded->device, .pinned = loaded->pinned, .ttl_seconds = loaded->ttl_seconds};
    memcpy(again->precision, loaded->precision, sizeof again->precision);
    hst_model_ref(loaded->component->model);
    hst_list_append(&loader->lost, &again->node);
}

/* ---- letting go ---- */

void hst_lost_sweep(struct hst_loader *loader)
{
    for (size_t i = loader->loaded_count; i > 0; i--) {
        struct hst_loaded_entry *entry = loader->loaded[i - 1];
        if (!entry->lost || entry->moving || hst_job_touches(loader, entry->view.component)) continue;
        hst_tenancy_forget(loader, &entry->view);
        hst_loaded_drop(loader, entry);
    }
}

static void fail_jobs(struct hst_loader *loader, const struct hst_device *device, const struct hst_error *why)
{
    HST_LIST_FOREACH(node, &loader->jobs) {
        struct hst_job_entry *job = hst_container_of(node, struct hst_job_entry, node);
        if (job->view.device == device && job->view.state == HST_JOB_RUNNING && !job->view.dry) hst_step_fail(job, why->status, why);
    }
}

static void on_lost(void *context, const struct hst_error *why)
{
    struct hst_lookout *lookout = context;
    struct hst_loader *loader = lookout->loader;
    fail_jobs(loader, lookout->device, why);
    for (size_t i = 0; i < loader->loaded_count; i++) {
        struct hst_loaded_entry *entry = loader->loaded[i];
        if (entry->view.device != lookout->device || entry->lost) continue;
        entry->lost = true;
        remember(loader, &entry->view);
    }
    hst_lost_sweep(loader);
    hst_readopt_lost(loader, lookout->device);
    if (hst_list_empty(&loader->lost)) return;
    loader->lost_ms = HST_LOST_RETRY_MS;
    try_later(loader);
}

/* ---- watching ---- */

void hst_lost_watch(struct hst_loader *loader)
{
    hst_list_init(&loader->lost);
    uv_timer_init(loader->config.loop, &loader->lost_timer);
    uv_unref((uv_handle_t *)&loader->lost_timer);
    loader->lost_timer.data = loader;
    loader->watching_lost = true;
    loader->lookouts = calloc(loader->config.device_count + 1, sizeof *loader->lookouts);
    for (size_t i = 0; loader->lookouts != NULL && i < loader->config.device_count; i++) {
        struct hst_device *device = loader->config.devices[i];
        loader->lookouts[i] = (struct hst_lookout){loader, device};
        if (device->ops->watch != NULL) device->ops->watch(device->backend, on_lost, &loader->lookouts[i]);
    }
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_loader *)handle->data)->watching_lost = false;
}

void hst_lost_unwatch(struct hst_loader *loader)
{
    for (size_t i = 0; loader->lookouts != NULL && i < loader->config.device_count; i++)
        if (loader->config.devices[i]->ops->watch != NULL) loader->config.devices[i]->ops->watch(loader->config.devices[i]->backend, NULL, NULL);
    HST_LIST_FOREACH(node, &loader->lost)
        free_again(entry_of(node));
    uv_close((uv_handle_t *)&loader->lost_timer, on_closed);
    while (loader->watching_lost)
        uv_run(loader->config.loop, UV_RUN_ONCE);
    free(hst_steal(&loader->lookouts));
}
