/* What is known of use, and memory put in order by it: GET /api/model/cache/patterns, POST /api/model/cache/optimize. */
#include "os/clock.h"
#include "service/errand.h"
#include "service/fields.h"
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/limits.h"
#include "service/preload.h"
#include "service/recorder.h"
#include "service/usekey.h"
#include "service/verbs.h"

#include <stdlib.h>
#include <string.h>

/* ---- what is known ---- */

static json_t *view_share(double share)
{
    return share < 0 ? json_null() : json_real(share);
}

static json_t *view_prediction(const struct hst_service *service, const struct hst_prediction *prediction)
{
    uint64_t bytes = 0;
    json_t *row = hst_usekey_view(prediction->key);
    bool is_missing = hst_preload_is_missing(service, prediction->key, &bytes);
    json_object_set_new(row, "probability", json_real(prediction->probability));
    json_object_set_new(row, "because", json_string(prediction->after != NULL ? "after" : "hour"));
    json_object_set_new(row, "after", prediction->after != NULL ? hst_usekey_view(prediction->after) : json_null());
    json_object_set_new(row, "missing_bytes", hst_jsonx_size(bytes));
    json_object_set_new(row, "would_load", json_boolean(is_missing && prediction->probability >= HST_PREDICT_PROBABILITY));
    return row;
}

static json_t *view_predictions(const struct hst_service *service)
{
    struct hst_prediction found[HST_LEDGER_OPEN_MAX];
    json_t *list = json_array();
    size_t count = hst_patterns_next(hst_recorder_patterns(service->recorder), hst_recorder_now(), found, HST_LEDGER_OPEN_MAX);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, view_prediction(service, &found[i]));
    return list;
}

static json_t *view_score(const struct hst_service *service)
{
    struct hst_ledger *ledger = hst_recorder_ledger(service->recorder);
    const struct hst_ledger_score *score = &ledger->score;
    json_t *view = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "state", service->config.predict ? hst_ledger_state_name(ledger->state) : "disabled",
                             "precision", view_share(hst_ledger_precision(ledger)), "recall", view_share(hst_ledger_recall(ledger)), "predictions",
                             hst_jsonx_size(score->made), "loaded", hst_jsonx_size(score->loaded), "hits", hst_jsonx_size(score->hits), "misses",
                             hst_jsonx_size(score->misses), "open", hst_jsonx_size(ledger->open_count), "switches", hst_jsonx_size(score->switches));
    json_object_update_new(view, json_pack("{s:f, s:f, s:f, s:o, s:o, s:f}", "saved_seconds", score->saved_s, "wasted_seconds", score->wasted_s, "net_seconds",
                                           score->saved_s - score->wasted_s, "saved_bytes", hst_jsonx_size(score->saved_bytes), "wasted_bytes",
                                           hst_jsonx_size(score->wasted_bytes), "threshold", HST_PREDICT_PROBABILITY));
    return view;
}

static json_t *view_hours(const struct hst_hours *hours)
{
    json_t *list = json_array();
    for (int i = 0; i < 24; i++)
        json_array_append_new(list, json_real(hours->days > 0 ? hours->used[i] / hours->days : 0));
    return list;
}

static json_t *view_after(const struct hst_pattern *pattern)
{
    json_t *list = json_array();
    for (size_t i = 0; i < pattern->after_count; i++) {
        json_t *row = hst_usekey_view(pattern->after[i].next->key);
        json_object_set_new(row, "times", json_real(pattern->after[i].times));
        json_object_set_new(row, "probability", json_real(hst_pattern_follows(pattern, &pattern->after[i], false)));
        json_array_append_new(list, row);
    }
    return list;
}

