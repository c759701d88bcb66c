/* A lane's thread takes piece after piece:
 *
 *     take a piece --- a slot is free (its event) ---> read it into the slot --- start its copies, record the event ---> take the next, into the other slot
 */
#include "gpu/copy.h"

#include "base/checked.h"
#include "gpu/source.h"
#include "gpu/staging.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 4096, LANE_WAIT_NS = 5000000 };

/* Bytes that follow each other in a source and on the card. */
struct run {
    uint64_t offset;
    uint64_t size_bytes;
    unsigned long long address;
    uint32_t source;
    struct hst_gpu_types types;
};

/* What of a run is in a slot. */
struct part {
    uint64_t offset;
    unsigned long long address;
    size_t at; /* in the slot */
    size_t size;
    uint32_t source;
    struct hst_gpu_types types;
};

/* What is in a slot. */
struct piece {
    struct part parts[HST_GPU_PARTS_MAX];
    size_t count;
    uint64_t bytes;
};

struct transfer {
    const struct hst_gpu_copy *copy;
    struct hst_gpu_source *sources;
    struct run *runs;
    size_t run_count;
    bool converts; /* on the card, some of them */
    pthread_mutex_t lock; /* guards the rest of this block */
    pthread_cond_t ended; /* working became 0 */
    size_t at_run;        /* next to be taken */
    uint64_t at_byte;     /* of that run */
    unsigned working;     /* threads */
    int status;           /* the first failure */
    struct hst_error error;
    _Atomic(bool) stop, waiting, differs;
    _Atomic(uint64_t) done_bytes;
};

/* One thread. */
struct worker {
    struct transfer *transfer;
    pthread_t thread;
    bool is_first;
    struct hst_gpu_lane *lane;
    struct piece piece;
};

/* ---- runs ---- */

static bool follows(const struct run *run, const struct run *next)
{
    return run->source == next->source && run->types.from == next->types.from && run->types.to == next->types.to && run->offset + run->size_bytes == next->offset &&
           run->address + hst_gpu_types_bytes(run->types, run->size_bytes) == next->address;
}

static int make_runs(struct transfer *transfer, struct hst_error *err)
{
    const struct hst_gpu_copy *copy = transfer->copy;
    unsigned long long starts[HST_GPU_SEGMENTS_MAX], address = copy->address;
    transfer->runs = calloc(copy->extent_count + 1, sizeof *transfer->runs);
    if (transfer->runs == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < copy->segment_count; i++) {
        starts[i] = address;
        address += copy->sizes[i];
    }
    for (size_t i = 0; i < copy->extent_count; i++) {
        const struct hst_gpu_extent *extent = &copy->extents[i];
        const struct run run = {extent->offset, extent->size_bytes, starts[extent->segment] + extent->to, extent->source, hst_gpu_types_of(extent)};
        struct run *last = transfer->run_count > 0 ? &transfer->runs[transfer->run_count - 1] : NULL;
        if (last != NULL && follows(last, &run))
            last->size_bytes += run.size_bytes;
        else if (run.size_bytes > 0)
            transfer->runs[transfer->run_count++] = run;
        transfer->converts = transfer->converts || run.types.from != 0;
    }
    return HST_OK;
}

/* ---- pieces ---- */

/* The next part of the run that is at hand. Its place in the slot is its place in a page of the file: so it can be read past the page cache.
 * @return false when the slot is full */
static bool take_part(struct transfer *transfer, struct piece *piece, size_t *used)
{
    const struct run *run = &transfer->runs[transfer->at_run];
    uint64_t offset = run->offset + transfer->at_byte;
    size_t at = (size_t)(hst_round_up(*used, PAGE) + offset % PAGE);
    if (at >= HST_GPU_SLOT_BYTES || piece->count == HST_GPU_PARTS_MAX) return false;
    size_t size = (size_t)hst_gpu_types_whole(run->types, hst_min_u64(run->size_bytes - transfer->at_byte, HST_GPU_SLOT_BYTES - at));
    if (size == 0) return false;
    unsigned long long address = run->address + hst_gpu_types_bytes(run->types, transfer->at_byte);
    piece->parts[piece->count++] = (struct part){offset, address, at, size, run->source, run->types};
    piece->bytes += size;
    *used = at + size;
    transfer->at_byte += size;
    if (transfer->at_byte == run->size_bytes) {
        transfer->at_run++;
        transfer->at_byte = 0;
    }
    return true;
}

