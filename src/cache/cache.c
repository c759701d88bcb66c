#include "cache/internal.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/refetch.h"
#include "model/layout.h"
#include "os/clock.h"
#include "os/filelease.h"
#include "os/meminfo.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* How often a component was asked for. */
struct usage {
    struct hst_usage counts;
    char component_id[];
};

void hst_cache_tell(struct hst_cache *cache, const struct hst_residency *residency, const char *state)
{
    const struct hst_cache_listener *listener = &cache->config.listener;
    if (listener->state != NULL) listener->state(listener->context, residency->component, state);
}

static void make_key(char *out, size_t out_size, const struct hst_component *component)
{
    snprintf(out, out_size, "%s#%llu", component->id, (unsigned long long)component->model->generation);
}

struct hst_residency *hst_cache_find(const struct hst_cache *cache, const struct hst_component *component)
{
    char key[512];
    make_key(key, sizeof key, component);
    return hst_map_get_str(&cache->by_key, key);
}

struct hst_residency *hst_cache_next(const struct hst_cache *cache, size_t *cursor)
{
    return *cursor < cache->by_key.count ? &cache->sorted[(*cursor)++]->view : NULL;
}

uint64_t hst_cache_cost(const struct hst_cache *cache, const struct hst_component *component)
{
    (void)cache;
    return component->ram_bytes;
}

static bool evictable(const struct hst_residency *residency)
{
    return residency->state == HST_RESIDENCY_CACHED && residency->leases == 0 && residency->device_refs == 0;
}

struct hst_cache_stats hst_cache_stats(const struct hst_cache *cache)
{
    struct hst_cache_stats stats = cache->stats;
    stats.budget_bytes = cache->config.budget_bytes;
    stats.refetched_bytes = hst_refetch_bytes(cache->refetch);
    stats.count = cache->by_key.count;
    for (size_t i = 0; i < cache->by_key.count; i++) {
        const struct hst_residency *view = &cache->sorted[i]->view;
        if (evictable(view) && !view->pinned) stats.evictable_bytes += view->charged_bytes;
    }
    return stats;
}

enum hst_backing hst_cache_copy_backing(const struct hst_cache *cache)
{
    return cache->tmpfs.write_dir >= 0 ? HST_BACKING_TMPFS_HUGE : HST_BACKING_MEMFD_HUGE;
}

static struct usage *find_usage(struct hst_cache *cache, const char *component_id)
{
    struct usage *usage = hst_map_get_str(&cache->usage, component_id);
    if (usage != NULL) return usage;
    usage = calloc(1, sizeof *usage + strlen(component_id) + 1);
    if (usage == NULL) return NULL;
    memcpy(usage->component_id, component_id, strlen(component_id) + 1);
    if (hst_map_put_str(&cache->usage, usage->component_id, usage) == HST_OK) return usage;
    free(usage);
    return NULL;
}

void hst_cache_touch(struct hst_cache *cache, const struct hst_component *component, struct hst_residency *residency)
{
    struct usage *usage = find_usage(cache, component->id);
    bool hit = residency != NULL;
    cache->stats.hits += hit;
    cache->stats.misses += !hit;
    if (hit) residency->last_used_seq = ++cache->next_seq;
    if (usage == NULL) return; /* out of memory: the counts are too low, nothing else */
    usage->counts.hits += hit;
    usage->counts.misses += !hit;
    usage->counts.last_used_wall_ns = hst_clock_wall_ns();
}

struct hst_usage hst_cache_usage(const struct hst_cache *cache, const struct hst_component *component)
{
    const struct usage *usage = hst_map_get_str(&cache->usage, component->id);
    return usage != NULL ? usage->counts : (struct hst_usage){0};
}

static void free_usage(struct hst_cache *cache)
{
    size_t cursor = 0;
    for (struct usage *usage; (usage = hst_map_next(&cache->usage, &cursor));)
        free(usage);
    hst_map_fini(&cache->usage);
}

static int check_room(const struct hst_cache *cache, uint64_t cost, struct hst_error *err)
{
    struct hst_cache_stats stats = hst_cache_stats(cache);
    uint64_t room = stats.budget_bytes - hst_min_u64(stats.budget_bytes, stats.used_bytes);
    uint64_t headroom = hst_meminfo_headroom_bytes(), usable = headroom - hst_min_u64(headroom, HST_HEADROOM_BYTES);
    uint64_t available = hst_min_u64(room, usable);
    if (cost <= available) return HST_OK;
    hst_error_set(err, HST_E_OUT_OF_RAM, "%llu bytes are needed and %llu are free of the RAM budget of %llu", (unsigned long long)cost,
                  (unsigned long long)available, (unsigned long long)stats.budget_bytes);
    if (err != NULL) {
        err->required_bytes = cost;
        err->available_bytes = available;
        err->evictable_bytes = stats.evictable_bytes;
    }
    return HST_E_OUT_OF_RAM;
}

