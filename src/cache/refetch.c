#include "cache/refetch.h"

#include "base/cleanup.h"
#include "cache/internal.h"

#include <stdlib.h>

struct hst_refetch {
    struct hst_cache *cache;
    struct hst_exec *exec;
    uv_timer_t timer;
    uint64_t bytes;
    bool busy;             /* a job runs */
    bool closed;
    _Atomic(bool) cancel;
};

/* A range of a file that should be in memory. */
struct range {
    int fd; /* owned */
    uint64_t offset, size_bytes;
};

/* What one look has to do. It has descriptors of its own: a residency may go meanwhile. */
struct look {
    struct hst_refetch *refetch;
    struct range *ranges;
    size_t count, room;
    uint64_t bytes; /* fetched again */
};

static void free_look(struct look *look)
{
    for (size_t i = 0; i < look->count; i++)
        hst_closep(&look->ranges[i].fd);
    free(look->ranges);
    free(look);
}

static void look_work(void *arg)
{
    struct look *look = arg;
    for (size_t i = 0; i < look->count && !look->refetch->cancel; i++) {
        const struct range *range = &look->ranges[i];
        uint64_t present = hst_hold_resident(range->fd, range->offset, range->size_bytes);
        if (present >= range->size_bytes) continue;
        if (hst_hold_fetch(range->fd, range->offset, range->size_bytes, &look->refetch->cancel) == HST_OK) look->bytes += range->size_bytes - present;
    }
}

static void look_done(void *arg)
{
    struct look *look = arg;
    look->refetch->busy = false;
    look->refetch->bytes += look->bytes;
    free_look(look);
}

static bool add(struct look *look, int fd, const struct hst_piece *piece)
{
    if (look->count == look->room) {
        size_t room = 2 * look->room + 16;
        struct range *grown = reallocarray(look->ranges, room, sizeof *grown);
        if (grown == NULL) return false;
        look->ranges = grown;
        look->room = room;
    }
    int copy = hst_hold_dup(fd);
    if (copy < 0) return false;
    look->ranges[look->count++] = (struct range){copy, piece->begin, piece->size_bytes};
    return true;
}

static bool add_resident(struct look *look, const struct hst_resident *resident)
{
    const struct hst_claim *claim = resident->claim;
    bool watched = resident->view.state == HST_RESIDENCY_CACHED && !resident->view.locked && !resident->view.stale;
    for (size_t i = 0; watched && i < claim->piece_count; i++) {
        const struct hst_region *region = claim->regions[claim->pieces[i].region];
        if (hst_region_is_file(region) && !add(look, region->fd, &claim->pieces[i])) return false;
    }
    return true;
}

static struct look *make_look(struct hst_refetch *refetch)
{
    struct look *look = calloc(1, sizeof *look);
    if (look == NULL) return NULL;
    look->refetch = refetch;
    for (size_t i = 0; i < refetch->cache->by_key.count; i++)
        if (!add_resident(look, refetch->cache->sorted[i])) break; /* the rest next time */
    return look;
}

static void on_time(uv_timer_t *timer)
{
    struct hst_refetch *refetch = timer->data;
    if (refetch->busy) return;
    struct look *look = make_look(refetch);
    if (look == NULL) return;
    refetch->busy = look->count > 0 && hst_exec_submit(refetch->exec, look_work, look_done, look) == HST_OK;
    if (!refetch->busy) free_look(look);
}

int hst_refetch_new(struct hst_cache *cache, struct hst_exec *exec, struct hst_refetch **ret_refetch, struct hst_error *err)
{
    struct hst_refetch *refetch = calloc(1, sizeof *refetch);
    if (refetch == NULL) return hst_error_nomem(err);
    refetch->cache = cache;
    refetch->exec = exec;
    uv_timer_init(cache->config.loop, &refetch->timer);
    refetch->timer.data = refetch;
    uv_timer_start(&refetch->timer, on_time, HST_REFETCH_MS, HST_REFETCH_MS);
    uv_unref((uv_handle_t *)&refetch->timer);
    *ret_refetch = refetch;
    return HST_OK;
}

uint64_t hst_refetch_bytes(const struct hst_refetch *refetch)
{
    return refetch->bytes;
}

void hst_refetch_stop(struct hst_refetch *refetch)
{
    if (refetch != NULL) refetch->cancel = true;
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_refetch *)handle->data)->closed = true;
}

void hst_refetch_free(struct hst_refetch *refetch)
{
    if (refetch == NULL) return;
    uv_loop_t *loop = refetch->timer.loop;
    uv_close((uv_handle_t *)&refetch->timer, on_closed);
    while (!refetch->closed)
        uv_run(loop, UV_RUN_ONCE);
    free(refetch);
}
