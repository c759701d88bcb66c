#include "cache/rearrange.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/internal.h"
#include "cache/keep.h"
#include "os/file.h"
#include "os/place.h"

#include <string.h>

/* A claim shall take the place of another. */
struct swap {
    struct hst_cache *cache;
    struct hst_model *model;  /* referenced: the component's */
    const struct hst_component *component;
    char *key;                /* of the residency; owned */
    struct hst_claim *from;   /* referenced: the residency still has it, or it moved on meanwhile */
    struct hst_claim *to;     /* referenced */
};

static void swap_fini(struct swap *swap)
{
    free(swap->key);
    hst_claim_unref(swap->to);
    hst_claim_unref(swap->from);
    hst_model_unref(swap->model);
}

static int swap_init(struct swap *swap, struct hst_resident *resident)
{
    *swap = (struct swap){.cache = resident->cache, .component = resident->view.component, .key = strdup(resident->key)};
    if (swap->key == NULL) return HST_E_NOMEM;
    swap->model = hst_model_ref(resident->view.component->model);
    swap->from = hst_claim_ref(resident->claim);
    return HST_OK;
}

static bool at_rest(const struct hst_resident *resident)
{
    return resident->view.state == HST_RESIDENCY_CACHED && resident->fill == NULL && !resident->view.stale;
}

/* @return did the residency move? */
static bool swap_claims(struct swap *swap)
{
    struct hst_resident *resident = hst_map_get_str(&swap->cache->by_key, swap->key);
    if (resident == NULL || resident->claim != swap->from || !at_rest(resident) || hst_claim_is_broken(swap->to)) return false;
    if (hst_claim_publish(swap->to, NULL) < 0) return false;
    struct hst_claim *old = resident->claim;
    resident->claim = hst_claim_ref(swap->to);
    resident->view.charged_bytes = swap->to->size_bytes;
    hst_cache_show(resident);
    hst_keep_residency(resident);
    hst_cache_tell(swap->cache, &resident->view, "cached");
    hst_claim_unref(old);
    return true;
}

/* ---- sharing ---- */

/* Two places whose bytes are compared. */
struct pair {
    int fds[2];
    uint64_t offsets[2];
    uint64_t size_bytes;
};

struct sharing {
    struct swap swap;
    struct pair *pairs;
    size_t count;
    uint64_t equal_bytes;
    bool differs;
    hst_rearranged_fn done;
    void *context;
};

static void free_sharing(struct sharing *sharing)
{
    swap_fini(&sharing->swap);
    free(sharing->pairs);
    free(sharing);
}

static struct hst_twin_wish wish_of(const struct hst_resident *resident, uint64_t claim_number)
{
    return (struct hst_twin_wish){resident->cache, resident->view.component, resident->claim->recast, claim_number};
}

/* What lies somewhere already stays there: an equal one beside it must not join it, for two keys would be one memory. */
static void take_places(const struct hst_twin_wish *wish, const struct hst_claim *claim)
{
    for (size_t i = 0; i < wish->component->tensor_count; i++)
        if (claim->region_count > 0) hst_twins_take(wish, i, claim->regions[claim->spots[i].segment], claim->spots[i].offset);
}

static struct hst_mark *find_older(const struct hst_twin_wish *wish, const struct hst_claim *claim, size_t tensor)
{
    const struct hst_placement *spot = &claim->spots[tensor];
    return claim->region_count > 0 ? hst_twins_find_older(wish, tensor, claim->regions[spot->segment], spot->offset) : NULL;
}

/* A tensor that is somewhere else, too, and was there before, goes there. */
static bool move_to_twin(void *context, struct hst_claim *claim, size_t tensor, struct hst_placement *spot)
{
    struct sharing *sharing = context;
    const struct hst_claim *from = sharing->swap.from;
    const struct hst_twin_wish wish = {sharing->swap.cache, sharing->swap.component, from->recast, claim->number};
    const struct hst_placement *here = &from->spots[tensor];
    if (tensor == 0) take_places(&wish, from);
    struct hst_mark *mark = find_older(&wish, from, tensor);
    uint32_t index = mark != NULL ? hst_claim_enter(claim, mark->region) : UINT32_MAX;
    if (index == UINT32_MAX) return false;
    mark->taken_by = claim->number;
    *spot = (struct hst_placement){index, mark->offset};
    sharing->pairs[sharing->count++] = (struct pair){.fds = {hst_claim_fd(from, here->segment), hst_claim_fd(claim, index)},
                                                     .offsets = {here->offset, mark->offset},
                                                     .size_bytes = mark->size_bytes};
    return true;
}

