#include "service/preload.h"

#include "base/cleanup.h"
#include "os/meminfo.h"
#include "service/internal.h"
#include "service/limits.h"
#include "service/recorder.h"
#include "service/residents.h"
#include "service/select.h"
#include "service/usekey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A load that it has begun. */
struct run {
    struct hst_preload *preload;  /* NULL once that is gone */
    char key[HST_PATTERN_KEY_MAX]; /* what was predicted; "" = it was there before the restart */
};

struct hst_preload {
    struct hst_service *service;
    uv_timer_t timer;
    bool closed;         /* the timer is */
    bool soon;           /* it is set to the near future */
    struct run *running; /* or NULL */
    json_t *pending;     /* owned array */
    size_t restored;
    bool scanned;        /* models are known */
    bool forced;         /* bring in what is predicted, whether that is on or not */
};

json_t *hst_preload_pending(const struct hst_preload *preload)
{
    return preload != NULL ? preload->pending : NULL;
}

json_t *hst_preload_view_restore(const struct hst_preload *preload)
{
    bool is_left = json_array_size(preload->pending) > 0;
    const char *state = !preload->service->config.restore ? "disabled" : !preload->scanned ? "waiting" : is_left ? "restoring" : "done";
    return json_pack("{s:s, s:I, s:I}", "state", state, "restored", (json_int_t)preload->restored, "pending", (json_int_t)json_array_size(preload->pending));
}

/* Into what is free alone: of the budget, and of the machine's memory with something left for others. */
static bool fits(const struct hst_service *service, uint64_t bytes)
{
    struct hst_cache_stats stats = hst_cache_stats(service->config.cache);
    if (stats.used_bytes + bytes > hst_cache_limit(service->config.cache) || hst_loader_shortage(service->config.loader).is_short) return false;
    return hst_meminfo_headroom_bytes() >= bytes + hst_meminfo_total_bytes() / HST_PRELOAD_LEAVE;
}

/* ---- what a key names ---- */

static uint64_t missing_of(const struct hst_service *service, const struct hst_model *model, const char *role, const char *precision)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < model->component_count; i++) {
        const struct hst_component *component = &model->components[i];
        bool named = role == NULL || strcmp(component->role, role) == 0;
        if (named && hst_cache_find_as(service->config.cache, component, precision) == NULL) bytes += component->ram_bytes;
    }
    return bytes;
}

static struct hst_model *find_model(const struct hst_service *service, const struct hst_usekey *key)
{
    struct hst_model *model = hst_catalog_find(service->config.catalog, key->model_id);
    for (size_t i = 0; model != NULL && i < key->role_count; i++)
        if (hst_model_component(model, key->roles[i]) == NULL) return NULL;
    return model != NULL && model->state == HST_MODEL_OK ? model : NULL;
}

bool hst_preload_is_missing(const struct hst_service *service, const char *key, uint64_t *ret_bytes)
{
    struct hst_usekey read;
    if (!hst_usekey_read(key, &read)) return false;
    const struct hst_model *model = find_model(service, &read);
    uint64_t bytes = model != NULL && read.role_count == 0 ? missing_of(service, model, NULL, read.precision) : 0;
    for (size_t i = 0; model != NULL && i < read.role_count; i++)
        bytes += missing_of(service, model, read.roles[i], read.precision);
    *ret_bytes = bytes;
    return bytes > 0;
}

/* ---- loading ---- */

static void note_prediction(struct hst_preload *preload, const char *key, const struct hst_job *job)
{
    struct hst_cache *cache = preload->service->config.cache;
    struct hst_ledger *ledger = hst_recorder_ledger(preload->service->recorder);
    double seconds = (job->overtaken_ms > 0 ? job->overtaken_ms : job->loading_ms) / 1e3;
    for (size_t i = 0; job->state == HST_JOB_DONE && i < job->component_count; i++) {
        struct hst_residency *held = hst_cache_find_as(cache, job->components[i], job->precisions[i]);
        if (held != NULL && !job->shared[i]) hst_cache_foresee(cache, held);
    }
    if (job->state == HST_JOB_DONE)
        hst_ledger_loaded(ledger, key, seconds, job->plan->ram_bytes);
    else
        hst_ledger_gave_up(ledger, key, job->loading_ms / 1e3, job->done_bytes);
    hst_recorder_mark(preload->service->recorder);
}