/* @return is there one? */
static bool take_piece(struct transfer *transfer, struct piece *piece)
{
    size_t used = 0;
    piece->count = 0;
    piece->bytes = 0;
    pthread_mutex_lock(&transfer->lock);
    while (!transfer->stop && transfer->at_run < transfer->run_count && take_part(transfer, piece, &used))
        continue;
    pthread_mutex_unlock(&transfer->lock);
    return piece->count > 0;
}

static bool has_work(struct transfer *transfer)
{
    pthread_mutex_lock(&transfer->lock);
    bool has = !transfer->stop && transfer->at_run < transfer->run_count;
    pthread_mutex_unlock(&transfer->lock);
    return has;
}

static int read_piece(struct worker *worker, const struct hst_gpu_slot *slot, struct hst_error *err)
{
    for (size_t i = 0; i < worker->piece.count; i++) {
        const struct part *part = &worker->piece.parts[i];
        HST_TRY(hst_gpu_source_read(&worker->transfer->sources[part->source], part->offset, slot->bytes + part->at, part->size, err));
    }
    return HST_OK;
}

/* ---- bringing in ---- */

static const struct hst_cuda_driver *driver_of(const struct worker *worker)
{
    return worker->transfer->copy->context->driver;
}

/* Wait until the card has what is in the slot. */
static int settle(struct worker *worker, struct hst_gpu_slot *slot, struct hst_error *err)
{
    if (slot->flying_bytes == 0) return HST_OK;
    int result = driver_of(worker)->cuEventSynchronize(slot->event);
    if (result != HST_CU_SUCCESS) return hst_cuda_error(driver_of(worker), result, "wait for a copy to the card", err);
    worker->transfer->done_bytes += slot->flying_bytes;
    slot->flying_bytes = 0;
    return HST_OK;
}

static int submit_part(struct worker *worker, const struct part *part, const uint8_t *bytes, struct hst_error *err)
{
    const struct hst_gpu_lane *lane = worker->lane;
    if (part->types.from != 0) return hst_gpu_staging_bring(worker->transfer->copy->context, lane, part->types, bytes, part->size, part->address, err);
    int result = driver_of(worker)->cuMemcpyHtoDAsync(part->address, bytes, part->size, lane->stream);
    return result == HST_CU_SUCCESS ? HST_OK : hst_cuda_error(driver_of(worker), result, "copy to the card", err);
}

static int submit(struct worker *worker, struct hst_gpu_slot *slot, struct hst_error *err)
{
    const struct hst_cuda_driver *driver = driver_of(worker);
    for (size_t i = 0; i < worker->piece.count; i++)
        HST_TRY(submit_part(worker, &worker->piece.parts[i], slot->bytes + worker->piece.parts[i].at, err));
    int result = driver->cuEventRecord(slot->event, worker->lane->stream);
    if (result != HST_CU_SUCCESS) return hst_cuda_error(driver, result, "copy to the card", err);
    slot->flying_bytes = worker->piece.bytes;
    return HST_OK;
}

static int bring_in(struct worker *worker, struct hst_error *err)
{
    for (size_t turn = 0; take_piece(worker->transfer, &worker->piece); turn++) {
        struct hst_gpu_slot *slot = &worker->lane->slots[turn % HST_GPU_SLOTS];
        HST_TRY(settle(worker, slot, err));
        HST_TRY(read_piece(worker, slot, err));
        HST_TRY(submit(worker, slot, err));
    }
    for (size_t i = 0; i < HST_GPU_SLOTS; i++)
        HST_TRY(settle(worker, &worker->lane->slots[i], err));
    return HST_OK;
}

/* ---- comparing ---- */

