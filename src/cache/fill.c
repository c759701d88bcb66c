/* Bringing bytes in: one job opens and prepares, then a job a piece reads, and a last one checks that no file changed meanwhile.
 *
 *   prepare --> piece, piece, piece ... (parallel) --> check --> CACHED, or gone
 */
#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/drain.h"
#include "cache/internal.h"
#include "cache/keep.h"
#include "model/reread.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/hold.h"

/* A job: what it works on, and its own result, so that jobs share nothing. */
struct job {
    struct hst_resident *resident;
    struct hst_fetch fetch;        /* of a piece */
    const struct hst_converter *converter; /* of a piece in other types; NULL = it is copied */
    struct opening *opening;       /* of the first one; owned */
    int status;
    struct hst_error error;
};

/* What the first job opens: one a region of the claim. */
struct opening {
    struct hst_opened_file file; /* it opened */
    int fd;                      /* borrowed: it was open before */
    int direct_fd;
    struct hst_memfd memory;     /* it allocated */
    enum hst_backing kind;       /* of memory */
};

static void end_fill(struct hst_resident *resident);

static int submit_to(struct hst_exec *exec, struct hst_resident *resident, hst_exec_fn work, hst_exec_fn done, struct job what)
{
    struct job *job = malloc(sizeof *job);
    if (job == NULL) return HST_E_NOMEM;
    *job = what;
    job->resident = resident;
    if (hst_exec_submit(exec, work, done, job) < 0) {
        free(job);
        return HST_E_NOMEM;
    }
    resident->fill->pieces++;
    return HST_OK;
}

static int submit(struct hst_resident *resident, hst_exec_fn work, hst_exec_fn done, struct job what)
{
    return submit_to(resident->fill->exec, resident, work, done, what);
}

