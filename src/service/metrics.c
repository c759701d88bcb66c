#include "service/metrics.h"

#include "metric/metric.h"
#include "service/internal.h"
#include "service/recorder.h"
#include "service/view.h"

#include <math.h>
#include <string.h>

static void write_models(const struct hst_service *service, struct hst_strbuf *out)
{
    uint64_t states[HST_MODEL_MISSING + 1] = {0};
    size_t cursor = 0;
    for (const struct hst_model *model; (model = hst_catalog_next(service->config.catalog, &cursor));)
        states[model->state]++;
    hst_metric_begin(out, HST_METRIC_MODELS);
    for (size_t i = 0; i <= HST_MODEL_MISSING; i++)
        hst_metric_sample(out, HST_METRIC_MODELS, "state", hst_model_state_name((enum hst_model_state)i), (double)states[i]);
}

static void write_scan(const struct hst_service *service, struct hst_strbuf *out)
{
    struct hst_scan_status scan = hst_catalog_scan_status(service->config.catalog);
    hst_metric_single(out, HST_METRIC_SCAN_DURATION_SECONDS, scan.duration_ms / 1e3);
    hst_metric_single(out, HST_METRIC_SCAN_FILES, (double)scan.files_seen);
    hst_metric_single(out, HST_METRIC_SCAN_ERRORS, (double)scan.errors);
}

static void write_hashing(const struct hst_service *service, struct hst_strbuf *out)
{
    struct hst_hash_status hashing = hst_catalog_hash_status(service->config.catalog);
    hst_metric_single(out, HST_METRIC_HASH_FILES, (double)hashing.files_total);
    hst_metric_single(out, HST_METRIC_HASH_FILES_DONE, (double)hashing.files_done);
    hst_metric_single(out, HST_METRIC_HASH_BYTES_TOTAL, (double)hashing.hashed_bytes);
}

