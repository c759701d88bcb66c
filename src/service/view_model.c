#include "service/view.h"

#include "cache/recast.h"
#include "model/parser.h"
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/view_relations.h"
#include "service/view_hash.h"

#include <string.h>

static json_t *verdict_of(const struct hst_verdict *verdict)
{
    return json_pack("{s:f, s:o, s:o, s:o}", "confidence", verdict->confidence, "evidence",
                     hst_jsonx_texts((const char *const *)verdict->evidence, verdict->evidence_count), "runner_up", hst_jsonx_text(verdict->runner_up),
                     "needs_hint", hst_jsonx_texts((const char *const *)verdict->needs_hint, verdict->needs_hint_count));
}

/* The word before the colon: "truncated", "overlap", ...; NULL where the text has none. */
static json_t *reason_of(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return length > 0 && strncmp(text + length, ": ", 2) == 0 ? json_stringn(text, length) : json_null();
}

json_t *hst_view_problem(const struct hst_error *problem)
{
    json_t *view = json_pack("{s:s, s:o, s:o}", "code", hst_status_info(problem->status)->code, "reason", reason_of(problem->text), "text",
                             hst_jsonx_text(problem->text));
    if (problem->has_offset) json_object_set_new(view, "offset", hst_jsonx_size(problem->offset));
    return view;
}

static void add_to(json_t *object, const char *key, uint64_t more)
{
    json_object_set_new(object, key, hst_jsonx_size((uint64_t)json_integer_value(json_object_get(object, key)) + more));
}

/* Bytes, parameters and tensors by precision: several element types are called fp8. */
static json_t *dtypes_of(const struct hst_component *component)
{
    json_t *dtypes = json_object();
    for (size_t i = 0; i < component->dtype_count; i++) {
        const struct hst_component_dtype *row = &component->dtypes[i];
        const char *precision = hst_dtype_info(row->dtype)->precision;
        if (json_object_get(dtypes, precision) == NULL) json_object_set_new(dtypes, precision, json_object());
        json_t *sums = json_object_get(dtypes, precision);
        add_to(sums, "bytes", row->size_bytes);
        add_to(sums, "parameters", row->elements);
        add_to(sums, "tensors", row->tensor_count);
    }
    return dtypes;
}

static json_t *plain_component(const struct hst_component *component)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:s?, s:o, s:o, s:o}", "component_id", component->id, "model_id", component->model->id,
                     "component_type", component->role, "size_bytes", hst_jsonx_size(component->size_bytes), "parameters",
                     hst_jsonx_size(component->parameters), "tensors", hst_jsonx_size(component->tensor_count), "precision", component->precision,
                     "dtypes", dtypes_of(component), "generation", hst_jsonx_size(component->model->generation), "depends_on",
                     hst_jsonx_texts((const char *const *)component->depends_on, component->depends_on_count));
}

/* All of a model but its components. */
static json_t *head_of(const struct hst_model *model)
{
    json_t *view = json_pack("{s:s, s:o, s:s, s:o, s:o, s:s, s:o}", "model_id", model->id, "name", hst_jsonx_text(model->name), "type", model->type,
                             "family", hst_jsonx_text(model->family), "variant", hst_jsonx_text(model->variant), "format", model->format, "path",
                             hst_jsonx_text(model->path));
    json_object_set_new(view, "size_bytes", hst_jsonx_size(model->size_bytes));
    json_object_set_new(view, "precision", hst_jsonx_text(model->precision));
    json_object_set_new(view, "quantization", hst_jsonx_text(model->storage));
    json_object_set_new(view, "parameters", hst_jsonx_size(model->parameters));
    json_object_set_new(view, "generation", hst_jsonx_size(model->generation));
    json_object_set_new(view, "hashes", json_object());
    hst_view_add_metadata(view, model);
    json_object_set_new(view, "compatibility", hst_view_needs(model));
    json_object_set_new(view, "verdict", verdict_of(&model->verdict));
    json_object_set_new(view, "state", json_string(hst_model_state_name(model->state)));
    json_object_set_new(view, "warnings", hst_jsonx_texts((const char *const *)model->warnings, model->warning_count));
    if (model->problem.status < 0) json_object_set_new(view, "problem", hst_view_problem(&model->problem));
    return view;
}

