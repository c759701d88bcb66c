/* What the layers below tell, as events. */
#include "base/log.h"
#include "os/clock.h"
#include "service/index.h"
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/plans.h"
#include "service/preload.h"
#include "service/recorder.h"
#include "service/view.h"
#include "service/view_hash.h"

#include <stdio.h>
#include <string.h>

static void on_model(void *context, struct hst_model *model, bool available)
{
    struct hst_service *service = ((struct hst_service_slot *)context)->service;
    if (service == NULL) return;
    if (available) hst_loader_inherit(service->config.loader, model);
    hst_service_publish(service, available ? "model.available" : "model.unavailable",
                        json_pack("{s:s, s:o, s:s, s:o, s:s, s:o}", "model_id", model->id, "name", hst_jsonx_text(model->name), "type", model->type,
                                  "family", hst_jsonx_text(model->family), "state", hst_model_state_name(model->state), "generation",
                                  hst_jsonx_size(model->generation)));
}

static void on_scan(void *context, const struct hst_scan_status *status)
{
    struct hst_service *service = ((struct hst_service_slot *)context)->service;
    if (service == NULL) return;
    hst_service_publish(service, "scan.progress", hst_view_scan(status));
    bool is_done = strcmp(status->state, "done") == 0, has_ended = is_done || strcmp(status->state, "cancelled") == 0;
    if (is_done) hst_loader_inherit_end(service->config.loader);
    if (has_ended) hst_preload_scanned(service->preload);
    if (!has_ended || !service->scan_again) return;
    service->scan_again = false;
    hst_catalog_scan(service->config.catalog, NULL);
}

static void on_hashed(void *context, struct hst_model *model)
{
    struct hst_service *service = ((struct hst_service_slot *)context)->service;
    if (service == NULL) return;
    hst_service_publish(service, "model.hashed",
                        json_pack("{s:s, s:o, s:o}", "model_id", model->id, "hashes", hst_view_hashes(service->config.catalog, model), "duplicates",
                                  hst_view_duplicates(service->config.catalog, model)));
    hst_loader_share(service->config.loader, model);
}

static void on_hashing(void *context, const struct hst_hash_status *status)
{
    struct hst_service *service = ((struct hst_service_slot *)context)->service;
    if (service != NULL) hst_service_publish(service, "hash.progress", hst_view_hashing(status));
}

struct hst_catalog_listener hst_service_catalog_listener(struct hst_service_slot *slot)
{
    return (struct hst_catalog_listener){.changed = on_model, .progress = on_scan, .hashed = on_hashed, .hashing = on_hashing, .context = slot};
}

static void publish_state(struct hst_service *service, const struct hst_component *component, const char *tier, const char *device_id, const char *state)
{
    hst_service_publish(service, "component.state",
                        json_pack("{s:s, s:s, s:s, s:s?, s:s, s:o}", "component_id", component->id, "model_id", component->model->id, "tier", tier,
                                  "device_id", device_id, "state", state, "bytes", hst_jsonx_size(component->size_bytes)));
}

static void on_cache_state(void *context, const struct hst_component *component, const char *state)
{
    struct hst_service *service = ((struct hst_service_slot *)context)->service;
    if (service == NULL) return;
    hst_index_forget(service, component);
    hst_recorder_mark(service->recorder);
    hst_preload_wake(service->preload);
    publish_state(service, component, "ram", NULL, state);
}

static void on_lease_ended(void *context, uint64_t lease_id)
{
    struct hst_service *service = ((struct hst_service_slot *)context)->service;
    if (service != NULL) hst_loader_lease_ended(service->config.loader, lease_id);
}

struct hst_cache_listener hst_service_cache_listener(struct hst_service_slot *slot)
{
    return (struct hst_cache_listener){.state = on_cache_state, .lease_ended = on_lease_ended, .context = slot};
}

/* Is there something new to say: another job, step or state, or enough time since the last news? */
static bool is_worth_telling(struct hst_service *service, const struct hst_job *job)
{
    struct hst_service_progress *last = &service->progress;
    bool same = strcmp(last->job_id, job->id) == 0 && last->state == job->state && last->step == job->step;
    if (same && hst_clock_ms_since(last->ns) < HST_PROGRESS_MS) return false;
    *last = (struct hst_service_progress){.state = job->state, .step = job->step, .ns = hst_clock_ns()};
    snprintf(last->job_id, sizeof last->job_id, "%s", job->id);
    return true;
}

static void count(struct hst_service_counts *counts, const struct hst_job *job)
{
    if (job->ahead) return; /* nobody asked for it */
    counts->jobs_failed += job->state == HST_JOB_FAILED;
    counts->jobs_cancelled += job->state == HST_JOB_CANCELLED;
    if (job->state != HST_JOB_DONE) return;
    counts->jobs_done++;
    counts->job_ms += job->loading_ms;
}

static void on_progress(void *context, const struct hst_job *job)
{
    struct hst_service *service = ((struct hst_service_slot *)context)->service;
    if (service == NULL) return;
    count(&service->counts, job);
    hst_recorder_job(service->recorder, job);
    if (job->state > HST_JOB_ROLLING_BACK) hst_preload_wake(service->preload);
    hst_catalog_hash_hold(service->config.catalog, hst_loader_active(service->config.loader) > 0);
    if (job->state == HST_JOB_DONE) hst_catalog_hash_first(service->config.catalog, job->model);
    if (is_worth_telling(service, job)) hst_service_publish(service, "job.progress", hst_view_job(job));
}

static void on_device_state(void *context, const struct hst_component *component, const struct hst_device *device, const char *state)
{
    struct hst_service *service = ((struct hst_service_slot *)context)->service;
    if (service == NULL) return;
    if (!device->ops->references_ram) {
        hst_index_forget(service, component);
        hst_recorder_mark(service->recorder);
    }
    publish_state(service, component, "device", device->id, state);
}

/* What comes back soon after it was evicted is said once in the log: somebody should give hoist more room. */
static void on_decided(void *context, const struct hst_decision *decision)
{
    struct hst_service *service = ((struct hst_service_slot *)context)->service;
    bool thrash = decision->reloaded_wall_ns != 0;
    double seconds = (double)(decision->reloaded_wall_ns - decision->at_wall_ns) / 1e9;
    if (service == NULL) return;
    if (thrash) hst_log(HST_LOG_WARN, "service", "%s was evicted for %s and is back after %.0f s: what is used takes more room than there is", decision->component_id,
                        decision->model_id[0] != '\0' ? decision->model_id : "want of memory", seconds);
    hst_service_publish(service, thrash ? "eviction.thrash" : "eviction.decided", hst_view_decision(decision));
}

static void on_pressure(void *context, const struct hst_shortage *shortage, const struct hst_given_back *gone)
{
    struct hst_service *service = ((struct hst_service_slot *)context)->service;
    if (service == NULL) return;
    json_t *event = hst_view_shortage(shortage);
    json_object_set_new(event, "components", hst_jsonx_size(gone->components));
    json_object_set_new(event, "freed_bytes", hst_jsonx_size(gone->bytes));
    hst_service_publish(service, "memory.pressure", event);
}

struct hst_loader_listener hst_service_loader_listener(struct hst_service_slot *slot)
{
    return (struct hst_loader_listener){.progress = on_progress, .device_state = on_device_state, .decided = on_decided, .pressure = on_pressure, .context = slot};
}