static int by_id(const void *a, const void *b)
{
    const struct hst_resident *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

/* Put it into the table and the sorted list, or neither. */
static int insert(struct hst_cache *cache, struct hst_resident *resident, struct hst_error *err)
{
    size_t count = cache->by_key.count;
    if (count == cache->sorted_room) {
        size_t room = count * 2 + 16;
        struct hst_resident **grown = realloc(cache->sorted, room * sizeof(struct hst_resident *));
        if (grown == NULL) return hst_error_nomem(err);
        cache->sorted = grown;
        cache->sorted_room = room;
    }
    if (hst_map_put_str(&cache->by_key, resident->key, resident) < 0) return hst_error_nomem(err);
    cache->sorted[count] = resident;
    qsort(cache->sorted, count + 1, sizeof(struct hst_resident *), by_id);
    return HST_OK;
}

static void free_resident(struct hst_resident *resident)
{
    hst_store_fini(&resident->store);
    hst_layout_release(resident->view.component);
    hst_model_unref(resident->view.component->model);
    free(resident->view.segments);
    free(resident->view.placements);
    free(resident->key);
    free(resident);
}

static struct hst_resident *make(struct hst_cache *cache, struct hst_component *component)
{
    char key[512];
    make_key(key, sizeof key, component);
    struct hst_resident *resident = calloc(1, sizeof *resident);
    char *copy = strdup(key);
    if (resident == NULL || copy == NULL) {
        free(resident);
        free(copy);
        return NULL;
    }
    hst_model_ref(component->model);
    hst_layout_share(component);
    resident->key = copy;
    resident->cache = cache;
    resident->store.memory.fd = -1;
    resident->store.tmpfs = cache->tmpfs.write_dir >= 0 ? &cache->tmpfs : NULL;
    resident->view.component = component;
    resident->view.charged_bytes = hst_cache_cost(cache, component);
    resident->view.last_used_seq = ++cache->next_seq;
    return resident;
}

int hst_cache_reserve(struct hst_cache *cache, struct hst_component *component, struct hst_residency **ret_residency, struct hst_error *err)
{
    if (hst_cache_find(cache, component) != NULL) return hst_error_set(err, HST_E_BUSY, "%s is held already", component->id);
    HST_TRY(check_room(cache, hst_cache_cost(cache, component), err));
    struct hst_resident *resident = make(cache, component);
    if (resident == NULL) return hst_error_nomem(err);
    int status = insert(cache, resident, err);
    if (status < 0) {
        free_resident(resident);
        return status;
    }
    cache->stats.used_bytes += resident->view.charged_bytes;
    hst_cache_tell(cache, &resident->view, "caching");
    *ret_residency = &resident->view;
    return HST_OK;
}

int hst_cache_fill(struct hst_cache *cache, struct hst_residency *residency, struct hst_fill_listener listener, struct hst_error *err)
{
    (void)cache;
    return hst_fill_start(hst_resident_of(residency), listener, err);
}

void hst_cache_cancel(struct hst_cache *cache, struct hst_residency *residency)
{
    struct hst_fill *fill = hst_resident_of(residency)->fill;
    (void)cache;
    if (fill != NULL) fill->cancel = true;
}

static void uncharge(struct hst_cache *cache, struct hst_residency *residency)
{
    if (residency->state != HST_RESIDENCY_SUSPENDED) cache->stats.used_bytes -= residency->charged_bytes;
}

void hst_cache_remove(struct hst_cache *cache, struct hst_resident *resident, bool drop)
{
    size_t at = 0, count = cache->by_key.count;
    while (cache->sorted[at] != resident)
        at++;
    memmove(&cache->sorted[at], &cache->sorted[at + 1], (count - at - 1) * sizeof(struct hst_resident *));
    hst_map_remove_str(&cache->by_key, resident->key);
    if (resident->store.ops != NULL) resident->store.ops->release(&resident->store, drop);
    uncharge(cache, &resident->view);
    hst_cache_tell(cache, &resident->view, "absent");
    free_resident(resident);
}

void hst_cache_discard(struct hst_cache *cache, struct hst_residency *residency)
{
    hst_cache_remove(cache, hst_resident_of(residency), false);
}

static int check_unused(const struct hst_residency *residency, struct hst_error *err)
{
    if (residency->leases == 0 && residency->device_refs == 0 && residency->state != HST_RESIDENCY_CACHING) return HST_OK;
    return hst_error_set(err, HST_E_BUSY, "%s is in use: %u leases, on %u devices", residency->component->id, residency->leases, residency->device_refs);
}

int hst_cache_evict(struct hst_cache *cache, struct hst_residency *residency, uint64_t *ret_freed_bytes, struct hst_error *err)
{
    HST_TRY(check_unused(residency, err));
    if (ret_freed_bytes != NULL) *ret_freed_bytes = residency->charged_bytes;
    cache->stats.evictions++;
    hst_cache_remove(cache, hst_resident_of(residency), true);
    return HST_OK;
}

int hst_cache_suspend(struct hst_cache *cache, struct hst_residency *residency, struct hst_error *err)
{
    struct hst_resident *resident = hst_resident_of(residency);
    HST_TRY(check_unused(residency, err));
    uncharge(cache, residency);
    residency->state = HST_RESIDENCY_SUSPENDED;
    resident->store.ops->suspend(&resident->store);
    return HST_OK;
}

int hst_cache_resume(struct hst_cache *cache, struct hst_residency *residency, struct hst_fill_listener listener, struct hst_error *err)
{
    HST_TRY(check_room(cache, residency->charged_bytes, err));
    HST_TRY(hst_fill_start(hst_resident_of(residency), listener, err));
    cache->stats.used_bytes += residency->charged_bytes;
    residency->state = HST_RESIDENCY_CACHING;
    return HST_OK;
}

void hst_cache_ref(struct hst_cache *cache, struct hst_residency *residency)
{
    (void)cache;
    residency->device_refs++;
}

void hst_cache_unref(struct hst_cache *cache, struct hst_residency *residency)
{
    residency->device_refs--;
    if (residency->stale && residency->leases == 0 && residency->device_refs == 0) hst_cache_evict(cache, residency, NULL, NULL);
}

void hst_cache_pin(struct hst_cache *cache, struct hst_residency *residency, bool pinned)
{
    (void)cache;
    residency->pinned = pinned;
}

/* Let the writer of a held file go on: nothing of it is leased any more, and it goes as soon as nobody uses it. */
static void give_way(struct hst_cache *cache, struct hst_resident *resident)
{
    struct hst_store *store = &resident->store;
    bool broken = false;
    for (size_t i = 0; i < store->file_count; i++) {
        struct hst_held_file *file = &store->files[i];
        if (!file->leased || !hst_filelease_broken(file->fd)) continue;
        broken = true;
        file->leased = false;
        hst_hold_unlock(&file->hold);
        hst_filelease_release(file->fd);
    }
    if (!broken) return;
    resident->view.stale = true;
    resident->view.locked = false;
    if (check_unused(&resident->view, NULL) == HST_OK) hst_cache_evict(cache, &resident->view, NULL, NULL);
}

static void on_break(uv_signal_t *signal, int number)
{
    struct hst_cache *cache = signal->data;
    (void)number;
    for (size_t i = cache->by_key.count; i > 0; i--) {
        struct hst_resident *resident = cache->sorted[i - 1];
        if (resident->fill == NULL)
            give_way(cache, resident);
        else
            hst_fill_check_writers(resident);
    }
}

int hst_cache_new(const struct hst_cache_config *config, struct hst_cache **ret_cache, struct hst_error *err)
{
    const char *forced = config->force_backing;
    if (forced != NULL && hst_backing_find(forced) < 0) return hst_error_set(err, HST_E_CONFIG, "there is no backing '%s'", forced);
    struct hst_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) return hst_error_nomem(err);
    cache->config = *config;
    hst_list_init(&cache->holders);
    (void)hst_tmpfs_new(config->budget_bytes, &cache->tmpfs, NULL); /* without it copies lie in memfds */
    int status = hst_exec_new(config->loop, "fill", config->threads > 0 ? config->threads : HST_FILL_THREADS, &cache->exec, err);
    if (status == HST_OK) status = hst_refetch_new(cache, cache->exec, &cache->refetch, err);
    if (status < 0) {
        hst_exec_free(cache->exec);
        hst_tmpfs_fini(&cache->tmpfs);
        free(cache);
        return status;
    }
    uv_signal_init(config->loop, &cache->break_signal);
    cache->break_signal.data = cache;
    uv_signal_start(&cache->break_signal, on_break, SIGIO);
    uv_unref((uv_handle_t *)&cache->break_signal);
    *ret_cache = cache;
    return HST_OK;
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_cache *)handle->data)->closing--;
}

void hst_cache_free(struct hst_cache *cache)
{
    if (cache == NULL) return;
    for (size_t i = 0; i < cache->by_key.count; i++)
        hst_cache_cancel(cache, &cache->sorted[i]->view);
    hst_refetch_stop(cache->refetch);
    hst_exec_free(cache->exec);
    hst_refetch_free(cache->refetch);
    hst_lease_end_all(cache);
    while (cache->by_key.count > 0)
        hst_cache_remove(cache, cache->sorted[0], false);
    cache->closing++;
    uv_close((uv_handle_t *)&cache->break_signal, on_closed);
    while (cache->closing > 0)
        uv_run(cache->config.loop, UV_RUN_ONCE);
    hst_tmpfs_fini(&cache->tmpfs);
    hst_map_fini(&cache->by_key);
    free_usage(cache);
    free(cache->sorted);
    free(cache);
}
