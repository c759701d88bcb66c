/* Devices as JSON: what hoist's books say, and what the driver says. */
#include "os/process.h"
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/view.h"

#include <string.h>

static json_t *known_size(bool known, uint64_t value)
{
    return known ? hst_jsonx_size(value) : json_null();
}

static json_t *known_int(bool known, int value)
{
    return known && value >= 0 ? json_integer(value) : json_null();
}

bool hst_view_figures(const struct hst_device *device, struct hst_device_figures *ret_figures)
{
    *ret_figures = (struct hst_device_figures){0};
    if (device->ops->figures == NULL) return false;
    device->ops->figures(device->backend, ret_figures);
    return true;
}

uint64_t hst_view_others_bytes(const struct hst_device *device, const struct hst_device_figures *figures)
{
    return figures->used_bytes > device->reserved_bytes ? figures->used_bytes - device->reserved_bytes : 0;
}

static int count_leases(const struct hst_service *service, const struct hst_device *device, uint32_t pid)
{
    int count = 0;
    size_t cursor = 0;
    for (const struct hst_holder *holder; (holder = hst_cache_next_holder(service->config.cache, &cursor));)
        count += holder->pid > 0 && (uint32_t)holder->pid == pid && strcmp(holder->device_id, device->id) == 0;
    return count;
}

/* Of one whose number may be another's here, nothing but what the driver says. */
static json_t *process_of(const struct hst_service *service, const struct hst_device *device, const struct hst_device_process *process, bool own_pids)
{
    char name[64];
    bool has_name = own_pids && hst_process_name(process->pid, name);
    return json_pack("{s:o, s:o, s:o, s:o}", "pid", hst_jsonx_size(process->pid), "name", hst_jsonx_text(has_name ? name : NULL), "used_bytes",
                     known_size(process->used_bytes != UINT64_MAX, process->used_bytes), "leases", known_int(own_pids, count_leases(service, device, process->pid)));
}

static json_t *processes_of(const struct hst_service *service, const struct hst_device *device, const struct hst_device_figures *figures)
{
    json_t *list = json_array();
    for (unsigned i = 0; figures->known && i < figures->named_count; i++)
        json_array_append_new(list, process_of(service, device, &figures->processes[i], figures->own_pids));
    return list;
}

static void add_processes(const struct hst_service *service, const struct hst_device *device, const struct hst_device_figures *figures, json_t *object)
{
    json_object_set_new(object, "processes", processes_of(service, device, figures));
    json_object_set_new(object, "process_count", known_int(figures->known, figures->process_count));
}

static json_t *figures_of(const struct hst_device *device, const struct hst_device_figures *figures)
{
    bool known = figures->known, watched = figures->xid != UINT64_MAX;
    bool fresh = known && figures->at_wall_ns > device->changed_wall_ns; /* else memory is as before what was loaded, or left, since */
    return json_pack("{s:s, s:s?, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "state", figures->state[0] != '\0' ? figures->state : "unknown", "why",
                     figures->why[0] != '\0' ? figures->why : NULL, "free_bytes", known_size(fresh, figures->free_bytes), "used_bytes",
                     known_size(fresh, figures->used_bytes), "used_by_others_bytes", known_size(fresh, hst_view_others_bytes(device, figures)),
                     "utilization_percent", known_int(known, figures->utilization_percent), "temperature_c", known_int(known, figures->temperature_c), "ecc_errors",
                     known_size(known && figures->ecc_errors != UINT64_MAX, figures->ecc_errors), "xid", known_size(watched && figures->xid != 0, figures->xid), "xid_watched", watched, "at",
                     hst_jsonx_time(figures->at_wall_ns));
}

static json_t *driver_of(const struct hst_service *service, const struct hst_device *device)
{
    struct hst_device_figures figures;
    if (!hst_view_figures(device, &figures)) return json_null();
    json_t *view = figures_of(device, &figures);
    add_processes(service, device, &figures, view);
    return view;
}

