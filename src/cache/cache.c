#include "cache/keep.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/drain.h"
#include "cache/refetch.h"
#include "model/layout.h"
#include "os/clock.h"
#include "os/filelease.h"
#include "os/meminfo.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { KEY_MAX = 512 };

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

/* "MODEL:ROLE#GENERATION@PRECISION", with an empty one for what is stored. */
static void make_key(char out[KEY_MAX], const struct hst_component *component, const char *precision)
{
    snprintf(out, KEY_MAX, "%s#%llu@%s", component->id, (unsigned long long)component->model->generation, precision != NULL ? precision : "");
}

struct hst_residency *hst_cache_find_as(const struct hst_cache *cache, const struct hst_component *component, const char *precision)
{
    char key[KEY_MAX];
    make_key(key, component, precision);
    return hst_map_get_str(&cache->by_key, key);
}

struct hst_residency *hst_cache_find(const struct hst_cache *cache, const struct hst_component *component)
{
    return hst_cache_find_as(cache, component, NULL);
}

struct hst_residency *hst_cache_next(const struct hst_cache *cache, size_t *cursor)
{
    return *cursor < cache->by_key.count ? &cache->sorted[(*cursor)++]->view : NULL;
}

int hst_cache_draft(struct hst_cache *cache, const struct hst_component *component, const struct hst_recast *recast, struct hst_claim **ret_claim,
                    struct hst_error *err)
{
    return hst_claim_new(cache, component, recast, ret_claim, err);
}

uint64_t hst_cache_cost(const struct hst_cache *cache, const struct hst_component *component, const struct hst_claim *claim)
{
    (void)cache;
    return claim != NULL ? hst_claim_cost(claim) : component->ram_bytes;
}

uint64_t hst_cache_exclusive(const struct hst_residency *residency)
{
    const struct hst_resident *resident = (const struct hst_resident *)residency;
    return resident->claim != NULL ? hst_claim_exclusive(resident->claim) : 0;
}

/* Ask about what several have claimed. */
static uint64_t ask_claims(struct hst_residency *const *residencies, size_t count, uint64_t (*ask)(struct hst_claim *const *claims, size_t count))
{
    HST_AUTO(hst_freep) struct hst_claim **claims = calloc(count + 1, sizeof(struct hst_claim *));
    size_t held = 0;
    for (size_t i = 0; claims != NULL && i < count; i++) {
        claims[held] = hst_resident_of(residencies[i])->claim;
        held += claims[held] != NULL;
    }
    return claims != NULL ? ask(claims, held) : 0;
}

uint64_t hst_cache_together(struct hst_residency *const *residencies, size_t count)
{
    return ask_claims(residencies, count, hst_claim_freed);
}

uint64_t hst_cache_union(struct hst_residency *const *residencies, size_t count)
{
    return ask_claims(residencies, count, hst_claim_union);
}

bool hst_cache_shares(const struct hst_residency *a, const struct hst_residency *b)
{
    const struct hst_resident *x = (const struct hst_resident *)a, *y = (const struct hst_resident *)b;
    return x->claim != NULL && y->claim != NULL && hst_claim_meets(x->claim, y->claim);
}

bool hst_cache_meets(const struct hst_residency *residency, const struct hst_claim *draft)
{
    const struct hst_resident *resident = (const struct hst_resident *)residency;
    return resident->claim != NULL && hst_claim_meets(resident->claim, draft);
}

static bool evictable(const struct hst_residency *residency)
{
    return residency->state == HST_RESIDENCY_CACHED && residency->leases == 0 && residency->device_refs == 0;
}

size_t hst_cache_count(const struct hst_cache *cache)
{
    return cache->by_key.count;
}

struct hst_cache_stats hst_cache_stats(const struct hst_cache *cache)
{
    struct hst_cache_stats stats = cache->stats;
    stats.budget_bytes = cache->config.budget_bytes;
    stats.refetched_bytes = hst_refetch_bytes(cache->refetch);
    stats.count = cache->by_key.count;
    for (size_t i = 0; i < cache->by_key.count; i++) {
        const struct hst_residency *view = &cache->sorted[i]->view;
        if (evictable(view) && !view->pinned) stats.evictable_bytes += hst_cache_exclusive(view);
        stats.named_bytes += view->state == HST_RESIDENCY_CACHED ? view->charged_bytes : 0;
    }
    return stats;
}

enum hst_backing hst_cache_copy_backing(const struct hst_cache *cache)
{
    return cache->trial.best;
}