json_t *hst_view_plain_model(const struct hst_model *model)
{
    json_t *view = head_of(model), *components = json_array();
    for (size_t i = 0; i < model->component_count; i++)
        json_array_append_new(components, plain_component(&model->components[i]));
    json_object_set_new(view, "components", components);
    return view;
}

static bool is_cached(const struct hst_service *service, const struct hst_model *model)
{
    for (size_t i = 0; i < model->component_count; i++) {
        const struct hst_residency *held = hst_cache_find(service->config.cache, &model->components[i]);
        if (held == NULL || held->state != HST_RESIDENCY_CACHED) return false;
    }
    return model->component_count > 0;
}

static bool is_loaded(const struct hst_service *service, const struct hst_model *model, const struct hst_device *device)
{
    for (size_t i = 0; i < model->component_count; i++)
        if (hst_loader_find(service->config.loader, &model->components[i], device) == NULL) return false;
    return model->component_count > 0;
}

static json_t *loaded_on(const struct hst_service *service, const struct hst_model *model)
{
    json_t *devices = json_array();
    for (size_t i = 0; i < service->config.device_count; i++)
        if (is_loaded(service, model, service->config.devices[i])) json_array_append_new(devices, json_string(service->config.devices[i]->id));
    return devices;
}

json_t *hst_view_loads(const struct hst_service *service, const struct hst_model *model)
{
    json_t *loads = json_array();
    size_t cursor = 0;
    const struct hst_estimates *estimates = hst_loader_estimates(service->config.loader);
    for (const struct hst_experience *known; (known = hst_estimates_next(estimates, model->id, &cursor));) {
        json_t *row = hst_view_estimate(&known->last);
        json_object_set_new(row, "device_id", hst_jsonx_text(known->device_id[0] != '\0' ? known->device_id : NULL));
        json_object_set_new(row, "precision", hst_jsonx_text(known->precision[0] != '\0' ? known->precision : NULL));
        json_object_set_new(row, "loads", hst_jsonx_size(known->loads));
        json_array_append_new(loads, row);
    }
    return loads;
}

json_t *hst_view_model(const struct hst_service *service, const struct hst_model *model)
{
    json_t *view = head_of(model), *components = json_array();
    for (size_t i = 0; i < model->component_count; i++)
        json_array_append_new(components, hst_view_component(service, &model->components[i]));
    json_object_set_new(view, "components", components);
    json_object_set_new(view, "is_cached", json_boolean(is_cached(service, model)));
    json_object_set_new(view, "loaded_on", loaded_on(service, model));
    hst_view_identity(service->config.catalog, model, view);
    return view;
}

const char *hst_view_ram_state(const struct hst_residency *residency)
{
    static const char *const states[] = {"caching", "cached", "absent"};
    return residency != NULL ? states[residency->state] : "absent";
}

static json_t *ram_of(const struct hst_residency *held)
{
    if (held == NULL) return json_pack("{s:s, s:i, s:n}", "state", "absent", "bytes", 0, "backing");
    bool present = held->state == HST_RESIDENCY_CACHED;
    json_t *view = json_pack("{s:s, s:o, s:s?, s:b}", "state", hst_view_ram_state(held), "bytes",
                             hst_jsonx_size(held->state == HST_RESIDENCY_SUSPENDED ? 0 : held->charged_bytes), "backing",
                             present ? hst_backing_name(held->backing) : NULL, "stale", held->stale);
    if (present && held->backing == HST_BACKING_PAGE_CACHE) json_object_set_new(view, "locked", json_boolean(held->locked));
    return view;
}

static bool has_component(const struct hst_job *job, const struct hst_component *component)
{
    for (size_t i = 0; i < job->component_count; i++)
        if (job->components[i] == component) return true;
    return false;
}