static json_t *view_pattern(const struct hst_pattern *pattern)
{
    json_t *row = hst_usekey_view(pattern->key);
    json_object_set_new(row, "uses", hst_jsonx_size(pattern->uses));
    json_object_set_new(row, "last_used", hst_jsonx_time((int64_t)(pattern->last_s * 1e9)));
    json_object_set_new(row, "load_seconds", pattern->load_s > 0 ? json_real(pattern->load_s) : json_null());
    json_object_set_new(row, "hours", json_pack("{s:o, s:o}", "working_days", view_hours(&pattern->hours[0]), "weekends", view_hours(&pattern->hours[1])));
    json_object_set_new(row, "followed_by", view_after(pattern));
    return row;
}

static int by_last_use(const void *a, const void *b)
{
    const struct hst_pattern *x = *(struct hst_pattern *const *)a, *y = *(struct hst_pattern *const *)b;
    return (x->last_s < y->last_s) - (x->last_s > y->last_s);
}

static json_t *view_patterns(const struct hst_patterns *patterns, uint64_t limit)
{
    const struct hst_pattern *rows[HST_PATTERNS_MAX];
    size_t cursor = 0, count = 0;
    json_t *list = json_array();
    for (const struct hst_pattern *pattern; (pattern = hst_patterns_each(patterns, &cursor));)
        rows[count++] = pattern;
    qsort(rows, count, sizeof rows[0], by_last_use);
    for (size_t i = 0; i < count && i < limit; i++)
        json_array_append_new(list, view_pattern(rows[i]));
    return list;
}

static int show(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    static const char *const known[] = {"limit", NULL};
    const struct hst_service *service = call->service;
    const struct hst_patterns *patterns = hst_recorder_patterns(service->recorder);
    uint64_t limit = HST_PATTERNS_SHOWN;
    HST_TRY(hst_fields_check(call, known, err));
    HST_TRY(hst_fields_number(call, "limit", HST_PATTERNS_MAX, &limit, err));
    *ret_data = json_pack("{s:o, s:o, s:o, s:o, s:o}", "models", view_patterns(patterns, limit), "total_models", hst_jsonx_size(hst_patterns_count(patterns)), "predictions",
                          view_predictions(service), "prediction", view_score(service), "restore", hst_preload_view_restore(service->preload));
    return HST_OK;
}

/* ---- memory put in order ---- */

/* Somebody waits for it. */
struct optimizing {
    struct hst_errand *errand;
    json_t *dropped;
    uint64_t freed_bytes;
    bool preloads;
};

/* The best that is said for a component: that of the keys of its model. */
static double expect(const struct hst_service *service, const struct hst_model *model)
{
    const struct hst_patterns *patterns = hst_recorder_patterns(service->recorder);
    struct hst_usekey key;
    double best = 0;
    size_t cursor = 0;
    for (const struct hst_pattern *pattern; (pattern = hst_patterns_each(patterns, &cursor));) {
        if (!hst_usekey_read(pattern->key, &key) || strcmp(key.model_id, model->id) != 0) continue;
        double found = hst_patterns_expect(patterns, pattern->key, hst_recorder_now());
        best = found > best ? found : best;
    }
    return best;
}

/* Is it idle for so long, and not expected either? */
static bool is_unexpected(const struct hst_service *service, const struct hst_residency *held, double idle_s)
{
    struct hst_usage usage = hst_cache_usage(service->config.cache, held->component);
    double idle = (double)(hst_clock_wall_ns() - usage.last_used_wall_ns) / 1e9;
    if (held->pinned || held->leases > 0 || held->device_refs > 0 || hst_loader_busy(service->config.loader, held->component)) return false;
    return idle >= idle_s && expect(service, held->component->model) < HST_PREDICT_PROBABILITY;
}