double hst_cache_touch_cost(const struct hst_cache *cache, enum hst_backing backing)
{
    return cache->trial.touch_ms_per_gib[backing];
}

const char *hst_cache_reading(const struct hst_cache *cache, const char **ret_why_not)
{
    *ret_why_not = cache->reading.why_not[0] != '\0' ? cache->reading.why_not : NULL;
    return hst_reading_method(&cache->reading, true);
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

double hst_cache_cool(double heat, double idle_s)
{
    return idle_s > 0 ? heat * exp2(-idle_s / HST_HEAT_HALF_SECONDS) : heat;
}

/* The next hoistd shall know it, too. */
static void set_ahead(struct hst_residency *residency, bool ahead)
{
    if (residency->ahead == ahead) return;
    residency->ahead = ahead;
    hst_keep_residency(hst_resident_of(residency));
}

void hst_cache_touch(struct hst_cache *cache, const struct hst_component *component, struct hst_residency *residency)
{
    struct usage *usage = find_usage(cache, component->id);
    bool hit = residency != NULL;
    cache->stats.hits += hit;
    cache->stats.misses += !hit;
    if (hit) residency->last_used_seq = ++cache->next_seq;
    if (hit) residency->idle_since_ns = hst_clock_ns();
    if (hit) set_ahead(residency, false);
    if (usage == NULL) return; /* out of memory: the counts are too low, nothing else */
    int64_t now = hst_clock_wall_ns();
    double idle_s = usage->counts.last_used_wall_ns > 0 ? (double)(now - usage->counts.last_used_wall_ns) / 1e9 : 0;
    usage->counts.hits += hit;
    usage->counts.misses += !hit;
    usage->counts.heat = hst_cache_cool(usage->counts.heat, idle_s) + 1;
    usage->counts.last_used_wall_ns = now;
}

void hst_cache_foresee(struct hst_cache *cache, struct hst_residency *residency)
{
    (void)cache;
    set_ahead(residency, true);
}

void hst_cache_recall(struct hst_cache *cache, const struct hst_component *component, double heat, int64_t last_used_wall_ns)
{
    struct usage *usage = find_usage(cache, component->id);
    if (usage == NULL || usage->counts.last_used_wall_ns > 0 || last_used_wall_ns > hst_clock_wall_ns()) return;
    usage->counts.heat = fmax(0, heat);
    usage->counts.last_used_wall_ns = last_used_wall_ns;
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

uint64_t hst_cache_limit(const struct hst_cache *cache)
{
    uint64_t reserve = cache->config.reserve_bytes > 0 ? cache->config.reserve_bytes : HST_HEADROOM_BYTES, limit;
    uint64_t headroom = hst_meminfo_headroom_bytes(), usable = headroom - hst_min_u64(headroom, reserve);
    return hst_checked_add(cache->stats.used_bytes, usable, &limit) ? hst_min_u64(limit, cache->config.budget_bytes) : cache->config.budget_bytes;
}

uint64_t hst_cache_draining(const struct hst_cache *cache)
{
    return cache->stats.draining_bytes;
}

static uint64_t available_under(const struct hst_cache *cache, uint64_t limit)
{
    return limit - hst_min_u64(limit, cache->stats.used_bytes);
}

bool hst_cache_fits(const struct hst_cache *cache, uint64_t bytes)
{
    return bytes <= available_under(cache, hst_cache_limit(cache));
}

int hst_cache_check_room(const struct hst_cache *cache, uint64_t cost, struct hst_error *err)
{
    uint64_t budget = cache->config.budget_bytes, limit = hst_cache_limit(cache), available = available_under(cache, limit);
    if (cost <= available) return HST_OK;
    if (limit < budget)
        hst_error_set(err, HST_E_OUT_OF_RAM, "%llu bytes are needed and the machine has %llu beyond its reserve, though the RAM budget is %llu", (unsigned long long)cost,
                      (unsigned long long)available, (unsigned long long)budget);
    else
        hst_error_set(err, HST_E_OUT_OF_RAM, "%llu bytes are needed and %llu are free of the RAM budget of %llu", (unsigned long long)cost,
                      (unsigned long long)available, (unsigned long long)budget);
    if (err != NULL) {
        err->required_bytes = cost;
        err->available_bytes = available;
        err->evictable_bytes = hst_cache_stats(cache).evictable_bytes; /* what each shares is counted: not for every load */
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

/* Undo insert. */
static void withdraw(struct hst_cache *cache, struct hst_resident *resident)
{
    size_t at = 0, count = cache->by_key.count;
    while (cache->sorted[at] != resident)
        at++;
    memmove(&cache->sorted[at], &cache->sorted[at + 1], (count - at - 1) * sizeof(struct hst_resident *));
    hst_map_remove_str(&cache->by_key, resident->key);
}

static uint64_t free_resident(struct hst_resident *resident)
{
    uint64_t freed = hst_claim_unref(resident->claim);
    hst_layout_release(resident->view.component);
    hst_model_unref(resident->view.component->model);
    free(resident->recast);
    free(resident->key);
    free(resident);
    return freed;
}

static struct hst_resident *make(struct hst_cache *cache, struct hst_component *component, const struct hst_recast *recast)
{
    char key[KEY_MAX];
    make_key(key, component, recast != NULL ? recast->precision : NULL);
    struct hst_resident *resident = calloc(1, sizeof *resident);
    struct hst_recast *own = hst_recast_copy(recast);
    char *copy = strdup(key);
    if (resident == NULL || copy == NULL || (recast != NULL && own == NULL)) {
        free(resident);
        free(own);
        free(copy);
        return NULL;
    }
    resident->recast = own;
    resident->view.recast = own;
    hst_model_ref(component->model);
    hst_layout_share(component);
    resident->key = copy;
    resident->cache = cache;
    resident->view.component = component;
    resident->view.last_used_seq = ++cache->next_seq;
    resident->view.idle_since_ns = hst_clock_ns();
    resident->view.ttl_seconds = -1;
    return resident;
}

/* Charge a residency for what its claim has of its own. */
static int take(struct hst_cache *cache, struct hst_resident *resident, struct hst_claim *claim, struct hst_error *err)
{
    HST_TRY(hst_cache_check_room(cache, hst_claim_cost(claim), err));
    HST_TRY(hst_claim_take(claim, err));
    hst_twins_note_all(cache, resident->view.component, claim, false);
    resident->claim = claim;
    resident->view.charged_bytes = claim->size_bytes;
    return HST_OK;
}

static int insert_and_take(struct hst_cache *cache, struct hst_resident *resident, struct hst_claim *claim, struct hst_error *err)
{
    HST_TRY(insert(cache, resident, err));
    int status = take(cache, resident, claim, err);
    if (status < 0) withdraw(cache, resident);
    return status;
}

bool hst_cache_is_coming(const struct hst_cache *cache, const struct hst_component *component, const struct hst_recast *recast)
{
    const struct hst_twin_wish wish = {cache, component, recast, UINT64_MAX};
    uint64_t whole = 0;
    for (size_t i = 0; i < component->tensor_count; i++)
        whole += hst_recast_bytes(recast, component, i);
    return hst_twins_coming(&wish) * HST_TWINS_COMING_SHARE > whole;
}

/* One for what a claim names, in no table yet. */
static int make_for(struct hst_cache *cache, struct hst_component *component, const struct hst_claim *claim, struct hst_resident **ret_resident, struct hst_error *err)
{
    const char *precision = claim->recast != NULL ? claim->recast->precision : NULL;
    if (hst_cache_find_as(cache, component, precision) != NULL) return hst_error_set(err, HST_E_BUSY, "%s is held already", component->id);
    *ret_resident = make(cache, component, claim->recast);
    return *ret_resident != NULL ? HST_OK : hst_error_nomem(err);
}

const char *hst_residency_precision(const struct hst_residency *residency)
{
    return residency->recast != NULL ? residency->recast->precision : NULL;
}

int hst_cache_reserve(struct hst_cache *cache, struct hst_component *component, struct hst_claim *claim, struct hst_residency **ret_residency,
                      struct hst_error *err)
{
    struct hst_resident *resident;
    HST_TRY(make_for(cache, component, claim, &resident, err));
    int status = insert_and_take(cache, resident, claim, err);
    if (status < 0) {
        free_resident(resident);
        return status;
    }
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

void hst_cache_show(struct hst_resident *resident)
{
    const struct hst_claim *claim = resident->claim;
    struct hst_residency *view = &resident->view;
    view->backing = claim->kind;
    view->locked = hst_claim_is_locked(claim);
    view->segments = claim->segments;
    view->segment_count = claim->segment_count;
    view->placements = claim->places;
}

int hst_cache_enter(struct hst_cache *cache, struct hst_component *component, struct hst_claim *claim, struct hst_resident **ret_resident, struct hst_error *err)
{
    struct hst_resident *resident;
    HST_TRY(make_for(cache, component, claim, &resident, err));
    int status = insert(cache, resident, err);
    if (status < 0) {
        free_resident(resident);
        return status;
    }
    resident->claim = claim;
    resident->view.charged_bytes = claim->size_bytes;
    resident->view.state = HST_RESIDENCY_CACHED;
    hst_cache_show(resident);
    hst_cache_tell(cache, &resident->view, "cached");
    *ret_resident = resident;
    return HST_OK;
}

uint64_t hst_cache_remove(struct hst_cache *cache, struct hst_resident *resident)
{
    withdraw(cache, resident);
    hst_keep_forget(cache, &resident->keep_id);
    hst_cache_tell(cache, &resident->view, "absent");
    return free_resident(resident);
}

void hst_cache_discard(struct hst_cache *cache, struct hst_residency *residency)
{
    hst_cache_remove(cache, hst_resident_of(residency));
}

static int check_unused(const struct hst_residency *residency, struct hst_error *err)
{
    if (residency->leases == 0 && residency->device_refs == 0 && residency->state != HST_RESIDENCY_CACHING) return HST_OK;
    return hst_error_set(err, HST_E_BUSY, "%s is in use: %u leases, on %u devices", residency->component->id, residency->leases, residency->device_refs);
}

int hst_cache_evict(struct hst_cache *cache, struct hst_residency *residency, uint64_t *ret_freed_bytes, struct hst_error *err)
{
    HST_TRY(check_unused(residency, err));
    cache->stats.evictions++;
    uint64_t freed = hst_cache_remove(cache, hst_resident_of(residency));
    if (ret_freed_bytes != NULL) *ret_freed_bytes = freed;
    return HST_OK;
}

int hst_cache_suspend(struct hst_cache *cache, struct hst_residency *residency, struct hst_error *err)
{
    struct hst_resident *resident = hst_resident_of(residency);
    HST_TRY(check_unused(residency, err));
    (void)cache;
    residency->state = HST_RESIDENCY_SUSPENDED;
    residency->segments = NULL;
    residency->segment_count = 0;
    residency->placements = NULL;
    hst_claim_unref(hst_steal(&resident->claim));
    return HST_OK;
}

static int resume(struct hst_cache *cache, struct hst_resident *resident, struct hst_claim *claim, struct hst_fill_listener listener, struct hst_error *err)
{
    HST_TRY(take(cache, resident, claim, err));
    int status = hst_fill_start(resident, listener, err);
    if (status < 0) resident->claim = NULL;
    return status;
}

int hst_cache_resume(struct hst_cache *cache, struct hst_residency *residency, struct hst_fill_listener listener, struct hst_error *err)
{
    struct hst_claim *claim;
    HST_TRY(hst_claim_new(cache, residency->component, residency->recast, &claim, err));
    int status = resume(cache, hst_resident_of(residency), claim, listener, err);
    if (status < 0)
        hst_claim_unref(claim);
    else
        residency->state = HST_RESIDENCY_CACHING;
    return status;
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
    if (residency->pinned == pinned) return;
    residency->pinned = pinned;
    hst_keep_residency(hst_resident_of(residency));
}

void hst_cache_keep_for(struct hst_cache *cache, struct hst_residency *residency, int64_t ttl_seconds)
{
    (void)cache;
    residency->idle_since_ns = hst_clock_ns();
    if (ttl_seconds < 0 || ttl_seconds == residency->ttl_seconds) return;
    residency->ttl_seconds = ttl_seconds;
    hst_keep_residency(hst_resident_of(residency));
}

/* Let the writer of a held file go on. */
static void give_way(struct hst_region *region)
{
    if (!region->leased || !hst_filelease_broken(region->fd)) return;
    region->broken = true;
    region->leased = false;
    region->unlocked = true;
    hst_drain_unlock(region);
    hst_filelease_release(region->fd);
    hst_twins_forget(region, 0, UINT64_MAX);
}

/* Nothing of a written file is leased any more, and what lies in it goes as soon as nobody uses it. */
static void part_with(struct hst_cache *cache, struct hst_resident *resident)
{
    if (resident->claim == NULL || !hst_claim_is_broken(resident->claim)) return;
    if (resident->fill != NULL) {
        hst_fill_break(resident);
        return;
    }
    resident->view.stale = true;
    resident->view.locked = false;
    if (check_unused(&resident->view, NULL) == HST_OK) hst_cache_evict(cache, &resident->view, NULL, NULL);
}

static void on_break(uv_signal_t *signal, int number)
{
    struct hst_cache *cache = signal->data;
    (void)number;
    HST_LIST_FOREACH(node, &cache->regions)
        give_way(hst_container_of(node, struct hst_region, node));
    for (size_t i = cache->by_key.count; i > 0; i--)
        part_with(cache, cache->sorted[i - 1]);
}

/* Without it copies lie in memfds. */
static void begin_tmpfs(struct hst_cache *cache)
{
    if (hst_tmpfs_new(cache->config.budget_bytes + HST_TRIAL_BYTES, &cache->tmpfs, NULL) == HST_OK) hst_keep_tmpfs(cache);
}

/* A trial on a thread. */
struct trying {
    struct hst_cache *cache;
    struct hst_trial trial;
};

static void try_work(void *arg)
{
    struct trying *trying = arg;
    struct hst_cache *cache = trying->cache;
    hst_trial_run(cache->tmpfs.write_dir >= 0 ? &cache->tmpfs : NULL, &trying->trial);
}

static void try_done(void *arg)
{
    HST_AUTO(hst_freep) struct trying *trying = arg;
    trying->cache->trial = trying->trial;
}

/* Until it is known, and without memory to find out, it is what it usually is. */
static void start_trial(struct hst_cache *cache)
{
    cache->trial.best = cache->tmpfs.write_dir >= 0 ? HST_BACKING_TMPFS_HUGE : HST_BACKING_MEMFD_HUGE;
    struct trying *trying = calloc(1, sizeof *trying);
    if (trying == NULL) return;
    trying->cache = cache;
    if (hst_exec_submit(cache->exec, try_work, try_done, trying) < 0) free(trying);
}

/* Threads, and what they read with. What was started when this fails is ended by hst_cache_new. */
static int start_fill(struct hst_cache *cache, struct hst_error *err)
{
    unsigned threads = cache->config.threads > 0 ? cache->config.threads : HST_FILL_THREADS;
    HST_TRY(hst_reading_init(&cache->reading, cache->config.force_reading, threads * HST_LANES_MAX, err));
    HST_TRY(hst_lanes_init(&cache->lanes, cache->config.loop, threads, err));
    cache->exec = cache->lanes.execs[0];
    HST_TRY(hst_keep_new(cache, cache->config.keeper, &cache->keep, err));
    return hst_refetch_new(cache, cache->exec, &cache->refetch, err);
}

int hst_cache_new(const struct hst_cache_config *config, struct hst_cache **ret_cache, struct hst_error *err)
{
    const char *forced = config->force_backing;
    if (forced != NULL && hst_backing_find(forced) < 0) return hst_error_set(err, HST_E_CONFIG, "there is no backing '%s'", forced);
    struct hst_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) return hst_error_nomem(err);
    cache->config = *config;
    hst_list_init(&cache->holders);
    hst_list_init(&cache->regions);
    cache->tmpfs.write_dir = cache->tmpfs.read_dir = -1;
    int status = start_fill(cache, err);
    if (status == HST_OK) status = hst_drain_begin(cache, err);
    if (status < 0) {
        hst_keep_free(cache->keep);
        hst_lanes_fini(&cache->lanes);
        hst_reading_fini(&cache->reading);
        free(cache);
        return status;
    }
    hst_inherit_all(cache);
    if (cache->tmpfs.write_dir < 0) begin_tmpfs(cache);
    start_trial(cache);
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
    cache->stopping = true;
    hst_refetch_stop(cache->refetch);
    hst_drain_finish(cache); /* fills may wait behind it */
    hst_lanes_fini(&cache->lanes);
    hst_refetch_free(cache->refetch);
    hst_inherit_end(cache);
    hst_lease_end_all(cache);
    while (cache->by_key.count > 0)
        hst_cache_remove(cache, cache->sorted[0]);
    hst_drain_finish(cache);
    cache->closing++;
    uv_close((uv_handle_t *)&cache->break_signal, on_closed);
    while (cache->closing > 0)
        uv_run(cache->config.loop, UV_RUN_ONCE);
    hst_keep_free(cache->keep);
    hst_drain_end(cache);
    hst_reading_fini(&cache->reading);
    hst_tmpfs_fini(&cache->tmpfs);
    hst_map_fini(&cache->by_key);
    hst_map_fini(&cache->by_content);
    free_usage(cache);
    free(cache->sorted);
    free(cache);
}