static int fetch(struct worker *worker, const struct hst_gpu_slot *slot, struct hst_error *err)
{
    const struct hst_cuda_driver *driver = driver_of(worker);
    int result = HST_CU_SUCCESS;
    for (size_t i = 0; i < worker->piece.count && result == HST_CU_SUCCESS; i++) {
        const struct part *part = &worker->piece.parts[i];
        result = driver->cuMemcpyDtoHAsync(slot->bytes + part->at, part->address, part->size, worker->lane->stream);
    }
    if (result == HST_CU_SUCCESS) result = driver->cuStreamSynchronize(worker->lane->stream);
    return result == HST_CU_SUCCESS ? HST_OK : hst_cuda_error(driver, result, "copy from the card", err);
}

static bool is_equal(const struct worker *worker)
{
    const struct hst_gpu_slot *slots = worker->lane->slots;
    for (size_t i = 0; i < worker->piece.count; i++) {
        const struct part *part = &worker->piece.parts[i];
        if (memcmp(slots[0].bytes + part->at, slots[1].bytes + part->at, part->size) != 0) return false;
    }
    return true;
}

static int compare(struct worker *worker, struct hst_error *err)
{
    struct transfer *transfer = worker->transfer;
    while (take_piece(transfer, &worker->piece)) {
        HST_TRY(read_piece(worker, &worker->lane->slots[0], err));
        HST_TRY(fetch(worker, &worker->lane->slots[1], err));
        transfer->done_bytes += worker->piece.bytes;
        if (is_equal(worker)) continue;
        transfer->differs = true;
        transfer->stop = true;
    }
    return HST_OK;
}

/* ---- threads ---- */

/* A lane that cannot convert is none. */
static int prepare_lane(struct worker *worker, struct hst_error *err)
{
    const struct hst_gpu_copy *copy = worker->transfer->copy;
    int status = hst_gpu_staging_prepare(copy->context, worker->lane, err);
    if (status == HST_OK) return HST_OK;
    hst_gpu_lanes_put_back(copy->lanes, worker->lane);
    worker->lane = NULL;
    return status;
}

/* The first thread waits for a lane until there is one; the others are of use only when there is. */
static int take_lane(struct worker *worker, struct hst_error *err)
{
    struct transfer *transfer = worker->transfer;
    const struct hst_gpu_copy *copy = transfer->copy;
    HST_TRY(hst_gpu_context_enter(copy->context, err));
    HST_TRY(hst_gpu_lanes_take(copy->lanes, copy->context->driver, &worker->lane, err));
    while (worker->lane == NULL && worker->is_first && has_work(transfer)) {
        transfer->waiting = true;
        nanosleep(&(struct timespec){.tv_nsec = LANE_WAIT_NS}, NULL);
        HST_TRY(hst_gpu_lanes_take(copy->lanes, copy->context->driver, &worker->lane, err));
    }
    if (worker->is_first) transfer->waiting = false;
    return worker->lane != NULL && transfer->converts ? prepare_lane(worker, err) : HST_OK;
}

/* Nothing may be under way when the memory is unmapped, whatever has failed. */
static void give_lane_back(struct worker *worker)
{
    if (worker->lane == NULL) return;
    bool is_flying = false;
    for (size_t i = 0; i < HST_GPU_SLOTS; i++) {
        is_flying = is_flying || worker->lane->slots[i].flying_bytes > 0;
        worker->lane->slots[i].flying_bytes = 0;
    }
    if (is_flying || worker->transfer->stop) (void)driver_of(worker)->cuStreamSynchronize(worker->lane->stream);
    hst_gpu_lanes_put_back(worker->transfer->copy->lanes, worker->lane);
}

static int work(struct worker *worker, struct hst_error *err)
{
    HST_TRY(take_lane(worker, err));
    if (worker->lane == NULL) return HST_OK;
    return worker->transfer->copy->compare ? compare(worker, err) : bring_in(worker, err);
}

/* That one more lane could not be had is no failure while there is the first. */
static bool is_failure(const struct worker *worker, int status)
{
    return status < 0 && (worker->is_first || worker->lane != NULL || status == HST_E_DEVICE_LOST);
}