static bool is_loading(const struct hst_service *service, const struct hst_component *component, const struct hst_device *device)
{
    size_t cursor = 0;
    if (!hst_loader_busy(service->config.loader, component)) return false;
    for (struct hst_job *job; (job = hst_loader_next_job(service->config.loader, &cursor));)
        if (job->state == HST_JOB_RUNNING && job->device == device && has_component(job, component)) return true;
    return false;
}

static json_t *devices_of(const struct hst_service *service, const struct hst_component *component)
{
    json_t *devices = json_array();
    for (size_t i = 0; i < service->config.device_count; i++) {
        const struct hst_device *device = service->config.devices[i];
        const struct hst_loaded *loaded = hst_loader_find(service->config.loader, component, device);
        const char *state = loaded != NULL ? "loaded" : is_loading(service, component, device) ? "loading" : NULL;
        if (state == NULL) continue;
        uint64_t shared_bytes = loaded != NULL ? loaded->shared_bytes : 0;
        json_array_append_new(devices, json_pack("{s:s, s:s, s:o, s:o, s:o}", "device_id", device->id, "state", state, "bytes",
                                                 hst_jsonx_size(loaded != NULL ? loaded->device_bytes + shared_bytes : 0), "shared_bytes", hst_jsonx_size(shared_bytes),
                                                 "since", hst_jsonx_time(loaded != NULL ? loaded->since_wall_ns : 0)));
    }
    return devices;
}

static json_t *residency_row(const struct hst_component *component, const char *precision, const char *tier, const char *device_id, const char *state, uint64_t bytes)
{
    return json_pack("{s:s?, s:o, s:s, s:s?, s:s, s:o}", "precision", precision != NULL && precision[0] != '\0' ? precision : component->precision, "generation", hst_jsonx_size(component->model->generation),
                     "tier", tier, "device_id", device_id, "state", state, "bytes", hst_jsonx_size(bytes));
}

static bool same_id(const struct hst_component *a, const struct hst_component *b)
{
    return a == b || strcmp(a->id, b->id) == 0;
}

/* "private" = a copy for one lease, which may write to it. */
static json_t *loaded_row(const struct hst_loaded *loaded)
{
    json_t *row = residency_row(loaded->component, loaded->precision, "device", loaded->device->id, "loaded", loaded->device_bytes + loaded->shared_bytes);
    json_object_set_new(row, "private", json_boolean(loaded->alone));
    return row;
}

/* Every generation of it, in every tier. */
static json_t *residencies_of(const struct hst_service *service, const struct hst_component *component)
{
    json_t *rows = json_array();
    size_t cursor = 0;
    for (struct hst_residency *held; (held = hst_cache_next(service->config.cache, &cursor));)
        if (same_id(held->component, component) && held->state != HST_RESIDENCY_SUSPENDED)
            json_array_append_new(rows, residency_row(held->component, hst_residency_precision(held), "ram", NULL, hst_view_ram_state(held), held->charged_bytes));
    cursor = 0;
    for (struct hst_loaded *loaded; (loaded = hst_loader_next_loaded(service->config.loader, &cursor));)
        if (same_id(loaded->component, component)) json_array_append_new(rows, loaded_row(loaded));
    return rows;
}

static bool holds(const struct hst_loader *loader, const struct hst_holder *holder, const struct hst_component *component)
{
    size_t cursor = 0;
    for (size_t i = 0; i < holder->count; i++)
        if (same_id(holder->residencies[i]->component, component)) return true;
    for (const struct hst_loaded *loaded; (loaded = hst_loader_next_leased(loader, holder->lease_id, &cursor));)
        if (same_id(loaded->component, component)) return true;
    return false;
}

json_t *hst_view_holders(const struct hst_service *service, const struct hst_component *component)
{
    json_t *holders = json_array();
    size_t cursor = 0;
    for (const struct hst_holder *holder; (holder = hst_cache_next_holder(service->config.cache, &cursor));)
        if (holds(service->config.loader, holder, component))
            json_array_append_new(holders, json_pack("{s:o, s:i, s:s, s:s, s:o}", "lease_id", hst_jsonx_size(holder->lease_id), "pid", holder->pid,
                                                     "domain", holder->domain, "device_id", holder->device_id, "since",
                                                     hst_jsonx_time(holder->since_wall_ns)));
    return holders;
}

