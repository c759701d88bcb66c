#include "cache/drain.h"

#include "base/cleanup.h"
#include "cache/internal.h"
#include "cache/keep.h"
#include "os/filelease.h"

/* A range on its way. */
struct range {
    uint64_t begin, end;
    bool drop;
    bool stuck; /* it could not be given back in part */
};

struct hst_drain {
    struct hst_region *region;
    struct range *ranges;  /* owned */
    size_t count, room;
    uint64_t bytes;        /* charged for it */
    bool last;             /* the region goes with it */
    /* of the region, for the thread: */
    struct hst_hold hold;
    struct hst_memfd memory;
    int fd;
    uint64_t keep_id;      /* 0 = hoist-keeper has no part in it */
};

static struct hst_exec *exec_of(const struct hst_cache *cache)
{
    return cache->keep != NULL ? cache->keep->exec : cache->drainer;
}

int hst_drain_begin(struct hst_cache *cache, struct hst_error *err)
{
    return cache->keep != NULL ? HST_OK : hst_exec_new(cache->config.loop, "drain", 1, &cache->drainer, err);
}

void hst_drain_finish(struct hst_cache *cache)
{
    while (hst_exec_pending(exec_of(cache)) > 0)
        uv_run(cache->config.loop, UV_RUN_ONCE);
}

void hst_drain_end(struct hst_cache *cache)
{
    hst_exec_free(hst_steal(&cache->drainer));
}

static void free_drain(struct hst_drain *drain)
{
    free(drain->ranges);
    free(drain);
}

/* ---- on the thread ---- */

/* Pages that hoist-keeper has mapped would not be dropped; one that does not answer has them mapped still. */
static void part_with_pages(const struct hst_drain *drain, const struct range *range)
{
    uint64_t size = range->end - range->begin;
    bool reachable = true;
    hst_hold_let_go(&drain->hold, range->begin, size);
    if (drain->keep_id > 0) reachable = hst_keep_unlock(drain->region->cache, drain->keep_id, range->begin, range->end);
    if (range->drop && drain->fd >= 0 && reachable) hst_hold_drop(drain->fd, range->begin, size);
}

/* What is in no file's page cache is freed by a hole, or with the region. */
static void part_with_memory(const struct hst_drain *drain, struct range *range)
{
    if (!drain->last && drain->memory.fd >= 0) range->stuck = !hst_memfd_punch(&drain->memory, range->begin, range->end - range->begin);
}

static void close_region(struct hst_region *region)
{
    hst_memfd_fini(&region->memory);
    hst_hold_unmap(&region->hold);
    if (region->leased) hst_filelease_release(region->fd);
    hst_closep(&region->fd);
    int direct_fd = region->direct_fd;
    hst_closep(&direct_fd);
}

static void work(void *arg)
{
    struct hst_drain *drain = arg;
    for (size_t i = 0; i < drain->count; i++) {
        if (hst_region_is_file(drain->region))
            part_with_pages(drain, &drain->ranges[i]);
        else
            part_with_memory(drain, &drain->ranges[i]);
    }
    if (drain->last) close_region(drain->region);
}

/* ---- on the loop ---- */

static void free_region(struct hst_region *region)
{
    hst_keep_forget(region->cache, &region->keep_id);
    free(region->path);
    free(region);
}

static void done(void *arg)
{
    struct hst_drain *drain = arg;
    struct hst_region *region = drain->region;
    struct hst_cache_stats *stats = &region->cache->stats;
    uint64_t stuck = 0;
    for (size_t i = 0; i < drain->count; i++)
        stuck += drain->ranges[i].stuck ? drain->ranges[i].end - drain->ranges[i].begin : 0;
    stats->draining_bytes -= drain->bytes;
    stats->used_bytes -= drain->bytes - stuck;
    region->stuck_bytes += stuck;
    region->drains--;
    if (drain->last) free_region(region);
    free_drain(drain);
}