static void write_cache(const struct hst_service *service, struct hst_strbuf *out)
{
    struct hst_cache_stats stats = hst_cache_stats(service->config.cache);
    const struct {
        enum hst_metric_id metric;
        uint64_t value;
    } rows[] = {
        {HST_METRIC_CACHE_BUDGET_BYTES, stats.budget_bytes},       {HST_METRIC_CACHE_USED_BYTES, stats.used_bytes},
        {HST_METRIC_CACHE_EVICTABLE_BYTES, stats.evictable_bytes}, {HST_METRIC_CACHE_DRAINING_BYTES, stats.draining_bytes},
        {HST_METRIC_CACHE_COMPONENTS, stats.count},                {HST_METRIC_CACHE_HITS_TOTAL, stats.hits},
        {HST_METRIC_CACHE_MISSES_TOTAL, stats.misses},             {HST_METRIC_CACHE_EVICTIONS_TOTAL, stats.evictions},
        {HST_METRIC_CACHE_FILLED_BYTES_TOTAL, stats.filled_bytes},
        {HST_METRIC_CACHE_REFETCHED_BYTES_TOTAL, stats.refetched_bytes},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        hst_metric_single(out, rows[i].metric, (double)rows[i].value);
}

static void write_evictions(const struct hst_service *service, struct hst_strbuf *out)
{
    const struct hst_decisions *decisions = hst_loader_decisions(service->config.loader);
    hst_metric_begin(out, HST_METRIC_EVICTIONS_TOTAL);
    for (size_t i = 0; i < HST_CAUSE_COUNT; i++)
        hst_metric_sample(out, HST_METRIC_EVICTIONS_TOTAL, "cause", hst_decision_cause_name((enum hst_decision_cause)i), (double)decisions->counts[i]);
    hst_metric_single(out, HST_METRIC_EVICTED_BYTES_TOTAL, (double)decisions->bytes);
    hst_metric_single(out, HST_METRIC_THRASH_TOTAL, (double)decisions->thrash_count);
}

static void write_shortage(const struct hst_service *service, struct hst_strbuf *out)
{
    const struct hst_shortage shortage = hst_loader_shortage(service->config.loader);
    hst_metric_single(out, HST_METRIC_MEMORY_AVAILABLE_BYTES, (double)shortage.available_bytes);
    hst_metric_single(out, HST_METRIC_MEMORY_RESERVE_BYTES, (double)shortage.reserve_bytes);
    hst_metric_single(out, HST_METRIC_MEMORY_SHORT, shortage.is_short);
    hst_metric_single(out, HST_METRIC_MEMORY_PRESSURE_RATIO, shortage.some_avg10 / 100);
    hst_metric_begin(out, HST_METRIC_GIVEN_BACK_BYTES_TOTAL);
    hst_metric_sample(out, HST_METRIC_GIVEN_BACK_BYTES_TOTAL, "reason", "pressure", (double)shortage.given_back_bytes);
    hst_metric_sample(out, HST_METRIC_GIVEN_BACK_BYTES_TOTAL, "reason", "ttl", (double)hst_loader_expired_bytes(service->config.loader));
}

static double or_nan(double share)
{
    return share < 0 ? (double)NAN : share;
}

static void write_predictions(const struct hst_service *service, struct hst_strbuf *out)
{
    const struct hst_ledger *ledger = hst_recorder_ledger(service->recorder);
    const struct hst_ledger_score *score = &ledger->score;
    hst_metric_single(out, HST_METRIC_PREDICTION_ON, service->config.predict && ledger->state == HST_LEDGER_IS_ON);
    hst_metric_single(out, HST_METRIC_PREDICTION_PRECISION, or_nan(hst_ledger_precision(ledger)));
    hst_metric_single(out, HST_METRIC_PREDICTION_RECALL, or_nan(hst_ledger_recall(ledger)));
    hst_metric_begin(out, HST_METRIC_PREDICTIONS_TOTAL);
    hst_metric_sample(out, HST_METRIC_PREDICTIONS_TOTAL, "result", "right", (double)score->hits);
    hst_metric_sample(out, HST_METRIC_PREDICTIONS_TOTAL, "result", "wrong", (double)score->misses);
    hst_metric_single(out, HST_METRIC_PREDICTION_LOADS_TOTAL, (double)score->loaded);
    hst_metric_single(out, HST_METRIC_PREDICTION_SAVED_SECONDS_TOTAL, score->saved_s);
    hst_metric_single(out, HST_METRIC_PREDICTION_WASTED_SECONDS_TOTAL, score->wasted_s);
    hst_metric_single(out, HST_METRIC_PREDICTION_WASTED_BYTES_TOTAL, (double)score->wasted_bytes);
}

static double count_loaded(const struct hst_service *service, const struct hst_device *device)
{
    double count = 0;
    size_t cursor = 0;
    for (const struct hst_loaded *loaded; (loaded = hst_loader_next_loaded(service->config.loader, &cursor));)
        count += loaded->device == device;
    return count;
}

static double device_value(const struct hst_service *service, enum hst_metric_id metric, const struct hst_device *device)
{
    if (metric == HST_METRIC_DEVICE_BUDGET_BYTES) return (double)device->budget_bytes;
    if (metric == HST_METRIC_DEVICE_USED_BYTES) return (double)device->reserved_bytes;
    if (metric == HST_METRIC_DEVICE_TOTAL_BYTES) return (double)device->ops->total_bytes(device->backend);
    return count_loaded(service, device);
}

static void write_devices(const struct hst_service *service, struct hst_strbuf *out)
{
    static const enum hst_metric_id metrics[] = {HST_METRIC_DEVICE_BUDGET_BYTES, HST_METRIC_DEVICE_USED_BYTES, HST_METRIC_DEVICE_TOTAL_BYTES, HST_METRIC_DEVICE_COMPONENTS};
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
        hst_metric_begin(out, metrics[i]);
        for (size_t j = 0; j < service->config.device_count; j++)
            hst_metric_sample(out, metrics[i], "device", service->config.devices[j]->id, device_value(service, metrics[i], service->config.devices[j]));
    }
}

/* What the driver says of a card; NaN = it does not. */
enum { FIGURES = 7 };
static const enum hst_metric_id figure_metrics[FIGURES] = {
    HST_METRIC_DEVICE_UP, HST_METRIC_DEVICE_DRIVER_FREE_BYTES, HST_METRIC_DEVICE_DRIVER_USED_BYTES, HST_METRIC_DEVICE_OTHERS_BYTES,
    HST_METRIC_DEVICE_UTILIZATION_RATIO, HST_METRIC_DEVICE_TEMPERATURE_CELSIUS, HST_METRIC_DEVICE_ECC_ERRORS,
};

