#include "service/residents.h"

#include "base/cleanup.h"
#include "cache/recast.h"
#include "service/internal.h"
#include "service/select.h"

#include <math.h>
#include <stdlib.h>

/* A component, wherever it is. */
struct row {
    const struct hst_component *component;
    const char *precision;           /* NULL = as stored */
    const struct hst_device *device; /* on which it is, too; NULL = on none */
    bool pinned;
    struct hst_usage usage;
};

static int by_warmth(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->pinned != y->pinned) return x->pinned ? -1 : 1;
    return (x->usage.last_used_wall_ns < y->usage.last_used_wall_ns) - (x->usage.last_used_wall_ns > y->usage.last_used_wall_ns);
}

/* The first device that has it, or NULL. */
static const struct hst_device *device_of(const struct hst_service *service, const struct hst_component *component, const char *precision)
{
    for (size_t i = 0; i < service->config.device_count; i++)
        if (hst_loader_find_as(service->config.loader, component, service->config.devices[i], precision) != NULL) return service->config.devices[i];
    return NULL;
}

static size_t collect_ram(const struct hst_service *service, struct row *rows)
{
    size_t cursor = 0, count = 0;
    for (struct hst_residency *held; (held = hst_cache_next(service->config.cache, &cursor));) {
        if (held->state != HST_RESIDENCY_CACHED || held->stale || held->ahead) continue;
        const char *precision = hst_residency_precision(held);
        rows[count++] = (struct row){held->component, precision, device_of(service, held->component, precision), held->pinned, hst_cache_usage(service->config.cache, held->component)};
    }
    return count;
}

/* What is on a device, and not in RAM any more. */
static size_t collect_devices(const struct hst_service *service, struct row *rows)
{
    size_t cursor = 0, count = 0;
    for (const struct hst_loaded *loaded; (loaded = hst_loader_next_loaded(service->config.loader, &cursor));) {
        if (loaded->alone || hst_cache_find_as(service->config.cache, loaded->component, loaded->precision) != NULL) continue;
        rows[count++] = (struct row){loaded->component, loaded->precision[0] != '\0' ? loaded->precision : NULL, loaded->device, loaded->pinned,
                                     hst_cache_usage(service->config.cache, loaded->component)};
    }
    return count;
}

static size_t collect(const struct hst_service *service, struct row *rows)
{
    size_t count = collect_ram(service, rows);
    count += collect_devices(service, &rows[count]);
    qsort(rows, count, sizeof *rows, by_warmth);
    return count;
}

static size_t count_loaded(const struct hst_service *service)
{
    size_t cursor = 0;
    while (hst_loader_next_loaded(service->config.loader, &cursor) != NULL)
        continue;
    return cursor;
}

static json_t *write_row(const struct row *row)
{
    return json_pack("{s:s, s:s?, s:s?, s:b, s:f, s:I}", "component_id", row->component->id, "precision", row->precision, "device_id",
                     row->device != NULL ? row->device->id : NULL, "pinned", row->pinned, "heat", row->usage.heat, "last_used_ns", (json_int_t)row->usage.last_used_wall_ns);
}

static bool is_back(const struct hst_service *service, const json_t *entry)
{
    struct hst_resident_note note = hst_residents_read(service, entry);
    return hst_resident_note_is_back(service, &note);
}

json_t *hst_residents_list(const struct hst_service *service, json_t *pending)
{
    HST_AUTO(hst_freep) struct row *rows = calloc(hst_cache_count(service->config.cache) + count_loaded(service) + 1, sizeof *rows);
    json_t *list = json_array(), *entry;
    size_t count = rows != NULL ? collect(service, rows) : 0, index;
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, write_row(&rows[i]));
    json_array_foreach(pending, index, entry)
        if (!is_back(service, entry)) json_array_append(list, entry);
    return list;
}

/* In a state in which it can be loaded, or NULL. */
static struct hst_component *find_component(const struct hst_service *service, const char *id)
{
    struct hst_component *component;
    if (id == NULL || hst_select_component(service, id, &component, NULL) < 0) return NULL;
    return component->model->state == HST_MODEL_OK ? component : NULL;
}

struct hst_resident_note hst_residents_read(const struct hst_service *service, const json_t *entry)
{
    struct hst_resident_note note = {.component = find_component(service, json_string_value(json_object_get(entry, "component_id"))),
                                     .precision = json_string_value(json_object_get(entry, "precision")),
                                     .pinned = json_is_true(json_object_get(entry, "pinned")),
                                     .heat = fmax(0, json_number_value(json_object_get(entry, "heat"))),
                                     .last_used_ns = (int64_t)json_integer_value(json_object_get(entry, "last_used_ns"))};
    const char *device_id = json_string_value(json_object_get(entry, "device_id"));
    if (device_id != NULL) (void)hst_select_device(service, device_id, &note.device, NULL);
    if (note.component != NULL) note.held = hst_cache_find_as(service->config.cache, note.component, note.precision);
    return note;
}

/* Of a device with memory of its own: on it. */
bool hst_resident_note_is_back(const struct hst_service *service, const struct hst_resident_note *note)
{
    if (note->component == NULL) return false;
    bool owns = note->device != NULL && !note->device->ops->references_ram;
    return owns ? hst_loader_find_as(service->config.loader, note->component, note->device, note->precision) != NULL : note->held != NULL;
}
