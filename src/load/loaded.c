/* What is on which device. */
#include "base/cleanup.h"
#include "load/internal.h"
#include "os/clock.h"

#include <string.h>

static bool same_component(const struct hst_component *a, const struct hst_component *b)
{
    return a == b || (a->model->generation == b->model->generation && strcmp(a->id, b->id) == 0);
}

struct hst_loaded_entry *hst_loaded_find(const struct hst_loader *loader, const struct hst_component *component, const struct hst_device *device,
                                         const char *precision)
{
    const char *wanted = precision != NULL ? precision : "";
    for (size_t i = 0; i < loader->loaded_count; i++) {
        struct hst_loaded_entry *entry = loader->loaded[i];
        if (entry->view.device == device && strcmp(entry->view.precision, wanted) == 0 && same_component(entry->view.component, component)) return entry;
    }
    return NULL;
}

struct hst_loaded_entry *hst_loaded_new(struct hst_loader *loader, struct hst_component *component, struct hst_error *err)
{
    struct hst_loaded_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) {
        hst_error_nomem(err);
        return NULL;
    }
    hst_model_ref(component->model);
    entry->view.component = component;
    entry->view.since_wall_ns = hst_clock_wall_ns();
    entry->view.last_used_seq = ++loader->next_seq;
    return entry;
}

int hst_loaded_reserve(struct hst_loader *loader, size_t count, struct hst_error *err)
{
    size_t needed = loader->loaded_count + count;
    if (needed <= loader->loaded_room) return HST_OK;
    struct hst_loaded_entry **grown = realloc(loader->loaded, needed * 2 * sizeof(struct hst_loaded_entry *));
    if (grown == NULL) return hst_error_nomem(err);
    loader->loaded = grown;
    loader->loaded_room = needed * 2;
    return HST_OK;
}

void hst_loaded_publish(struct hst_loader *loader, struct hst_loaded_entry *entry)
{
    loader->loaded[loader->loaded_count++] = entry;
    if (entry->view.device->ops->references_ram) hst_cache_ref(loader->config.cache, entry->view.residency);
}

/* What it holds of the device and of RAM. */
static void let_go(struct hst_loader *loader, struct hst_loaded_entry *entry)
{
    struct hst_loaded *view = &entry->view;
    if (view->memory != NULL) view->device->ops->release(view->memory);
    view->memory = NULL;
    hst_device_unreserve(view->device, view->device_bytes);
    if (view->device->ops->references_ram) hst_cache_unref(loader->config.cache, view->residency);
}

void hst_loaded_suspend(struct hst_loader *loader, struct hst_loaded_entry *entry)
{
    let_go(loader, entry);
    entry->suspended = true;
}

void hst_loaded_remove(struct hst_loader *loader, struct hst_loaded_entry *entry)
{
    size_t at = 0;
    while (loader->loaded[at] != entry)
        at++;
    memmove(&loader->loaded[at], &loader->loaded[at + 1], (loader->loaded_count - at - 1) * sizeof(struct hst_loaded_entry *));
    loader->loaded_count--;
    if (!entry->suspended) let_go(loader, entry);
    hst_loaded_free(entry);
}

void hst_loaded_free(struct hst_loaded_entry *entry)
{
    if (entry == NULL) return;
    hst_model_unref(entry->view.component->model);
    free(entry);
}

bool hst_loaded_evictable(const struct hst_loader *loader, const struct hst_loaded_entry *entry)
{
    const struct hst_residency *residency = entry->view.residency;
    if (entry->suspended || entry->view.pinned || (residency != NULL && residency->leases > 0)) return false;
    return !hst_job_has(loader, entry->view.component, entry->view.precision);
}

struct hst_loaded *hst_loader_next_loaded(const struct hst_loader *loader, size_t *cursor)
{
    while (*cursor < loader->loaded_count) {
        struct hst_loaded_entry *entry = loader->loaded[(*cursor)++];
        if (!entry->suspended) return &entry->view;
    }
    return NULL;
}

struct hst_loaded *hst_loader_find_as(const struct hst_loader *loader, const struct hst_component *component, const struct hst_device *device,
                                      const char *precision)
{
    struct hst_loaded_entry *entry = hst_loaded_find(loader, component, device, precision);
    return entry != NULL && !entry->suspended ? &entry->view : NULL;
}

struct hst_loaded *hst_loader_find(const struct hst_loader *loader, const struct hst_component *component, const struct hst_device *device)
{
    return hst_loader_find_as(loader, component, device, NULL);
}

void hst_loader_touch(struct hst_loader *loader, struct hst_loaded *loaded)
{
    loaded->last_used_seq = ++loader->next_seq;
}

static void tell(const struct hst_loader *loader, const struct hst_loaded *loaded, const char *state)
{
    const struct hst_loader_listener *listener = &loader->config.listener;
    if (listener->device_state != NULL) listener->device_state(listener->context, loaded->component, loaded->device, state);
}

int hst_loader_unload(struct hst_loader *loader, struct hst_loaded *loaded, uint64_t *ret_freed_bytes, struct hst_error *err)
{
    const struct hst_residency *residency = loaded->residency;
    if (residency != NULL && residency->leases > 0)
        return hst_error_set(err, HST_E_BUSY, "%s is leased by %u clients", loaded->component->id, residency->leases);
    if (hst_job_touches(loader, loaded->component)) return hst_error_set(err, HST_E_BUSY, "a job works on %s", loaded->component->id);
    if (ret_freed_bytes != NULL) *ret_freed_bytes = loaded->device_bytes;
    tell(loader, loaded, "unloading");
    hst_model_ref(loaded->component->model);
    struct hst_loaded gone = *loaded;
    hst_loaded_remove(loader, (struct hst_loaded_entry *)loaded);
    tell(loader, &gone, "absent");
    hst_model_unref(gone.component->model);
    return HST_OK;
}

uint64_t hst_loader_evictable_bytes(const struct hst_loader *loader, const struct hst_device *device)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < loader->loaded_count; i++)
        if (loader->loaded[i]->view.device == device && hst_loaded_evictable(loader, loader->loaded[i])) bytes += loader->loaded[i]->view.device_bytes;
    return bytes;
}