/* One that had to give way is tried again. */
static void note_restored(struct hst_preload *preload, const struct hst_job *job)
{
    if (job->state == HST_JOB_CANCELLED) return;
    preload->restored += job->state == HST_JOB_DONE;
    json_array_remove(preload->pending, 0);
}

static void on_ended(void *context, const struct hst_job *job)
{
    HST_AUTO(hst_freep) struct run *run = context;
    struct hst_preload *preload = run->preload;
    if (preload == NULL) return;
    preload->running = NULL;
    if (run->key[0] != '\0')
        note_prediction(preload, run->key, job);
    else
        note_restored(preload, job);
    hst_preload_wake(preload);
}

/* @return has it begun? */
static bool load(struct hst_preload *preload, const char *key, struct hst_load_request request)
{
    struct hst_job *job;
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL) return false;
    run->preload = preload;
    snprintf(run->key, sizeof run->key, "%s", key);
    request.ahead = true;
    preload->running = run;
    if (hst_loader_start(preload->service->config.loader, &request, on_ended, run, &job, NULL) == HST_OK) return true;
    preload->running = NULL;
    free(run);
    return false;
}

/* ---- what was there before ---- */

static bool restore_one(struct hst_preload *preload, const struct hst_resident_note *note)
{
    struct hst_cache *cache = preload->service->config.cache;
    if (note->component == NULL) return false;
    hst_cache_recall(cache, note->component, note->heat, note->last_used_ns);
    if (note->held != NULL && note->pinned) hst_cache_pin(cache, note->held, true);
    if (hst_resident_note_is_back(preload->service, note) || !fits(preload->service, note->held != NULL ? 0 : note->component->ram_bytes)) return false;
    const char *const roles[] = {note->component->role};
    return load(preload, "", (struct hst_load_request){.model = note->component->model, .roles = roles, .role_count = 1, .device = note->device,
                                                       .precision = note->precision, .pin = note->pinned});
}

static void set_timer(struct hst_preload *preload, unsigned ms);

/* Would it fit once memory that was let go is the kernel's again, or the machine has enough of it? Then it keeps its place. */
static bool fits_later(const struct hst_service *service, const struct hst_resident_note *note)
{
    struct hst_cache_stats stats = hst_cache_stats(service->config.cache);
    if (note->component == NULL || note->held != NULL) return false;
    bool frees = stats.draining_bytes > 0 || hst_loader_shortage(service->config.loader).is_short;
    return frees && stats.used_bytes - stats.draining_bytes + note->component->ram_bytes <= stats.budget_bytes;
}

/* @return has something begun, or is there something to wait for? */
static bool restore_next(struct hst_preload *preload)
{
    while (json_array_size(preload->pending) > 0) {
        struct hst_resident_note note = hst_residents_read(preload->service, json_array_get(preload->pending, 0));
        if (restore_one(preload, &note)) return true;
        if (fits_later(preload->service, &note)) {
            set_timer(preload, HST_PRELOAD_AGAIN_MS);
            return true;
        }
        json_array_remove(preload->pending, 0);
    }
    return false;
}

/* ---- what comes next ---- */

/* Enter it, and say whether it is to be brought in. */
static bool enter(struct hst_preload *preload, const struct hst_prediction *prediction, uint64_t bytes, double now_s)
{
    struct hst_ledger *ledger = hst_recorder_ledger(preload->service->recorder);
    double expected_s = prediction->load_s > 0 ? prediction->load_s : (double)bytes / HST_PRELOAD_BYTES_PER_S;
    bool loads = hst_ledger_enter(ledger, prediction->key, now_s, expected_s);
    struct hst_ledger_open *open = hst_ledger_find(ledger, prediction->key);
    hst_recorder_mark(preload->service->recorder);
    if (!preload->forced || open == NULL) return loads;
    open->loads = true;
    return true;
}

