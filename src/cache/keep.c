#include "cache/keep.h"

#include "base/checked.h"
#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

/* ---- items ---- */

static void forget(struct hst_keep *keep, uint64_t id);

/* Put an item with this text. @return its id: `id`, or a new one for 0; 0 when it is not kept: then what may be there of it goes, for nobody knows it any more */
static uint64_t put(struct hst_keep *keep, uint32_t kind, uint64_t id, const int *fds, size_t fd_count, struct hst_strbuf *text)
{
    struct hst_keeper_item item = {.id = id > 0 ? id : hst_keeper_new_id(keep->keeper), .kind = kind, .fd_count = fd_count, .blob = text->text, .blob_bytes = text->length};
    for (size_t i = 0; i < fd_count; i++)
        item.fds[i] = fds[i];
    bool kept = hst_strbuf_ok(text) && hst_keeper_put(keep->keeper, &item, NULL) == HST_OK;
    hst_strbuf_fini(text);
    if (!kept) forget(keep, item.id);
    return kept ? item.id : 0;
}

void hst_keep_tmpfs(struct hst_cache *cache)
{
    struct hst_keep *keep = cache->keep;
    struct hst_strbuf text = {0};
    const int fds[] = {cache->tmpfs.write_dir, cache->tmpfs.read_dir};
    if (keep == NULL || fds[0] < 0) return;
    hst_record_write_tmpfs(&text, cache->config.budget_bytes);
    keep->tmpfs_id = put(keep, HST_RECORD_TMPFS, keep->tmpfs_id, fds, 2, &text);
}

static void put_region(struct hst_keep *keep, struct hst_region *region)
{
    struct hst_strbuf text = {0};
    bool is_file = hst_region_is_file(region);
    const int fds[] = {is_file ? region->fd : region->memory.fd, region->memory.write_fd};
    hst_record_write_region(&text, region);
    region->keep_id = put(keep, HST_RECORD_REGION, region->keep_id, fds, !is_file && region->memory.write_fd > 0 ? 2 : 1, &text);
}

/* @return are all of them kept? */
static bool put_regions(struct hst_keep *keep, const struct hst_claim *claim)
{
    bool kept = true;
    for (size_t i = 0; kept && i < claim->region_count; i++) {
        if (claim->regions[i]->keep_id == 0) put_region(keep, claim->regions[i]);
        kept = claim->regions[i]->keep_id > 0;
    }
    return kept;
}

static void put_claim(struct hst_keep *keep, struct hst_claim *claim, const struct hst_component *component)
{
    struct hst_strbuf text = {0};
    hst_record_write_claim(&text, claim, component);
    claim->keep_id = put(keep, HST_RECORD_CLAIM, claim->keep_id, NULL, 0, &text);
}

static void put_residency(struct hst_keep *keep, struct hst_resident *resident)
{
    struct hst_strbuf text = {0};
    hst_record_write_residency(&text, &resident->view, resident->claim->keep_id);
    resident->keep_id = put(keep, HST_RECORD_RESIDENCY, resident->keep_id, NULL, 0, &text);
}

static void lock_claim(const struct hst_claim *claim);

void hst_keep_residency(struct hst_resident *resident)
{
    struct hst_keep *keep = resident->cache->keep;
    struct hst_claim *claim = resident->claim;
    if (keep == NULL || claim == NULL || claim->region_count == 0 || resident->view.state != HST_RESIDENCY_CACHED) return;
    if (claim->keep_id == 0) {
        if (!put_regions(keep, claim)) return;
        put_claim(keep, claim, resident->view.component);
        lock_claim(claim);
    }
    if (claim->keep_id > 0) put_residency(keep, resident);
}

static bool write_shares(const struct hst_lease *lease, struct hst_record_lease *record)
{
    bool any = lease->view.other_count > 0;
    for (size_t i = 0; i < lease->claim_count; i++) {
        record->shares[i] = (struct hst_record_share){lease->residencies[i], lease->claims[i]->keep_id};
        any = any || lease->claims[i]->keep_id > 0;
    }
    return any;
}

