#include "service/residents.h"

#include "base/cleanup.h"
#include "cache/recast.h"
#include "service/internal.h"
#include "service/select.h"

#include <math.h>
#include <stdlib.h>

/* What the order is made of. */
struct row {
    const struct hst_residency *held;
    struct hst_usage usage;
};

static int by_warmth(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->held->pinned != y->held->pinned) return x->held->pinned ? -1 : 1;
    return (x->usage.last_used_wall_ns < y->usage.last_used_wall_ns) - (x->usage.last_used_wall_ns > y->usage.last_used_wall_ns);
}

static size_t collect(const struct hst_service *service, struct row *rows)
{
    size_t cursor = 0, count = 0;
    for (struct hst_residency *held; (held = hst_cache_next(service->config.cache, &cursor));)
        if (held->state == HST_RESIDENCY_CACHED && !held->stale && !held->ahead)
            rows[count++] = (struct row){held, hst_cache_usage(service->config.cache, held->component)};
    qsort(rows, count, sizeof *rows, by_warmth);
    return count;
}

/* The first device that has it, or NULL. */
static const char *device_of(const struct hst_service *service, const struct hst_residency *held)
{
    size_t cursor = 0;
    for (const struct hst_loaded *loaded; (loaded = hst_loader_next_loaded(service->config.loader, &cursor));)
        if (loaded->residency == held) return loaded->device->id;
    return NULL;
}

static json_t *write_row(const struct hst_service *service, const struct row *row)
{
    const struct hst_residency *held = row->held;
    return json_pack("{s:s, s:s?, s:s?, s:b, s:f, s:I}", "component_id", held->component->id, "precision", hst_residency_precision(held),
                     "device_id", device_of(service, held), "pinned", held->pinned, "heat", row->usage.heat, "last_used_ns",
                     (json_int_t)row->usage.last_used_wall_ns);
}

json_t *hst_residents_list(const struct hst_service *service, json_t *pending)
{
    HST_AUTO(hst_freep) struct row *rows = calloc(hst_cache_count(service->config.cache) + 1, sizeof *rows);
    json_t *list = json_array(), *entry;
    size_t count = rows != NULL ? collect(service, rows) : 0, index;
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, write_row(service, &rows[i]));
    json_array_foreach(pending, index, entry)
        if (hst_residents_read(service, entry).held == NULL) json_array_append(list, entry);
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