/* @return are the bytes equal? Pages of files are read, never touched in a mapping: a file that shrinks would end us. */
static bool are_equal(const struct pair *pair, char *buffers)
{
    for (uint64_t at = 0; at < pair->size_bytes; at += HST_COMPARE_BYTES) {
        size_t length = hst_min_u64(HST_COMPARE_BYTES, pair->size_bytes - at);
        for (size_t i = 0; i < 2; i++)
            if (hst_file_read_at(pair->fds[i], pair->offsets[i] + at, buffers + i * HST_COMPARE_BYTES, length, NULL) < 0) return false;
        if (memcmp(buffers, buffers + HST_COMPARE_BYTES, length) != 0) return false;
    }
    return true;
}

static void compare_work(void *arg)
{
    struct sharing *sharing = arg;
    HST_AUTO(hst_freep) char *buffers = malloc(2 * HST_COMPARE_BYTES);
    sharing->differs = buffers == NULL;
    for (size_t i = 0; !sharing->differs && i < sharing->count; i++) {
        sharing->differs = !are_equal(&sharing->pairs[i], buffers);
        sharing->equal_bytes += sharing->pairs[i].size_bytes;
    }
}

static void compare_done(void *arg)
{
    struct sharing *sharing = arg;
    struct hst_cache *cache = sharing->swap.cache;
    uint64_t before = hst_cache_kept(cache);
    bool moved = !sharing->differs && swap_claims(&sharing->swap);
    hst_rearranged_fn done = sharing->done;
    void *context = sharing->context;
    struct hst_rearranged what = {.shared_bytes = moved ? sharing->equal_bytes : 0, .components = moved};
    free_sharing(sharing);
    what.freed_bytes = before - hst_min_u64(before, hst_cache_kept(cache));
    done(context, &what);
}

uint64_t hst_cache_shareable(struct hst_cache *cache, const struct hst_residency *residency)
{
    const struct hst_resident *resident = (const struct hst_resident *)residency;
    uint64_t bytes = 0;
    if (!at_rest(resident)) return 0;
    const struct hst_twin_wish wish = wish_of(resident, ++cache->next_claim);
    take_places(&wish, resident->claim);
    for (size_t i = 0; i < wish.component->tensor_count; i++) {
        struct hst_mark *mark = find_older(&wish, resident->claim, i);
        if (mark == NULL) continue;
        mark->taken_by = wish.claim_number;
        bytes += mark->size_bytes;
    }
    return bytes;
}

static int find_twins(struct sharing *sharing, struct hst_resident *resident, struct hst_error *err)
{
    const struct hst_component *component = resident->view.component;
    hst_twins_note_all(resident->cache, component, resident->claim, true);
    if (hst_cache_shareable(resident->cache, &resident->view) == 0) return HST_E_CANCELLED;
    sharing->pairs = calloc(component->tensor_count + 1, sizeof *sharing->pairs);
    if (sharing->pairs == NULL || swap_init(&sharing->swap, resident) < 0) return hst_error_nomem(err);
    HST_TRY(hst_claim_move(resident->cache, resident->claim, component, move_to_twin, sharing, &sharing->swap.to, err));
    return sharing->count > 0 ? HST_OK : HST_E_CANCELLED;
}

int hst_cache_share(struct hst_cache *cache, struct hst_residency *residency, hst_rearranged_fn done, void *context, struct hst_error *err)
{
    struct hst_resident *resident = hst_resident_of(residency);
    if (!at_rest(resident)) return hst_error_set(err, HST_E_BUSY, "%s is not at rest", residency->component->id);
    struct sharing *sharing = calloc(1, sizeof *sharing);
    if (sharing == NULL) return hst_error_nomem(err);
    sharing->done = done;
    sharing->context = context;
    int status = find_twins(sharing, resident, err);
    if (status == HST_OK && hst_exec_submit(cache->exec, compare_work, compare_done, sharing) < 0) status = hst_error_nomem(err);
    if (status < 0) free_sharing(sharing);
    return status;
}

/* ---- compaction ---- */

/* A range of a region that lives, and where it lies in the new one. */
struct live {
    uint64_t begin, size_bytes, packed;
};

struct compaction {
    struct hst_cache *cache;
    struct hst_region *from; /* referenced */
    struct hst_region *to;   /* referenced */
    struct hst_memfd memory; /* until `to` has it */
    enum hst_backing kind;
    struct live *live;
    size_t count;
    uint64_t live_bytes;
    struct swap *swaps;      /* of residencies whose tensors lie in `from`; as many as there are at the end */
    size_t swap_count;
    const struct hst_claim *moving; /* the claim that is being moved */
    int status;
    hst_rearranged_fn done;
    void *context;
};