static void read_figures(const struct hst_device *device, double values[FIGURES])
{
    struct hst_device_figures figures;
    for (size_t i = 0; i < FIGURES; i++)
        values[i] = (double)NAN;
    if (!hst_view_figures(device, &figures)) return;
    values[0] = strcmp(figures.state, "ok") == 0;
    if (!figures.known) return;
    values[1] = (double)figures.free_bytes;
    values[2] = (double)figures.used_bytes;
    values[3] = (double)hst_view_others_bytes(device, &figures);
    values[4] = or_nan(figures.utilization_percent / 100.0);
    values[5] = or_nan(figures.temperature_c);
    values[6] = figures.ecc_errors != UINT64_MAX ? (double)figures.ecc_errors : (double)NAN;
}

/* Metrics of cards alone: a sample that is not known is not there. */
static void write_figures(const struct hst_service *service, struct hst_strbuf *out)
{
    double values[FIGURES];
    for (size_t i = 0; i < FIGURES; i++) {
        hst_metric_begin(out, figure_metrics[i]);
        for (size_t j = 0; j < service->config.device_count; j++) {
            read_figures(service->config.devices[j], values);
            if (!isnan(values[i])) hst_metric_sample(out, figure_metrics[i], "device", service->config.devices[j]->id, values[i]);
        }
    }
}

static void write_jobs(const struct hst_service *service, struct hst_strbuf *out)
{
    const struct hst_service_counts *counts = &service->counts;
    const struct hst_estimates *estimates = hst_loader_estimates(service->config.loader);
    double active = 0, leases = 0;
    size_t cursor = 0;
    for (const struct hst_job *job; (job = hst_loader_next_job(service->config.loader, &cursor));)
        active += job->state <= HST_JOB_ROLLING_BACK;
    cursor = 0;
    while (hst_cache_next_holder(service->config.cache, &cursor) != NULL)
        leases++;
    hst_metric_single(out, HST_METRIC_LEASES, leases);
    hst_metric_begin(out, HST_METRIC_JOBS_TOTAL);
    hst_metric_sample(out, HST_METRIC_JOBS_TOTAL, "result", "done", (double)counts->jobs_done);
    hst_metric_sample(out, HST_METRIC_JOBS_TOTAL, "result", "failed", (double)counts->jobs_failed);
    hst_metric_sample(out, HST_METRIC_JOBS_TOTAL, "result", "cancelled", (double)counts->jobs_cancelled);
    hst_metric_single(out, HST_METRIC_JOB_SECONDS_TOTAL, counts->job_ms / 1e3);
    hst_metric_single(out, HST_METRIC_LOAD_ESTIMATES_TOTAL, (double)estimates->count);
    hst_metric_single(out, HST_METRIC_LOAD_ESTIMATE_ERROR_RATIO, exp(estimates->error) - 1);
    hst_metric_single(out, HST_METRIC_JOBS_ACTIVE, active);
}

static void write_requests(const struct hst_service *service, struct hst_strbuf *out)
{
    static const char *const classes[] = {"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"};
    const struct hst_service_counts *counts = &service->counts;
    hst_metric_begin(out, HST_METRIC_OPENS_TOTAL);
    hst_metric_sample(out, HST_METRIC_OPENS_TOTAL, "result", "ok", (double)counts->opens);
    hst_metric_sample(out, HST_METRIC_OPENS_TOTAL, "result", "failed", (double)counts->open_failures);
    hst_metric_begin(out, HST_METRIC_REQUESTS_TOTAL);
    for (size_t i = 2; i < sizeof classes / sizeof classes[0]; i++)
        hst_metric_sample(out, HST_METRIC_REQUESTS_TOTAL, "class", classes[i], (double)counts->requests[i]);
}

void hst_metrics_write(const struct hst_service *service, struct hst_strbuf *out)
{
    write_models(service, out);
    write_scan(service, out);
    write_hashing(service, out);
    write_cache(service, out);
    write_evictions(service, out);
    write_shortage(service, out);
    write_predictions(service, out);
    write_devices(service, out);
    write_figures(service, out);
    write_jobs(service, out);
    write_requests(service, out);
}
