/* Bringing bytes in: one job opens and prepares, then a job a piece reads, and a last one checks that no file changed meanwhile.
 *
 *   prepare --> piece, piece, piece ... (parallel) --> check --> CACHED, or gone
 */
#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/internal.h"
#include "os/clock.h"
#include "os/filelease.h"

/* A job: what it works on, and its own result, so that jobs share nothing. */
struct job {
    struct hst_resident *resident;
    const struct hst_extent *extent;
    uint64_t offset;
    uint64_t size_bytes;
    int status;
    struct hst_error error;
};

static void end_fill(struct hst_resident *resident);

static int submit(struct hst_resident *resident, hst_exec_fn work, hst_exec_fn done, struct job what)
{
    struct job *job = malloc(sizeof *job);
    if (job == NULL) return HST_E_NOMEM;
    *job = what;
    job->resident = resident;
    if (hst_exec_submit(resident->cache->exec, work, done, job) < 0) {
        free(job);
        return HST_E_NOMEM;
    }
    resident->fill->pieces++;
    return HST_OK;
}

/* Back on the loop: keep the first failure. @return the residency */
static struct hst_resident *finish(struct job *job)
{
    struct hst_resident *resident = job->resident;
    struct hst_fill *fill = resident->fill;
    fill->pieces--;
    if (job->status < 0 && fill->error.status == HST_OK) {
        fill->error = job->error;
        fill->error.status = job->status;
        fill->cancel = true;
    }
    free(job);
    return resident;
}

static void fail(struct hst_fill *fill, int status)
{
    if (fill->error.status == HST_OK) hst_error_set(&fill->error, status, "%s", hst_status_info(status)->text);
    fill->cancel = true;
}

static bool stopped(struct job *job)
{
    if (!job->resident->fill->cancel) return false;
    job->status = hst_error_set(&job->error, HST_E_CANCELLED, "the load was cancelled");
    return true;
}

static void check_work(void *arg)
{
    struct job *job = arg;
    if (!stopped(job)) job->status = hst_store_check(&job->resident->store, job->resident->view.component->model, &job->error);
}

static void check_done(void *arg)
{
    end_fill(finish(arg));
}

static void after_pieces(struct hst_resident *resident)
{
    struct hst_fill *fill = resident->fill;
    if (fill->error.status == HST_OK && submit(resident, check_work, check_done, (struct job){0}) == HST_OK) return;
    if (fill->error.status == HST_OK) fail(fill, HST_E_NOMEM);
    end_fill(resident);
}

static void piece_work(void *arg)
{
    struct job *job = arg;
    struct hst_store *store = &job->resident->store;
    if (!stopped(job)) job->status = store->ops->fill(store, job->extent, job->offset, job->size_bytes, &job->error);
}

static void piece_done(void *arg)
{
    struct job *job = arg;
    uint64_t size_bytes = job->status == HST_OK ? job->size_bytes : 0;
    struct hst_resident *resident = finish(job);
    struct hst_fill *fill = resident->fill;
    fill->done_bytes += size_bytes;
    if (fill->listener.progress != NULL) fill->listener.progress(fill->listener.context, fill->done_bytes, fill->total_bytes);
    if (fill->pieces == 0) after_pieces(resident);
}

static int submit_extent(struct hst_resident *resident, const struct hst_extent *extent)
{
    for (uint64_t at = 0; at < extent->size_bytes; at += HST_FILL_PIECE_BYTES) {
        uint64_t size = hst_min_u64(HST_FILL_PIECE_BYTES, extent->size_bytes - at);
        HST_TRY(submit(resident, piece_work, piece_done, (struct job){.extent = extent, .offset = at, .size_bytes = size}));
    }
    return HST_OK;
}

static void prepare_work(void *arg)
{
    struct job *job = arg;
    struct hst_store *store = &job->resident->store;
    if (stopped(job)) return;
    job->status = hst_store_open(store, job->resident->view.component, &job->error);
    if (job->status < 0) return;
    store->kind = hst_backing_choose(store, job->resident->view.component->model, job->resident->cache->config.force_backing);
    store->ops = hst_backing_ops(store->kind);
    job->status = store->ops->prepare(store, &job->error);
}

static void prepare_done(void *arg)
{
    struct hst_resident *resident = finish(arg);
    const struct hst_extents *extents = &resident->store.extents;
    int status = resident->fill->error.status;
    for (size_t i = 0; status == HST_OK && i < extents->count; i++)
        status = submit_extent(resident, &extents->items[i]);
    if (status < 0) fail(resident->fill, status);
    if (resident->fill->pieces == 0) after_pieces(resident);
}

int hst_fill_start(struct hst_resident *resident, struct hst_fill_listener listener, struct hst_error *err)
{
    resident->fill = calloc(1, sizeof *resident->fill);
    if (resident->fill == NULL) return hst_error_nomem(err);
    resident->fill->listener = listener;
    resident->fill->total_bytes = resident->view.charged_bytes;
    resident->fill->started_ns = hst_clock_ns();
    if (submit(resident, prepare_work, prepare_done, (struct job){0}) == HST_OK) return HST_OK;
    free(hst_steal(&resident->fill));
    return hst_error_nomem(err);
}

void hst_fill_check_writers(struct hst_resident *resident)
{
    const struct hst_store *store = &resident->store;
    for (size_t i = 0; i < store->file_count; i++)
        if (store->files[i].leased && hst_filelease_broken(store->files[i].fd)) fail(resident->fill, HST_E_FILE_CHANGED);
}

/* Tell clients where everything is. */
static int publish(struct hst_resident *resident, struct hst_error *err)
{
    struct hst_residency *view = &resident->view;
    const struct hst_component *component = view->component;
    const struct hst_store *store = &resident->store;
    struct hst_placement *placements = calloc(component->tensor_count + 1, sizeof *placements);
    if (placements == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < component->tensor_count; i++)
        if (component->tensors[i].tensor->size_bytes > 0)
            placements[i] = store->ops->place(store, component->tensors[i].file, component->tensors[i].tensor->offset);
    free(view->placements);
    free(view->segments);
    view->segments = NULL;
    view->placements = placements;
    return store->ops->describe(store, &view->segments, &view->segment_count, err);
}

static void succeed(struct hst_resident *resident, const struct hst_fill *fill)
{
    struct hst_residency *view = &resident->view;
    view->state = HST_RESIDENCY_CACHED;
    view->backing = resident->store.kind;
    view->locked = resident->store.locked;
    view->fill_ns = hst_clock_ns() - fill->started_ns;
    resident->cache->stats.filled_bytes += fill->total_bytes;
    hst_cache_tell(resident->cache, view, "cached");
}

static void end_fill(struct hst_resident *resident)
{
    HST_AUTO(hst_freep) struct hst_fill *fill = hst_steal(&resident->fill);
    if (fill->error.status == HST_OK) publish(resident, &fill->error);
    struct hst_error error = fill->error;
    if (error.status == HST_OK)
        succeed(resident, fill);
    else
        hst_cache_remove(resident->cache, resident, true);
    fill->listener.done(fill->listener.context, error.status, error.status < 0 ? &error : NULL);
}