static struct hst_drain *begin_drain(struct hst_region *region)
{
    if (region->parting != NULL) return region->parting;
    region->parting = calloc(1, sizeof *region->parting);
    if (region->parting != NULL) region->parting->region = region;
    return region->parting;
}

static bool append(struct hst_drain *drain, struct range range)
{
    if (drain->count == drain->room) {
        size_t room = drain->room * 2 + 8;
        struct range *grown = reallocarray(drain->ranges, room, sizeof *grown);
        if (grown == NULL) return false;
        drain->ranges = grown;
        drain->room = room;
    }
    drain->ranges[drain->count++] = range;
    return true;
}

static void charge(struct hst_drain *drain, uint64_t bytes)
{
    drain->bytes += bytes;
    drain->region->cache->stats.draining_bytes += bytes;
}

/* What the thread needs, as it is now. */
static void describe(struct hst_drain *drain)
{
    const struct hst_region *region = drain->region;
    drain->hold = region->hold;
    drain->memory = region->memory;
    drain->fd = region->fd;
    drain->keep_id = hst_keep_holds(region) ? region->keep_id : 0;
}

/* Without memory for a job it is done here: late is better than never. */
static void submit(struct hst_drain *drain)
{
    describe(drain);
    drain->region->drains++;
    if (exec_of(drain->region->cache) != NULL && hst_exec_submit(exec_of(drain->region->cache), work, done, drain) == HST_OK) return;
    work(drain);
    done(drain);
}

void hst_drain_add(struct hst_region *region, uint64_t begin, uint64_t end, bool drop)
{
    struct hst_drain one = {.region = region}, *drain = begin_drain(region);
    struct range range = {.begin = begin, .end = end, .drop = drop};
    if (drain != NULL && append(drain, range)) {
        charge(drain, end - begin);
        return;
    }
    one.ranges = &range;
    one.count = 1;
    one.last = region->dying;
    describe(&one);
    if (hst_region_is_file(region))
        part_with_pages(&one, &range);
    else
        part_with_memory(&one, &range);
    region->stuck_bytes += range.stuck ? end - begin : 0;
    region->cache->stats.used_bytes -= range.stuck ? 0 : end - begin;
}

void hst_drain_send(struct hst_region *region)
{
    if (region->parting != NULL) submit(hst_steal(&region->parting));
}

void hst_drain_unlock(struct hst_region *region)
{
    struct hst_drain *drain = begin_drain(region);
    if (drain == NULL || !append(drain, (struct range){.end = region->size_bytes})) hst_hold_unlock(&region->hold);
    hst_drain_send(region);
}

void hst_drain_send_last(struct hst_region *region)
{
    struct hst_drain *drain = begin_drain(region);
    uint64_t rest = region->used.used_bytes + region->stuck_bytes;
    hst_uses_fini(&region->used);
    if (drain == NULL) {
        region->cache->stats.used_bytes -= rest;
        close_region(region);
        free_region(region);
        return;
    }
    charge(drain, rest);
    region->stuck_bytes = 0;
    region->parting = NULL;
    drain->last = true;
    bool is_open = region->fd >= 0 || region->memory.fd >= 0 || region->hold.address != NULL || region->drains > 0;
    if (is_open) {
        submit(drain);
        return;
    }
    region->drains++;
    done(drain);
}

struct hst_exec *hst_drain_behind(const struct hst_claim *claim)
{
    for (size_t i = 0; i < claim->region_count; i++)
        if (claim->regions[i]->drains > 0) return exec_of(claim->regions[i]->cache);
    return NULL;
}

static void nothing(void *arg)
{
    (void)arg;
}

int hst_cache_settle(struct hst_cache *cache, void (*settled)(void *context), void *context, struct hst_error *err)
{
    return hst_exec_submit(exec_of(cache), nothing, settled, context) == HST_OK ? HST_OK : hst_error_nomem(err);
}