static void *thread_main(void *arg)
{
    struct worker *worker = arg;
    struct transfer *transfer = worker->transfer;
    struct hst_error why = {0};
    int status = work(worker, &why);
    if (is_failure(worker, status)) transfer->stop = true;
    give_lane_back(worker);
    pthread_mutex_lock(&transfer->lock);
    if (is_failure(worker, status) && transfer->status == HST_OK) {
        transfer->status = status;
        transfer->error = why;
    }
    if (--transfer->working == 0) pthread_cond_signal(&transfer->ended);
    pthread_mutex_unlock(&transfer->lock);
    return NULL;
}

static unsigned count_workers(const struct transfer *transfer)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < transfer->run_count; i++)
        bytes += transfer->runs[i].size_bytes;
    return (unsigned)hst_max_u64(1, hst_min_u64(HST_GPU_LANES, bytes / HST_GPU_LANE_BYTES));
}

/* @return threads that run */
static unsigned start(struct transfer *transfer, struct worker *workers)
{
    unsigned wanted = count_workers(transfer), started = 0;
    transfer->working = wanted;
    for (; started < wanted; started++) {
        workers[started].transfer = transfer;
        workers[started].is_first = started == 0;
        if (pthread_create(&workers[started].thread, NULL, thread_main, &workers[started]) != 0) break;
    }
    pthread_mutex_lock(&transfer->lock);
    transfer->working -= wanted - started;
    pthread_mutex_unlock(&transfer->lock);
    return started;
}

/* Somebody is told how it goes until the last thread has ended. @return is it wanted still? */
static bool attend(struct transfer *transfer)
{
    const struct hst_gpu_copy *copy = transfer->copy;
    bool wanted = true;
    pthread_mutex_lock(&transfer->lock);
    while (transfer->working > 0) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += HST_GPU_LOOK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        if (pthread_cond_clockwait(&transfer->ended, &transfer->lock, CLOCK_MONOTONIC, &until) == 0) continue;
        pthread_mutex_unlock(&transfer->lock);
        wanted = wanted && copy->pulse(copy->pulsed, transfer->done_bytes, transfer->waiting);
        if (!wanted) transfer->stop = true;
        pthread_mutex_lock(&transfer->lock);
    }
    pthread_mutex_unlock(&transfer->lock);
    return wanted;
}

static int run_threads(struct transfer *transfer, struct hst_error *err)
{
    struct worker *workers = calloc(HST_GPU_LANES, sizeof *workers);
    if (workers == NULL) return hst_error_nomem(err);
    unsigned started = start(transfer, workers);
    bool wanted = attend(transfer);
    for (unsigned i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    free(workers);
    if (started == 0) return hst_error_set(err, HST_E_NOMEM, "no thread can be started");
    if (!wanted) return hst_error_set(err, HST_E_CANCELLED, "it was cancelled");
    if (transfer->status < 0 && err != NULL) *err = transfer->error;
    return transfer->status;
}

static int run_transfer(struct transfer *transfer, struct hst_error *err)
{
    const struct hst_gpu_copy *copy = transfer->copy;
    HST_TRY(make_runs(transfer, err));
    HST_TRY(hst_gpu_sources_new(copy->sources, copy->source_count, &transfer->sources, err));
    return run_threads(transfer, err);
}

int hst_gpu_copy_run(const struct hst_gpu_copy *copy, bool *ret_equal, uint64_t *ret_done_bytes, struct hst_error *err)
{
    struct transfer transfer = {.copy = copy};
    pthread_mutex_init(&transfer.lock, NULL);
    pthread_cond_init(&transfer.ended, NULL);
    int status = run_transfer(&transfer, err);
    hst_gpu_sources_free(transfer.sources, copy->source_count);
    free(transfer.runs);
    pthread_cond_destroy(&transfer.ended);
    pthread_mutex_destroy(&transfer.lock);
    *ret_equal = !transfer.differs;
    *ret_done_bytes = transfer.done_bytes;
    return status;
}