static void drop(struct optimizing *optimizing, double idle_s)
{
    const struct hst_service *service = optimizing->errand->service;
    size_t cursor = 0;
    for (struct hst_residency *held; (held = hst_cache_next(service->config.cache, &cursor));) {
        struct hst_decision record = {.cause = HST_CAUSE_ASKED, .reason = "a client asked for what is idle and not expected to go"};
        if (!is_unexpected(service, held, idle_s) || hst_loader_evict(service->config.loader, held, &record, NULL) < 0) continue;
        json_array_append_new(optimizing->dropped, json_pack("{s:s, s:o}", "component_id", record.component_id, "freed_bytes", hst_jsonx_size(record.bytes)));
        optimizing->freed_bytes += record.bytes;
        cursor--;
    }
}

/* `what` NULL = memory was not rearranged. */
static void finish(struct optimizing *optimizing, const struct hst_rearranged *what)
{
    struct hst_service *service = optimizing->errand->service;
    static const struct hst_rearranged nothing;
    const struct hst_rearranged *done = what != NULL ? what : &nothing;
    json_t *predictions = view_predictions(service);
    size_t loads = optimizing->preloads ? hst_preload_all(service->preload) : 0;
    hst_call_ok(service, optimizing->errand->ticket,
                json_pack("{s:O, s:b, s:o, s:o, s:o, s:o, s:o}", "dropped_components", optimizing->dropped, "rearranged", what != NULL, "moved_bytes",
                          hst_jsonx_size(done->moved_bytes), "shared_bytes", hst_jsonx_size(done->shared_bytes), "freed_bytes",
                          hst_jsonx_size(optimizing->freed_bytes + done->freed_bytes), "preloading", hst_jsonx_size(loads), "predictions", predictions));
}

static void end(struct optimizing *optimizing)
{
    hst_errand_end(optimizing->errand);
    json_decref(optimizing->dropped);
    free(optimizing);
}

static void on_rearranged(void *context, const struct hst_rearranged *what)
{
    struct optimizing *optimizing = context;
    if (optimizing->errand->service != NULL) {
        optimizing->errand->service->optimizing = false;
        finish(optimizing, what);
    }
    end(optimizing);
}

static int read_wish(const struct hst_call *call, bool *ret_preload, bool *ret_drop, uint64_t *ret_idle_s, struct hst_error *err)
{
    static const char *const known[] = {"preload", "drop_idle_seconds", NULL};
    *ret_preload = true;
    HST_TRY(hst_fields_check(call, known, err));
    HST_TRY(hst_fields_flag(call, "preload", ret_preload, err));
    *ret_drop = json_object_get(call->fields, "drop_idle_seconds") != NULL;
    return hst_fields_number(call, "drop_idle_seconds", HST_OPTIMIZE_IDLE_MAX, ret_idle_s, err);
}

static int start(struct hst_call *call, struct hst_error *err)
{
    struct hst_service *service = call->service;
    bool preloads, drops;
    uint64_t idle_s = 0;
    HST_TRY(read_wish(call, &preloads, &drops, &idle_s, err));
    if (service->optimizing) return hst_error_set(err, HST_E_BUSY, "memory is being optimized already");
    struct optimizing *optimizing = calloc(1, sizeof *optimizing);
    struct hst_errand *errand = optimizing != NULL ? hst_errand_begin(call, NULL) : NULL;
    if (errand == NULL) {
        free(optimizing);
        return hst_error_nomem(err);
    }
    *optimizing = (struct optimizing){.errand = errand, .dropped = json_array(), .preloads = preloads};
    if (drops) drop(optimizing, (double)idle_s);
    service->optimizing = true;
    if (hst_loader_rearrange(service->config.loader, on_rearranged, optimizing, NULL) == HST_OK) return HST_OK;
    on_rearranged(optimizing, NULL);
    return HST_OK;
}

static void optimize(struct hst_call *call)
{
    struct hst_error error = {0};
    if (start(call, &error) < 0) hst_call_fail(call->service, call->ticket, &error, NULL);
}

const struct hst_route hst_verbs_patterns[] = {
    {"GET", "/api/model/cache/patterns", NULL, show},
    {"POST", "/api/model/cache/optimize", optimize, NULL},
    {NULL, NULL, NULL, NULL},
};