static void free_compaction(struct compaction *compaction)
{
    for (size_t i = 0; i < compaction->swap_count; i++)
        swap_fini(&compaction->swaps[i]);
    if (compaction->to != NULL) hst_region_release(compaction->to, 0, compaction->live_bytes, false);
    if (compaction->to != NULL) hst_region_unref(compaction->to);
    hst_region_unref(compaction->from);
    hst_memfd_fini(&compaction->memory);
    free(compaction->swaps);
    free(compaction->live);
    free(compaction);
}

static bool is_thin(const struct hst_region *region)
{
    return !hst_region_is_file(region) && region->memory.fd >= 0 && !region->left && (double)region->used.used_bytes < HST_THIN_SHARE * (double)region->size_bytes;
}

/* The region with the most to gain, or NULL. */
static struct hst_region *thinnest(const struct hst_cache *cache)
{
    struct hst_region *best = NULL;
    HST_LIST_FOREACH(node, &cache->regions) {
        struct hst_region *region = hst_container_of(node, struct hst_region, node);
        if (!is_thin(region) || region->used.used_bytes == 0) continue;
        if (best == NULL || region->size_bytes - region->used.used_bytes > best->size_bytes - best->used.used_bytes) best = region;
    }
    return best;
}

bool hst_cache_is_thin(const struct hst_cache *cache)
{
    return thinnest(cache) != NULL;
}

static int list_live(struct compaction *compaction, struct hst_error *err)
{
    const struct hst_uses *used = &compaction->from->used;
    compaction->live = calloc(used->count + 1, sizeof *compaction->live);
    if (compaction->live == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i + 1 < used->count; i++) {
        uint64_t size = used->edges[i + 1].at - used->edges[i].at;
        if (used->edges[i].count == 0) continue;
        compaction->live[compaction->count++] = (struct live){used->edges[i].at, size, compaction->live_bytes};
        compaction->live_bytes += size;
    }
    return HST_OK;
}

static void copy_work(void *arg)
{
    struct compaction *compaction = arg;
    struct hst_cache *cache = compaction->cache;
    struct hst_tmpfs *tmpfs = cache->tmpfs.write_dir >= 0 ? &cache->tmpfs : NULL;
    compaction->status = hst_backing_allocate(compaction->from->kind, tmpfs, compaction->live_bytes, &compaction->memory, &compaction->kind, NULL);
    for (size_t i = 0; compaction->status == HST_OK && i < compaction->count; i++) {
        const struct live *live = &compaction->live[i];
        memcpy((char *)compaction->memory.address + live->packed, (const char *)compaction->from->memory.address + live->begin, live->size_bytes);
    }
}

static const struct live *find_live(const struct compaction *compaction, uint64_t offset)
{
    for (size_t i = 0; i < compaction->count; i++)
        if (offset - compaction->live[i].begin < compaction->live[i].size_bytes) return &compaction->live[i];
    return NULL;
}

static bool move_to_copy(void *context, struct hst_claim *claim, size_t tensor, struct hst_placement *spot)
{
    const struct compaction *compaction = context;
    const struct hst_placement *here = &compaction->moving->spots[tensor];
    if (compaction->moving->region_count == 0 || compaction->moving->regions[here->segment] != compaction->from) return false;
    const struct live *live = find_live(compaction, here->offset);
    if (live == NULL) return false; /* a tensor without bytes */
    uint32_t index = hst_claim_enter(claim, compaction->to);
    if (index == UINT32_MAX) return false;
    *spot = (struct hst_placement){index, live->packed + (here->offset - live->begin)};
    return true;
}

static void prepare_swap(struct compaction *compaction, struct hst_resident *resident)
{
    struct swap *swap = &compaction->swaps[compaction->swap_count];
    if (!at_rest(resident) || !hst_claim_names(resident->claim, compaction->from) || swap_init(swap, resident) < 0) return;
    compaction->moving = swap->from;
    if (hst_claim_move(compaction->cache, swap->from, swap->component, move_to_copy, compaction, &swap->to, NULL) < 0)
        swap_fini(swap);
    else
        compaction->swap_count++;
}