void hst_keep_lease(struct hst_lease *lease)
{
    struct hst_keep *keep = lease->cache->keep;
    struct hst_strbuf text = {0};
    if (keep == NULL) return;
    struct hst_record_lease record = {.view = lease->view, .shares = calloc(lease->claim_count + 1, sizeof *record.shares), .count = lease->claim_count};
    if (record.shares != NULL && write_shares(lease, &record)) {
        hst_record_write_lease(&text, &record);
        lease->keep_id = put(keep, HST_RECORD_LEASE, lease->keep_id, &lease->pipe_fd, 1, &text);
    }
    free(record.shares);
}

/* ---- what is not the tier's ---- */

uint64_t hst_keep_put_other(struct hst_cache *cache, uint32_t kind, uint64_t id, const int *fds, size_t fd_count, struct hst_strbuf *text)
{
    if (cache->keep != NULL && fd_count <= HST_KEEPER_FDS_MAX) return put(cache->keep, kind, id, fds, fd_count, text);
    hst_strbuf_fini(text);
    return 0;
}

void hst_keep_listen(struct hst_cache *cache, void (*fresh)(void *context), void *context)
{
    if (cache->keep == NULL) return;
    cache->keep->others_fresh = fresh;
    cache->keep->others_context = context;
}

struct hst_keep_other *hst_keep_take_other(struct hst_cache *cache)
{
    struct hst_keep *keep = cache->keep;
    if (keep == NULL || hst_list_empty(&keep->others)) return NULL;
    struct hst_keep_other *other = hst_container_of(keep->others.next, struct hst_keep_other, node);
    hst_list_remove(&other->node);
    return other;
}

void hst_keep_other_free(struct hst_keep_other *other)
{
    if (other == NULL) return;
    for (size_t i = 0; i < other->fd_count; i++)
        hst_closep(&other->fds[i]);
    free(other->text);
    free(other);
}

bool hst_keep_add_other(struct hst_keep *keep, struct hst_keeper_item *item)
{
    struct hst_keep_other *other = calloc(1, sizeof *other);
    void *text = malloc(item->blob_bytes + 1);
    if (other == NULL || text == NULL) {
        free(other);
        free(text);
        return false;
    }
    *other = (struct hst_keep_other){.id = item->id, .kind = item->kind, .text = text, .length = item->blob_bytes, .fd_count = item->fd_count};
    if (item->blob_bytes > 0) memcpy(text, item->blob, item->blob_bytes);
    for (size_t i = 0; i < item->fd_count; i++)
        other->fds[i] = hst_steal_fd(&item->fds[i]);
    hst_list_append(&keep->others, &other->node);
    return true;
}

/* ---- letting go of items: what a keeper that does not answer still has is memory that nobody is charged for, so it is asked again ---- */

/* An item on its way out. */
struct forgetting {
    struct hst_keep *keep;
    uint64_t id;
    bool gone;
};

static void forget_work(void *arg)
{
    struct forgetting *forgetting = arg;
    struct hst_keeper *keeper = forgetting->keep->keeper;
    forgetting->gone = hst_keeper_drop_now(keeper, forgetting->id, NULL) == HST_OK || !hst_keeper_status(keeper).connected;
}

static void on_time(uv_timer_t *timer);

static void owe(struct hst_keep *keep, uint64_t id)
{
    uint64_t *grown = keep->cache->stopping ? NULL : reallocarray(keep->owed, keep->owed_count + 1, sizeof *grown);
    if (grown == NULL) return; /* it goes with hoistd */
    keep->owed = grown;
    keep->owed[keep->owed_count++] = id;
    uv_timer_start(&keep->timer, on_time, HST_KEEP_RETRY_MS, 0);
}

static void forget_done(void *arg)
{
    const struct forgetting *forgetting = arg;
    if (!forgetting->gone) owe(forgetting->keep, forgetting->id);
    free(arg);
}

static void forget(struct hst_keep *keep, uint64_t id)
{
    struct forgetting *forgetting = malloc(sizeof *forgetting);
    if (forgetting != NULL) *forgetting = (struct forgetting){keep, id, false};
    if (forgetting != NULL && hst_exec_submit(keep->exec, forget_work, forget_done, forgetting) == HST_OK) return;
    free(forgetting);
    owe(keep, id);
}

static void on_time(uv_timer_t *timer)
{
    struct hst_keep *keep = timer->data;
    HST_AUTO(hst_freep) uint64_t *owed = hst_steal(&keep->owed);
    size_t count = keep->owed_count;
    keep->owed_count = 0;
    for (size_t i = 0; i < count; i++)
        forget(keep, owed[i]);
}