/* What of its memory is also that of others. */
static void add_sharing(const struct hst_service *service, json_t *view, const struct hst_residency *held)
{
    json_t *with = json_array();
    bool cached = held != NULL && held->state == HST_RESIDENCY_CACHED;
    uint64_t common = cached ? held->charged_bytes - hst_cache_exclusive(held) : 0;
    size_t cursor = 0;
    for (struct hst_residency *other; common > 0 && (other = hst_cache_next(service->config.cache, &cursor));)
        if (other != held && other->state == HST_RESIDENCY_CACHED && hst_cache_shares(held, other)) json_array_append_new(with, json_string(other->component->id));
    json_object_set_new(view, "shared_bytes", hst_jsonx_size(json_array_size(with) > 0 ? common : 0));
    json_object_set_new(view, "shared_with", with);
}

json_t *hst_view_component(const struct hst_service *service, const struct hst_component *component)
{
    json_t *view = plain_component(component), *holders = hst_view_holders(service, component);
    const struct hst_residency *held = hst_cache_find(service->config.cache, component);
    struct hst_usage usage = hst_cache_usage(service->config.cache, component);
    json_object_set_new(view, "ram", ram_of(held));
    json_object_set_new(view, "devices", devices_of(service, component));
    json_object_set_new(view, "residencies", residencies_of(service, component));
    json_object_set_new(view, "leases", hst_jsonx_size(json_array_size(holders)));
    json_object_set_new(view, "holders", holders);
    add_sharing(service, view, held);
    json_object_set_new(view, "pinned", json_boolean(held != NULL && held->pinned));
    json_object_set_new(view, "hits", hst_jsonx_size(usage.hits));
    json_object_set_new(view, "misses", hst_jsonx_size(usage.misses));
    json_object_set_new(view, "last_used", hst_jsonx_time(usage.last_used_wall_ns));
    return view;
}

/* Parsed of what is to be parsed, 1 at the end; not known while folders are walked. */
static json_t *progress_of(const struct hst_scan_status *scan)
{
    bool under_way = strcmp(scan->state, "running") == 0 || strcmp(scan->state, "paused") == 0;
    if (scan->started_wall_ns == 0 || (under_way && !scan->walked)) return json_null();
    if (!under_way && strcmp(scan->state, "cancelled") != 0) return json_real(1.0);
    return scan->files_to_parse > 0 ? json_real((double)scan->files_parsed / (double)scan->files_to_parse) : json_real(scan->walked ? 1.0 : 0.0);
}

json_t *hst_view_scan(const struct hst_scan_status *scan)
{
    json_t *view = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "state", scan->state, "started_at", hst_jsonx_time(scan->started_wall_ns),
                             "duration_ms", hst_jsonx_ms(scan->duration_ms), "files_seen", hst_jsonx_size(scan->files_seen), "files_changed",
                             hst_jsonx_size(scan->files_changed), "folders_seen", hst_jsonx_size(scan->folders_seen), "models_found",
                             hst_jsonx_size(scan->models_found), "errors", hst_jsonx_size(scan->errors), "progress", progress_of(scan), "watching", scan->watching);
    json_object_set_new(view, "files_to_parse", scan->walked ? hst_jsonx_size(scan->files_to_parse) : json_null());
    json_object_set_new(view, "sandbox", hst_jsonx_text(hst_parser_protection()));
    json_object_set_new(view, "files_parsed", hst_jsonx_size(scan->files_parsed));
    if (scan->problem.status < 0) json_object_set_new(view, "problem", hst_view_problem(&scan->problem));
    if (scan->unwatched.status < 0) json_object_set_new(view, "unwatched", hst_view_problem(&scan->unwatched));
    return view;
}