/* What is locked must not be unlocked by what is still on its way back. */
static int submit_first(struct hst_resident *resident, hst_exec_fn work, hst_exec_fn done, struct job what)
{
    struct hst_exec *behind = hst_drain_behind(resident->claim);
    return submit_to(behind != NULL ? behind : resident->fill->exec, resident, work, done, what);
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

/* Are the files that its bytes come from still those that were parsed? */
static int check_sources(const struct hst_claim *claim, struct hst_error *err)
{
    for (size_t i = 0; i < claim->source_count; i++) {
        const struct hst_region *source = claim->regions[claim->sources[i]];
        HST_TRY(hst_reread_check(&(struct hst_model_file){.path = source->path, .id = source->id}, source->fd, err));
    }
    return HST_OK;
}

static void check_work(void *arg)
{
    struct job *job = arg;
    if (!stopped(job)) job->status = check_sources(job->resident->claim, &job->error);
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
    if (stopped(job)) return;
    if (job->resident->claim->recast != NULL)
        job->status = hst_recast_fill(&job->fetch, job->converter, &job->error);
    else
        job->status = job->fetch.region->ops->fill(&job->fetch, &job->error);
}

static void piece_done(void *arg)
{
    struct job *job = arg;
    uint64_t size_bytes = job->status == HST_OK ? job->fetch.size_bytes : 0;
    struct hst_resident *resident = finish(job);
    struct hst_fill *fill = resident->fill;
    fill->done_bytes += size_bytes;
    if (fill->listener.progress != NULL) fill->listener.progress(fill->listener.context, fill->done_bytes, fill->total_bytes);
    if (fill->pieces == 0) after_pieces(resident);
}

/* Jobs end where huge pages do. Locking a part of one maps all of it in small pages, and none of a file was mapped in huge ones (measured, 2 GiB
 * that begin 20 KiB after a boundary). */
static uint64_t up_to_boundary(uint64_t begin, uint64_t size_bytes)
{
    return hst_min_u64(HST_FILL_PIECE_BYTES - begin % HST_FILL_PIECE_BYTES, size_bytes);
}

static int submit_piece(struct hst_resident *resident, const struct hst_piece *piece)
{
    const struct hst_claim *claim = resident->claim;
    struct hst_fetch fetch = {.region = claim->regions[piece->region], .source = claim->regions[piece->source], .rings = resident->cache->reading.rings, .was_resident = piece->was_resident};
    for (uint64_t at = 0; at < piece->size_bytes; at += fetch.size_bytes) {
        fetch.begin = piece->begin + at;
        fetch.source_offset = piece->source_offset + at;
        fetch.size_bytes = up_to_boundary(fetch.begin, piece->size_bytes - at);
        HST_TRY(submit(resident, piece_work, piece_done, (struct job){.fetch = fetch}));
    }
    return HST_OK;
}

/* A tensor in another type, or as stored where the rules leave it alone. */
static int submit_tensor(struct hst_resident *resident, size_t tensor)
{
    const struct hst_claim *claim = resident->claim;
    const struct hst_component_tensor *row = &resident->view.component->tensors[tensor];
    const struct hst_placement *spot = &claim->spots[tensor];
    const struct hst_converter *converter = hst_convert_find(row->tensor->dtype, claim->recast->dtypes[tensor]);
    struct hst_fetch fetch = {.region = claim->regions[spot->segment], .rings = resident->cache->reading.rings, .source = hst_claim_source(claim, &resident->view.component->model->files[row->file].id)};
    for (uint64_t at = 0; at < row->tensor->size_bytes; at += HST_FILL_PIECE_BYTES) {
        fetch.begin = spot->offset + (converter != NULL ? at / converter->from_bytes * converter->to_bytes : at);
        fetch.source_offset = row->tensor->offset + at;
        fetch.size_bytes = hst_min_u64(HST_FILL_PIECE_BYTES, row->tensor->size_bytes - at);
        HST_TRY(submit(resident, piece_work, piece_done, (struct job){.fetch = fetch, .converter = converter}));
    }
    return HST_OK;
}

static int submit_recast(struct hst_resident *resident)
{
    const struct hst_claim *claim = resident->claim;
    for (size_t i = 0; i < claim->tensor_count; i++)
        if (hst_claim_reads(claim, i)) HST_TRY(submit_tensor(resident, i));
    return HST_OK;
}

static int submit_pieces(struct hst_resident *resident)
{
    const struct hst_claim *claim = resident->claim;
    if (claim->recast != NULL) return submit_recast(resident);
    for (size_t i = 0; i < claim->own_count; i++)
        HST_TRY(submit_piece(resident, &claim->pieces[i]));
    return HST_OK;
}

/* ---- opening: files, and memory of our own ---- */

static void free_openings(struct opening *openings, size_t count)
{
    for (size_t i = 0; openings != NULL && i < count; i++) {
        hst_region_discard(&openings[i].file);
        hst_closep(&openings[i].direct_fd);
        hst_memfd_fini(&openings[i].memory);
    }
    free(openings);
}

static struct opening *make_openings(const struct hst_claim *claim)
{
    struct opening *openings = calloc(claim->region_count + 1, sizeof *openings);
    for (size_t i = 0; openings != NULL && i < claim->region_count; i++)
        openings[i] = (struct opening){.file.fd = -1, .fd = claim->regions[i]->fd, .direct_fd = -1, .memory.fd = -1};
    return openings;
}

static int open_region(struct hst_resident *resident, size_t index, struct opening *opening, struct hst_error *err)
{
    struct hst_cache *cache = resident->cache;
    const struct hst_region *region = resident->claim->regions[index];
    struct hst_tmpfs *tmpfs = cache->tmpfs.write_dir >= 0 ? &cache->tmpfs : NULL;
    if (hst_region_is_file(region)) return opening->fd >= 0 ? HST_OK : hst_region_open(region, &opening->file, err);
    if (region->memory.fd >= 0) return HST_OK; /* a twin's: it is there as long as the claim is */
    return hst_backing_allocate(resident->claim->kind, tmpfs, region->size_bytes, &opening->memory, &opening->kind, err);
}

static void open_direct(const struct hst_cache *cache, struct opening *source)
{
    int fd = source->fd >= 0 ? source->fd : source->file.fd;
    if (source->direct_fd < 0 && cache->reading.past) source->direct_fd = hst_file_reopen_direct(fd);
}

/* What is not in memory is read past the page cache where it would only be there twice. */
static void look_at(const struct hst_cache *cache, struct hst_piece *piece, struct opening *source)
{
    int fd = source->fd >= 0 ? source->fd : source->file.fd;
    uint64_t present = hst_hold_resident(fd, piece->source_offset, piece->size_bytes);
    piece->was_resident = present >= piece->size_bytes - piece->size_bytes / 8;
    bool copies = piece->region != piece->source;
    if (copies && !piece->was_resident) open_direct(cache, source);
}

static void prepare_work(void *arg)
{
    struct job *job = arg;
    const struct hst_cache *cache = job->resident->cache;
    struct hst_claim *claim = job->resident->claim;
    if (stopped(job)) return;
    for (size_t i = 0; job->status == HST_OK && i < claim->region_count; i++)
        job->status = open_region(job->resident, i, &job->opening[i], &job->error);
    if (job->status < 0) return;
    for (size_t i = 0; claim->recast == NULL && i < claim->own_count; i++)
        look_at(cache, &claim->pieces[i], &job->opening[claim->pieces[i].source]);
    for (size_t i = 0; claim->recast != NULL && i < claim->source_count; i++)
        open_direct(cache, &job->opening[claim->sources[i]]);
}

static void adopt_memory(struct hst_resident *resident, struct hst_region *region, struct opening *opening)
{
    if (opening->memory.fd < 0) return;
    region->memory = opening->memory;
    region->kind = resident->claim->kind = opening->kind;
    opening->memory = (struct hst_memfd){.fd = -1};
}

static int adopt(struct hst_resident *resident, struct opening *openings, struct hst_error *err)
{
    struct hst_claim *claim = resident->claim;
    for (size_t i = 0; i < claim->region_count; i++) {
        struct hst_region *region = claim->regions[i];
        hst_region_adopt(region, &openings[i].file);
        if (region->direct_fd < 0) region->direct_fd = hst_steal_fd(&openings[i].direct_fd);
        adopt_memory(resident, region, &openings[i]);
    }
    for (size_t i = 0; i < claim->own_count; i++)
        if (hst_region_is_file(claim->regions[claim->pieces[i].region])) HST_TRY(hst_region_map(claim->regions[claim->pieces[i].region], err));
    return HST_OK;
}

static void prepare_done(void *arg)
{
    struct job *job = arg;
    struct opening *openings = job->opening;
    struct hst_resident *resident = finish(job);
    const struct hst_claim *claim = resident->claim;
    struct hst_fill *fill = resident->fill;
    if (fill->error.status == HST_OK) (void)adopt(resident, openings, &fill->error);
    free_openings(openings, claim->region_count);
    if (fill->error.status == HST_OK && submit_pieces(resident) < 0) fail(fill, HST_E_NOMEM);
    if (fill->error.status < 0) fill->cancel = true;
    if (fill->pieces == 0) after_pieces(resident);
}

/* The disk of its first file, which is that of all of them as a rule. */
static uint64_t disk_of(const struct hst_claim *claim)
{
    for (size_t i = 0; i < claim->region_count; i++)
        if (hst_region_is_file(claim->regions[i])) return claim->regions[i]->id.device;
    return 0;
}

int hst_fill_start(struct hst_resident *resident, struct hst_fill_listener listener, struct hst_error *err)
{
    struct opening *openings = make_openings(resident->claim);
    resident->fill = calloc(1, sizeof *resident->fill);
    if (openings == NULL || resident->fill == NULL) {
        free(openings);
        free(hst_steal(&resident->fill));
        return hst_error_nomem(err);
    }
    resident->fill->listener = listener;
    resident->fill->total_bytes = hst_claim_read_bytes(resident->claim, resident->view.component);
    resident->fill->exec = hst_lanes_of(&resident->cache->lanes, disk_of(resident->claim));
    resident->fill->started_ns = hst_clock_ns();
    if (submit_first(resident, prepare_work, prepare_done, (struct job){.opening = openings}) == HST_OK) return HST_OK;
    free(openings);
    free(hst_steal(&resident->fill));
    return hst_error_nomem(err);
}

void hst_fill_break(struct hst_resident *resident)
{
    fail(resident->fill, HST_E_FILE_CHANGED);
}

static int publish(struct hst_resident *resident, struct hst_error *err)
{
    struct hst_residency *view = &resident->view;
    struct hst_claim *claim = resident->claim;
    if (hst_claim_is_broken(claim)) return hst_error_set(err, HST_E_FILE_CHANGED, "a file of %s is being written", view->component->id);
    hst_twins_note_all(resident->cache, view->component, claim, true);
    HST_TRY(hst_claim_publish(claim, err));
    hst_cache_show(resident);
    return HST_OK;
}

static void succeed(struct hst_resident *resident, const struct hst_fill *fill)
{
    struct hst_residency *view = &resident->view;
    view->state = HST_RESIDENCY_CACHED;
    view->fill_ns = hst_clock_ns() - fill->started_ns;
    view->read_bytes = fill->total_bytes;
    view->warm_bytes = hst_claim_warm_bytes(resident->claim);
    resident->cache->stats.filled_bytes += fill->total_bytes;
    hst_keep_residency(resident);
    hst_cache_tell(resident->cache, view, "cached");
}

static void end_fill(struct hst_resident *resident)
{
    HST_AUTO(hst_freep) struct hst_fill *fill = hst_steal(&resident->fill);
    if (fill->error.status == HST_OK) (void)publish(resident, &fill->error);
    struct hst_error error = fill->error;
    if (error.status == HST_OK)
        succeed(resident, fill);
    else
        hst_cache_remove(resident->cache, resident);
    fill->listener.done(fill->listener.context, error.status, error.status < 0 ? &error : NULL);
}