static bool predict_one(struct hst_preload *preload, const struct hst_prediction *prediction, double now_s)
{
    struct hst_usekey key;
    uint64_t bytes;
    bool is_missing = hst_preload_is_missing(preload->service, prediction->key, &bytes);
    if (!is_missing || !fits(preload->service, bytes) || !enter(preload, prediction, bytes, now_s)) return false;
    hst_usekey_read(prediction->key, &key);
    return load(preload, prediction->key, (struct hst_load_request){.model = find_model(preload->service, &key), .roles = key.role_count > 0 ? key.roles : NULL,
                                                                    .role_count = key.role_count, .precision = key.precision});
}

/* @return has something begun? */
static bool predict_next(struct hst_preload *preload)
{
    struct hst_prediction found[HST_LEDGER_OPEN_MAX];
    double now_s = hst_recorder_now();
    hst_ledger_expire(hst_recorder_ledger(preload->service->recorder), now_s);
    size_t count = hst_patterns_next(hst_recorder_patterns(preload->service->recorder), now_s, found, HST_LEDGER_OPEN_MAX);
    for (size_t i = 0; i < count && found[i].probability >= HST_PREDICT_PROBABILITY; i++)
        if (predict_one(preload, &found[i], now_s)) return true;
    preload->forced = false;
    return false;
}

size_t hst_preload_all(struct hst_preload *preload)
{
    struct hst_prediction found[HST_LEDGER_OPEN_MAX];
    size_t count = hst_patterns_next(hst_recorder_patterns(preload->service->recorder), hst_recorder_now(), found, HST_LEDGER_OPEN_MAX), missing = 0;
    uint64_t bytes, sum = 0;
    for (size_t i = 0; i < count && found[i].probability >= HST_PREDICT_PROBABILITY; i++) {
        if (!hst_preload_is_missing(preload->service, found[i].key, &bytes) || !fits(preload->service, sum + bytes)) continue;
        sum += bytes;
        missing++;
    }
    preload->forced = missing > 0;
    hst_preload_wake(preload);
    return missing;
}

/* ---- when ---- */

static void on_time(uv_timer_t *timer)
{
    struct hst_preload *preload = timer->data;
    const struct hst_service_config *config = &preload->service->config;
    preload->soon = false;
    set_timer(preload, HST_PRELOAD_TICK_MS);
    if (!preload->scanned || preload->running != NULL || hst_loader_active(config->loader) > 0) return; /* the end of the load wakes */
    if (restore_next(preload)) return;
    if (config->predict || preload->forced) (void)predict_next(preload);
}

static void set_timer(struct hst_preload *preload, unsigned ms)
{
    if (!uv_is_closing((uv_handle_t *)&preload->timer)) uv_timer_start(&preload->timer, on_time, ms, 0);
}

void hst_preload_wake(struct hst_preload *preload)
{
    if (preload == NULL || preload->soon) return;
    preload->soon = true;
    set_timer(preload, HST_PRELOAD_QUIET_MS);
}

void hst_preload_scanned(struct hst_preload *preload)
{
    if (preload == NULL) return;
    preload->scanned = true;
    hst_preload_wake(preload);
}

int hst_preload_new(struct hst_service *service, struct hst_preload **ret_preload, struct hst_error *err)
{
    struct hst_preload *preload = calloc(1, sizeof *preload);
    json_t *residents = hst_recorder_residents(service->recorder);
    if (preload == NULL) return hst_error_nomem(err);
    preload->service = service;
    if (service->config.restore && json_is_array(residents)) preload->pending = json_copy(residents);
    uv_timer_init(service->config.loop, &preload->timer);
    preload->timer.data = preload;
    uv_unref((uv_handle_t *)&preload->timer);
    *ret_preload = preload;
    return HST_OK;
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_preload *)handle->data)->closed = true;
}

void hst_preload_stop(struct hst_preload *preload)
{
    if (preload == NULL || uv_is_closing((uv_handle_t *)&preload->timer)) return;
    if (preload->running != NULL) preload->running->preload = NULL;
    uv_close((uv_handle_t *)&preload->timer, on_closed);
}

void hst_preload_free(struct hst_preload *preload)
{
    if (preload == NULL) return;
    hst_preload_stop(preload);
    while (!preload->closed)
        uv_run(preload->service->config.loop, UV_RUN_ONCE);
    json_decref(preload->pending);
    free(preload);
}