void hst_keep_forget(struct hst_cache *cache, uint64_t *id)
{
    if (cache->keep != NULL && *id > 0) forget(cache->keep, *id);
    *id = 0;
}

bool hst_keep_forget_now(struct hst_cache *cache, uint64_t *id)
{
    struct hst_keep *keep = cache->keep;
    uint64_t item = *id;
    *id = 0;
    if (keep == NULL || item == 0 || hst_keeper_drop_now(keep->keeper, item, NULL) == HST_OK) return true;
    forget(keep, item);
    return !hst_keeper_status(keep->keeper).connected;
}

/* ---- locks: on a thread ---- */

/* Ranges of a file to lock. */
struct locking {
    struct hst_keep *keep;
    struct hst_region *region; /* referenced */
    uint64_t id;
    struct hst_keeper_range *ranges;
    size_t count;
    bool restores; /* nobody has locked them since */
    bool unlocked; /* some of it could not be locked */
};

/* What the keeper may not lock is locked here, as it is when it is filled. */
static void lock_range(struct locking *locking, const struct hst_keeper_range *range)
{
    bool locked = false;
    if (hst_keeper_lock(locking->keep->keeper, locking->id, range, &locked, NULL) == HST_OK && locked) return;
    if (!locking->restores) return;
    locked = true;
    if (hst_hold_fill(&locking->region->hold, range->offset, range->size_bytes, &locked, NULL) < 0 || !locked) locking->unlocked = true;
}

static void lock_work(void *arg)
{
    struct locking *locking = arg;
    for (size_t i = 0; i < locking->count && !locking->keep->cache->stopping; i++)
        lock_range(locking, &locking->ranges[i]);
}

/* All that is named of the file is locked now, or is not. */
static void settle(const struct locking *locking)
{
    struct hst_cache *cache = locking->keep->cache;
    locking->region->unlocked = locking->unlocked || locking->region->broken;
    for (size_t i = 0; i < cache->by_key.count; i++) {
        struct hst_resident *resident = cache->sorted[i];
        if (resident->view.state == HST_RESIDENCY_CACHED) resident->view.locked = hst_claim_is_locked(resident->claim);
    }
}

static void free_locking(struct locking *locking)
{
    if (locking->region != NULL) hst_region_unref(locking->region);
    free(locking->ranges);
    free(locking);
}

static void lock_done(void *arg)
{
    struct locking *locking = arg;
    if (locking->restores) settle(locking);
    free_locking(locking);
}

/* With room for so many ranges, or NULL. */
static struct locking *new_locking(struct hst_region *region, size_t room)
{
    struct locking *locking = calloc(1, sizeof *locking);
    if (locking == NULL) return NULL;
    locking->ranges = calloc(room + 1, sizeof *locking->ranges);
    locking->keep = region->cache->keep;
    locking->id = region->keep_id;
    if (locking->ranges == NULL) {
        free_locking(locking);
        return NULL;
    }
    region->refs++;
    locking->region = region;
    return locking;
}

static void add_range(struct locking *locking, uint64_t begin, uint64_t size_bytes)
{
    locking->ranges[locking->count++] = (struct hst_keeper_range){begin, size_bytes};
}

static void start(struct locking *locking)
{
    if (locking->count > 0 && hst_exec_submit(locking->keep->exec, lock_work, lock_done, locking) == HST_OK) return;
    free_locking(locking);
}

/* Its pages are those of a file that is held in place, and kept. */
static bool is_in_place(const struct hst_region *region)
{
    return hst_region_is_file(region) && region->keep_id > 0 && region->hold.address != NULL && !region->broken;
}

static void lock_claim(const struct hst_claim *claim)
{
    for (uint32_t i = 0; i < claim->region_count; i++) {
        struct locking *locking = is_in_place(claim->regions[i]) ? new_locking(claim->regions[i], claim->piece_count) : NULL;
        if (locking == NULL) continue;
        for (size_t j = 0; j < claim->piece_count; j++)
            if (claim->pieces[j].region == i) add_range(locking, claim->pieces[j].begin, claim->pieces[j].size_bytes);
        start(locking);
    }
}