/* Put what hoist's books say of its memory into `object`. */
static void add_books(json_t *object, const struct hst_device *device)
{
    json_object_set_new(object, "total_bytes", hst_jsonx_size(device->ops->total_bytes(device->backend)));
    json_object_set_new(object, "budget_bytes", hst_jsonx_size(device->budget_bytes));
    json_object_set_new(object, "used_bytes", hst_jsonx_size(device->reserved_bytes));
    json_object_set_new(object, "free_bytes", hst_jsonx_size(hst_device_available(device)));
}

static json_t *identity(const struct hst_device *device)
{
    return json_pack("{s:s, s:s?, s:s, s:s}", "device_id", device->id, "uuid", device->uuid[0] != '\0' ? device->uuid : NULL, "name", device->name, "kind",
                     device->ops->kind);
}

json_t *hst_view_device_memory(const struct hst_service *service, const struct hst_device *device)
{
    json_t *view = identity(device);
    add_books(view, device);
    json_object_set_new(view, "references_ram", json_boolean(device->ops->references_ram));
    json_object_set_new(view, "driver", driver_of(service, device));
    return view;
}

static json_t *loaded_on(const struct hst_service *service, const struct hst_device *device)
{
    json_t *list = json_array();
    size_t cursor = 0;
    for (struct hst_loaded *loaded; (loaded = hst_loader_next_loaded(service->config.loader, &cursor));) {
        if (loaded->device != device) continue;
        const struct hst_component *component = loaded->component;
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:b, s:o, s:s?, s:s?, s:b, s:o, s:o}", "component_id", component->id, "model_id",
                                              component->model->id, "component_type", component->role, "state", "loaded", "bytes",
                                              hst_jsonx_size(loaded->device_bytes + loaded->shared_bytes), "shared_bytes", hst_jsonx_size(loaded->shared_bytes),
                                              "private", loaded->alone, "since", hst_jsonx_time(loaded->since_wall_ns), "precision",
                                              loaded->precision[0] != '\0' ? loaded->precision : component->precision, "stored_precision", component->precision, "pinned", loaded->pinned, "leases",
                                              hst_jsonx_size(hst_loaded_leases(loaded)), "holders",
                                              hst_view_holders(service, component)));
    }
    return list;
}

static json_t *jobs_for(const struct hst_service *service, const struct hst_device *device)
{
    json_t *jobs = json_array();
    size_t cursor = 0;
    for (struct hst_job *job; (job = hst_loader_next_job(service->config.loader, &cursor));)
        if (job->device == device && job->state <= HST_JOB_ROLLING_BACK) json_array_append_new(jobs, hst_view_job(job));
    return jobs;
}

json_t *hst_view_device(const struct hst_service *service, const struct hst_device *device)
{
    json_t *view = identity(device), *memory = json_object();
    add_books(memory, device);
    json_object_set_new(view, "memory", memory);
    json_object_set_new(view, "driver", driver_of(service, device));
    json_object_set_new(view, "loaded_components", loaded_on(service, device));
    json_object_set_new(view, "jobs", jobs_for(service, device));
    return view;
}

/* Free by hoist's books, and yet the driver had no room: who has it. */
static json_t *explain(const struct hst_device *device, const struct hst_device_figures *figures)
{
    uint64_t available = hst_device_available(device);
    if (!figures->known || figures->free_bytes >= available) return json_null();
    return json_sprintf("%s has %llu bytes free by hoist's books, and %llu by the driver: other programs, and the contexts of all that compute there, use %llu", device->id,
                        (unsigned long long)available, (unsigned long long)figures->free_bytes, (unsigned long long)hst_view_others_bytes(device, figures));
}

void hst_view_add_shortage_of(const struct hst_service *service, const struct hst_device *device, json_t *details)
{
    struct hst_device_figures figures;
    json_object_set_new(details, "device_id", json_string(device->id));
    json_object_set_new(details, "device_free_bytes", hst_jsonx_size(hst_device_available(device)));
    if (!hst_view_figures(device, &figures)) return;
    json_object_set_new(details, "driver_free_bytes", known_size(figures.known, figures.free_bytes));
    json_object_set_new(details, "used_by_others_bytes", known_size(figures.known, hst_view_others_bytes(device, &figures)));
    json_object_set_new(details, "explanation", explain(device, &figures));
    add_processes(service, device, &figures, details);
}
