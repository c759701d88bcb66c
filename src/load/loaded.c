/* What is on which device. */
#include "base/cleanup.h"
#include "load/internal.h"
#include "model/layout.h"
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
        if (!entry->view.alone && !entry->lost && entry->view.device == device && strcmp(entry->view.precision, wanted) == 0 && same_component(entry->view.component, component)) return entry;
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

/* ---- what clients map ---- */

/* The number of a segment of a block among those of the view, which is added when it is none yet. */
static uint32_t enter(struct hst_loaded *view, const struct hst_block *block, uint32_t segment)
{
    size_t count;
    const struct hst_device_segment *segments = block->device->ops->segments(block->memory, &count);
    for (size_t i = 0; i < view->segment_count; i++)
        if (view->segments[i].fd == segments[segment].fd) return (uint32_t)i;
    view->segments[view->segment_count++] = segments[segment];
    return (uint32_t)(view->segment_count - 1);
}

static size_t count_segments(const struct hst_allocation *allocation)
{
    size_t sum = 0, count;
    for (size_t i = 0; i < allocation->block_count; i++) {
        if (allocation->blocks[i] == NULL) continue;
        allocation->device->ops->segments(allocation->blocks[i]->memory, &count);
        sum += count;
    }
    return sum;
}

int hst_loaded_show(struct hst_loaded *view, const struct hst_allocation *allocation, struct hst_error *err)
{
    if (allocation->spots == NULL) return HST_OK;
    view->segments = calloc(count_segments(allocation) + 1, sizeof *view->segments);
    view->spots = calloc(allocation->tensor_count + 1, sizeof *view->spots);
    if (view->segments == NULL || view->spots == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < allocation->tensor_count; i++) {
        const struct hst_allocation_spot *spot = &allocation->spots[i];
        if (allocation->sizes[i] > 0) view->spots[i] = (struct hst_device_spot){enter(view, allocation->blocks[spot->block], spot->segment), spot->offset};
    }
    return HST_OK;
}

void hst_loaded_hide(struct hst_loaded *view)
{
    free(hst_steal(&view->segments));
    free(hst_steal(&view->spots));
    view->segment_count = 0;
}

void hst_loaded_take(struct hst_loaded_entry *entry, struct hst_allocation *allocation)
{
    entry->allocation = *allocation;
    *allocation = (struct hst_allocation){0};
    entry->view.device_bytes = entry->allocation.layout.size_bytes;
    entry->view.shared_bytes = entry->allocation.shared_bytes;
}

struct hst_residency *hst_loaded_source(const struct hst_loader *loader, const struct hst_loaded *loaded)
{
    struct hst_residency *held = hst_cache_find_as(loader->config.cache, loaded->component, loaded->precision);
    if (held == NULL || held->state != HST_RESIDENCY_CACHED || held->stale) return NULL;
    return hst_recast_same(held->recast, loaded->recast, loaded->component) ? held : NULL;
}

/* What leases know it by, and hoist-keeper. */
static void enter_books(struct hst_loader *loader, struct hst_loaded_entry *entry)
{
    if (entry->keep_id == 0) hst_loaded_keep(loader, entry);
    entry->number = entry->keep_id > 0 ? entry->keep_id : UINT64_MAX - ++loader->next_number;
}

void hst_loaded_publish(struct hst_loader *loader, struct hst_loaded_entry *entry)
{
    loader->loaded[loader->loaded_count++] = entry;
    entry->view.idle_since_ns = hst_clock_ns();
    if (entry->view.device->ops->references_ram) {
        hst_cache_ref(loader->config.cache, entry->view.residency);
        return;
    }
    entry->view.residency = NULL; /* it may leave RAM */
    entry->laid_out = true;
    hst_layout_share(entry->view.component);
    enter_books(loader, entry);
}

int hst_loaded_resume(struct hst_loader *loader, struct hst_loaded_entry *entry, struct hst_error *err)
{
    HST_TRY(hst_loaded_show(&entry->view, &entry->allocation, err));
    entry->suspended = false;
    if (entry->view.device->ops->references_ram) return HST_OK;
    entry->view.device_bytes = entry->allocation.layout.size_bytes;
    entry->view.shared_bytes = entry->allocation.shared_bytes;
    enter_books(loader, entry);
    return HST_OK;
}

/* What it holds of the device and of RAM. @return bytes of the device that came back */
static uint64_t let_go(struct hst_loader *loader, struct hst_loaded_entry *entry)
{
    hst_loaded_forget(loader, entry);
    hst_loaded_hide(&entry->view);
    if (entry->view.device->ops->references_ram) hst_cache_unref(loader->config.cache, entry->view.residency);
    return hst_allocation_fini(&entry->allocation);
}

void hst_loaded_suspend(struct hst_loader *loader, struct hst_loaded_entry *entry)
{
    let_go(loader, entry);
    entry->suspended = true;
}