void hst_keep_restore_locks(struct hst_region *region)
{
    struct locking *locking = is_in_place(region) ? new_locking(region, region->used.count) : NULL;
    if (locking == NULL) return;
    locking->restores = true;
    for (size_t i = 0; i + 1 < region->used.count; i++)
        if (region->used.edges[i].count > 0) add_range(locking, region->used.edges[i].at, region->used.edges[i + 1].at - region->used.edges[i].at);
    start(locking);
}

bool hst_keep_holds(const struct hst_region *region)
{
    const struct hst_keep *keep = region->cache->keep;
    return keep != NULL && region->keep_id > 0 && hst_keeper_status(keep->keeper).connected;
}

bool hst_keep_unlock(const struct hst_cache *cache, uint64_t id, uint64_t begin, uint64_t end)
{
    const struct hst_keeper_range range = {begin, end - begin};
    return hst_keeper_unlock(cache->keep->keeper, id, &range, NULL) != HST_E_UNREACHABLE;
}

/* ---- the whole ---- */

static void put_resident_again(struct hst_keep *keep, struct hst_resident *resident)
{
    if (resident->claim == NULL || resident->claim->keep_id == 0) return;
    put_claim(keep, resident->claim, resident->view.component);
    if (resident->claim->keep_id > 0 && resident->keep_id > 0) put_residency(keep, resident);
}

/* What a residency has left since is kept for the lease alone. */
static void put_lease_again(struct hst_keep *keep, struct hst_lease *lease)
{
    for (size_t i = 0; i < lease->claim_count; i++) {
        bool current = false;
        for (size_t j = 0; j < lease->view.count; j++)
            current = current || hst_resident_of(lease->view.residencies[j])->claim == lease->claims[i];
        if (!current && lease->claims[i]->keep_id > 0) put_claim(keep, lease->claims[i], NULL);
    }
    hst_keep_lease(lease);
}

static void on_fresh(void *context)
{
    struct hst_keep *keep = context;
    struct hst_cache *cache = keep->cache;
    hst_keep_tmpfs(cache);
    HST_LIST_FOREACH(node, &cache->regions) {
        struct hst_region *region = hst_container_of(node, struct hst_region, node);
        if (region->keep_id > 0) put_region(keep, region);
        hst_keep_restore_locks(region);
    }
    for (size_t i = 0; i < cache->by_key.count; i++)
        put_resident_again(keep, cache->sorted[i]);
    HST_LIST_FOREACH(node, &cache->holders)
        put_lease_again(keep, hst_container_of(node, struct hst_lease, node));
    if (keep->others_fresh != NULL) keep->others_fresh(keep->others_context);
}

int hst_keep_new(struct hst_cache *cache, struct hst_keeper *keeper, struct hst_keep **ret_keep, struct hst_error *err)
{
    *ret_keep = NULL;
    if (keeper == NULL) return HST_OK;
    struct hst_keep *keep = calloc(1, sizeof *keep);
    if (keep == NULL) return hst_error_nomem(err);
    *keep = (struct hst_keep){.cache = cache, .keeper = keeper};
    hst_list_init(&keep->waiting);
    hst_list_init(&keep->others);
    int status = hst_exec_new(cache->config.loop, "keep", 1, &keep->exec, err);
    if (status < 0) {
        free(keep);
        return status;
    }
    uv_timer_init(cache->config.loop, &keep->timer);
    keep->timer.data = keep;
    uv_unref((uv_handle_t *)&keep->timer);
    hst_keeper_listen(keeper, &(struct hst_keeper_listener){.fresh = on_fresh, .context = keep});
    *ret_keep = keep;
    return HST_OK;
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_keep *)handle->data)->closed = true;
}

void hst_keep_free(struct hst_keep *keep)
{
    if (keep == NULL) return;
    hst_keeper_listen(keep->keeper, &(struct hst_keeper_listener){0});
    hst_exec_free(keep->exec);
    uv_close((uv_handle_t *)&keep->timer, on_closed);
    while (!keep->closed)
        uv_run(keep->cache->config.loop, UV_RUN_ONCE);
    HST_LIST_FOREACH(node, &keep->others)
        hst_keep_other_free(hst_container_of(node, struct hst_keep_other, node));
    free(keep->owed);
    free(keep);
}