static size_t move_all(struct compaction *compaction)
{
    struct hst_cache *cache = compaction->cache;
    size_t moved = 0;
    compaction->to->memory = compaction->memory;
    compaction->to->kind = compaction->kind;
    compaction->memory = (struct hst_memfd){.fd = -1};
    compaction->swaps = calloc(cache->by_key.count + 1, sizeof *compaction->swaps);
    for (size_t i = 0; compaction->swaps != NULL && i < cache->by_key.count; i++)
        prepare_swap(compaction, cache->sorted[i]);
    compaction->from->left = true;
    hst_twins_forget(compaction->from, 0, UINT64_MAX);
    for (size_t i = 0; i < compaction->swap_count; i++) {
        moved += swap_claims(&compaction->swaps[i]);
        hst_twins_note_all(cache, compaction->swaps[i].component, compaction->swaps[i].to, true);
    }
    return moved;
}

static void copy_done(void *arg)
{
    struct compaction *compaction = arg;
    struct hst_cache *cache = compaction->cache;
    struct hst_rearranged what = {.freed_bytes = compaction->status == HST_OK ? compaction->from->stuck_bytes : 0};
    hst_rearranged_fn done = compaction->done;
    void *context = compaction->context;
    if (compaction->status == HST_OK) what.components = move_all(compaction);
    what.moved_bytes = what.components > 0 ? compaction->live_bytes : 0;
    cache->compacting = false;
    free_compaction(compaction);
    done(context, &what);
}

/* The copy is charged before it is made. */
static int charge(struct compaction *compaction, struct hst_error *err)
{
    struct hst_cache *cache = compaction->cache;
    HST_TRY(list_live(compaction, err));
    HST_TRY(hst_cache_check_room(cache, compaction->live_bytes, err));
    compaction->to = hst_region_new(cache, compaction->from->kind, compaction->live_bytes);
    if (compaction->to == NULL) return hst_error_nomem(err);
    int status = hst_uses_reserve(&compaction->to->used, 1, err);
    if (status == HST_OK)
        hst_region_use(compaction->to, 0, compaction->live_bytes);
    else
        hst_region_unref(hst_steal(&compaction->to));
    return status;
}

static int start(struct compaction *compaction, struct hst_error *err)
{
    HST_TRY(charge(compaction, err));
    if (hst_exec_submit(compaction->cache->exec, copy_work, copy_done, compaction) < 0) return hst_error_nomem(err);
    compaction->cache->compacting = true;
    return HST_OK;
}

int hst_cache_compact(struct hst_cache *cache, hst_rearranged_fn done, void *context, struct hst_error *err)
{
    struct hst_region *region = cache->compacting ? NULL : thinnest(cache);
    if (region == NULL) return hst_error_set(err, HST_E_CANCELLED, "no memory of ours has holes worth closing");
    struct compaction *compaction = calloc(1, sizeof *compaction);
    if (compaction == NULL) return hst_error_nomem(err);
    region->refs++;
    *compaction = (struct compaction){.cache = cache, .from = region, .memory.fd = -1, .done = done, .context = context};
    int status = start(compaction, err);
    if (status < 0) free_compaction(compaction);
    return status;
}

/* ---- how memory lies ---- */

/* A huge page is split where what is named begins or ends inside of it. */
static size_t count_split(const struct hst_region *region)
{
    const struct hst_uses *used = &region->used;
    uint64_t last = UINT64_MAX;
    size_t split = 0;
    bool huge = region->kind == HST_BACKING_TMPFS_HUGE || region->kind == HST_BACKING_MEMFD_HUGE;
    for (size_t i = 0; huge && region->stuck_bytes == 0 && i < used->count; i++) {
        const struct hst_edge *edge = &used->edges[i];
        bool was_named = i > 0 && edge[-1].count > 0, inside = edge->at % HST_PLACE_HUGE_BYTES != 0 && edge->at < region->size_bytes;
        if (was_named == (edge->count > 0) || !inside || edge->at / HST_PLACE_HUGE_BYTES == last) continue;
        last = edge->at / HST_PLACE_HUGE_BYTES;
        split++;
    }
    return split;
}

static void look_at(const struct hst_region *region, struct hst_fragmentation *found)
{
    if (hst_region_is_file(region)) return;
    found->regions++;
    found->region_bytes += region->size_bytes;
    found->live_bytes += region->used.used_bytes;
    found->stuck_bytes += region->stuck_bytes;
    found->thin_regions += is_thin(region);
    found->split_huge_pages += count_split(region);
}

struct hst_fragmentation hst_cache_fragmentation(struct hst_cache *cache)
{
    struct hst_fragmentation found = {0};
    HST_LIST_FOREACH(node, &cache->regions)
        look_at(hst_container_of(node, struct hst_region, node), &found);
    for (size_t i = 0; i < cache->by_key.count; i++)
        found.equal_bytes += hst_cache_shareable(cache, &cache->sorted[i]->view);
    return found;
}