uint64_t hst_loaded_remove(struct hst_loader *loader, struct hst_loaded_entry *entry)
{
    size_t at = 0;
    while (loader->loaded[at] != entry)
        at++;
    memmove(&loader->loaded[at], &loader->loaded[at + 1], (loader->loaded_count - at - 1) * sizeof(struct hst_loaded_entry *));
    loader->loaded_count--;
    uint64_t freed_bytes = entry->suspended ? 0 : let_go(loader, entry);
    hst_loaded_free(entry);
    return freed_bytes;
}

void hst_loaded_free(struct hst_loaded_entry *entry)
{
    if (entry == NULL) return;
    hst_loaded_hide(&entry->view);
    if (entry->laid_out) hst_layout_release(entry->view.component);
    hst_model_unref(entry->view.component->model);
    free(entry->view.recast);
    free(entry);
}

bool hst_loaded_evictable(const struct hst_loader *loader, const struct hst_loaded_entry *entry)
{
    const struct hst_residency *residency = entry->view.residency;
    if (entry->suspended || entry->lost || entry->moving || entry->view.pinned || entry->view.alone || entry->view.leases > 0 || (residency != NULL && residency->leases > 0)) return false;
    return !hst_job_has(loader, entry->view.component, entry->view.precision);
}

struct hst_loaded *hst_loader_next_loaded(const struct hst_loader *loader, size_t *cursor)
{
    while (*cursor < loader->loaded_count) {
        struct hst_loaded_entry *entry = loader->loaded[(*cursor)++];
        if (!entry->suspended && !entry->lost) return &entry->view;
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

void hst_loader_pin(struct hst_loader *loader, struct hst_loaded *loaded, bool pinned)
{
    struct hst_loaded_entry *entry = (struct hst_loaded_entry *)loaded;
    if (loaded->pinned == pinned) return;
    loaded->pinned = pinned;
    if (entry->keep_id > 0) hst_loaded_keep(loader, entry);
}

void hst_loaded_keep_for(struct hst_loader *loader, struct hst_loaded_entry *entry, int64_t ttl_seconds)
{
    if (ttl_seconds < 0 || entry->view.ttl_seconds == ttl_seconds) return;
    entry->view.ttl_seconds = ttl_seconds;
    if (entry->keep_id > 0) hst_loaded_keep(loader, entry);
}

void hst_loader_touch(struct hst_loader *loader, struct hst_loaded *loaded)
{
    loaded->last_used_seq = ++loader->next_seq;
    loaded->idle_since_ns = hst_clock_ns();
}

void hst_loaded_tell(const struct hst_loader *loader, const struct hst_loaded *loaded, const char *state)
{
    const struct hst_loader_listener *listener = &loader->config.listener;
    if (listener->device_state != NULL) listener->device_state(listener->context, loaded->component, loaded->device, state);
}

uint64_t hst_loaded_drop(struct hst_loader *loader, struct hst_loaded_entry *entry)
{
    struct hst_loaded gone = entry->view;
    hst_model_ref(gone.component->model);
    uint64_t freed_bytes = hst_loaded_remove(loader, entry);
    hst_loaded_tell(loader, &gone, "absent");
    hst_model_unref(gone.component->model);
    return freed_bytes;
}

unsigned hst_loaded_leases(const struct hst_loaded *loaded)
{
    return loaded->leases + (loaded->residency != NULL ? loaded->residency->leases : 0);
}

int hst_loader_unload(struct hst_loader *loader, struct hst_loaded *loaded, uint64_t *ret_freed_bytes, struct hst_error *err)
{
    unsigned leases = hst_loaded_leases(loaded);
    if (leases > 0) return hst_error_set(err, HST_E_BUSY, "%s is leased by %u clients", loaded->component->id, leases);
    if (hst_job_touches(loader, loaded->component)) return hst_error_set(err, HST_E_BUSY, "a job works on %s", loaded->component->id);
    if (((const struct hst_loaded_entry *)loaded)->moving) return hst_error_set(err, HST_E_BUSY, "%s is being moved", loaded->component->id);
    hst_loaded_tell(loader, loaded, "unloading");
    uint64_t freed_bytes = hst_loaded_drop(loader, (struct hst_loaded_entry *)loaded);
    if (ret_freed_bytes != NULL) *ret_freed_bytes = freed_bytes;
    return HST_OK;
}

const struct hst_allocation **hst_loaded_allocations(const struct hst_loader *loader, const struct hst_device *device, bool evictable, size_t *ret_count)
{
    const struct hst_allocation **all = calloc(loader->loaded_count + 1, sizeof(struct hst_allocation *));
    *ret_count = 0;
    for (size_t i = 0; all != NULL && i < loader->loaded_count; i++) {
        const struct hst_loaded_entry *entry = loader->loaded[i];
        if (entry->view.device == device && (!evictable || hst_loaded_evictable(loader, entry))) all[(*ret_count)++] = &entry->allocation;
    }
    return all;
}

uint64_t hst_loader_evictable_bytes(const struct hst_loader *loader, const struct hst_device *device)
{
    size_t count;
    HST_AUTO(hst_freep) const struct hst_allocation **all = hst_loaded_allocations(loader, device, true, &count);
    return hst_allocation_freed(all, count);
}
