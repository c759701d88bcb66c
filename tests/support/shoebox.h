#ifndef HST_TESTS_SHOEBOX_H
#define HST_TESTS_SHOEBOX_H
/** @file
 * A device with memory of its own, for tests: memfds of a capacity, failures on demand, and a loss of all that is on it. Its segments are what clients would
 * map: tests read them. */
#include "convert/convert.h"
#include "device/device.h"
#include "formats/dtype.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHOEBOX_SEGMENTS = 64, SHOEBOX_CHUNK = 65536 };

struct hst_device_memory {
    struct shoebox *box;
    struct hst_device_memory *next; /* in box->first */
    struct hst_device_segment segments[SHOEBOX_SEGMENTS];
    size_t count;
    uint64_t size_bytes;
    bool lost;
};

/** Fields below the lock are set by tests while nothing runs. */
struct shoebox {
    struct hst_device_ops ops;
    pthread_mutex_t lock;
    struct hst_device_memory *first;
    uint64_t allocated_bytes; /* of all memories */
    uint64_t capacity_bytes;  /* of the device: may be less than its budget */
    uint64_t others_bytes;    /* used by others */
    bool mute;                /* it does not say how much is free when it is not enough */
    int fail_allocate;        /* status with which the next ones fail, as many as */
    int fail_allocates;       /* ... so many; negative = all */
    int fail_fill, fail_fills;
    int fail_adopt, fail_adopts;
    unsigned allocates, fills, adopts, compares, conversions; /* calls; extents that were converted */
    void (*lost)(void *context, const struct hst_error *why);
    void *context;
};

static inline bool shoebox_hits(int *left)
{
    if (*left > 0) --*left;
    else if (*left == 0) return false;
    return true;
}

static inline void shoebox_free(struct hst_device_memory *memory, bool taken)
{
    for (size_t i = 0; taken && i < memory->count; i++)
        close(memory->segments[i].fd);
    free(memory);
}

static inline void shoebox_enter(struct shoebox *box, struct hst_device_memory *memory)
{
    pthread_mutex_lock(&box->lock);
    memory->box = box;
    memory->next = box->first;
    box->first = memory;
    pthread_mutex_unlock(&box->lock);
}

/* @return is there room, which is taken? */
static inline int shoebox_take(struct shoebox *box, uint64_t size_bytes, struct hst_error *err)
{
    int status = HST_OK;
    pthread_mutex_lock(&box->lock);
    uint64_t used = box->allocated_bytes + box->others_bytes, left = box->capacity_bytes > used ? box->capacity_bytes - used : 0;
    box->allocates++;
    if (shoebox_hits(&box->fail_allocates))
        status = hst_error_set(err, box->fail_allocate, "allocating was to fail");
    else if (size_bytes > left) {
        status = hst_error_set(err, HST_E_OUT_OF_DEVICE_MEMORY, "the box is full");
        if (err != NULL && !box->mute) err->required_bytes = size_bytes, err->available_bytes = left;
    } else
        box->allocated_bytes += size_bytes;
    pthread_mutex_unlock(&box->lock);
    return status;
}

static inline void shoebox_give(struct shoebox *box, uint64_t size_bytes)
{
    pthread_mutex_lock(&box->lock);
    box->allocated_bytes -= size_bytes;
    pthread_mutex_unlock(&box->lock);
}

static inline bool shoebox_fit(struct hst_device_memory *memory, const uint64_t *segment_bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int fd = memfd_create("shoebox", MFD_CLOEXEC);
        if (fd < 0) return false;
        memory->segments[i] = (struct hst_device_segment){fd, segment_bytes[i]};
        memory->count = i + 1;
        if (ftruncate(fd, (off_t)segment_bytes[i]) < 0) return false;
    }
    return true;
}

static inline int shoebox_allocate(void *backend, const uint64_t *segment_bytes, size_t count, struct hst_device_memory **ret_memory, struct hst_error *err)
{
    struct hst_device_memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        memory->size_bytes += segment_bytes[i];
    int status = count <= SHOEBOX_SEGMENTS ? shoebox_take(backend, memory->size_bytes, err) : hst_error_set(err, HST_E_LIMIT_EXCEEDED, "too many segments");
    if (status < 0) {
        free(memory);
        return status;
    }
    if (!shoebox_fit(memory, segment_bytes, count)) {
        shoebox_give(backend, memory->size_bytes);
        shoebox_free(memory, true);
        return hst_error_set(err, HST_E_DEVICE_FAILED, "no memory file");
    }
    shoebox_enter(backend, memory);
    *ret_memory = memory;
    return HST_OK;
}

/* Memory that was lost has no bytes. */
static inline bool shoebox_has(const struct hst_device_segment *segment)
{
    struct stat st;
    return fstat(segment->fd, &st) == 0 && (uint64_t)st.st_size == segment->size_bytes;
}

static inline int shoebox_adopt(void *backend, const struct hst_device_segment *segments, size_t count, struct hst_device_memory **ret_memory, struct hst_error *err)
{
    struct shoebox *box = backend;
    struct hst_device_memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL) return hst_error_nomem(err);
    pthread_mutex_lock(&box->lock);
    int status = shoebox_hits(&box->fail_adopts) ? hst_error_set(err, box->fail_adopt, "adopting was to fail") : HST_OK;
    box->adopts++;
    pthread_mutex_unlock(&box->lock);
    for (size_t i = 0; i < count; i++) {
        if (!shoebox_has(&segments[i])) status = hst_error_set(err, HST_E_DEVICE_LOST, "it is gone");
        memory->segments[memory->count++] = segments[i];
        memory->size_bytes += segments[i].size_bytes;
    }
    if (status < 0) {
        free(memory);
        return status;
    }
    pthread_mutex_lock(&box->lock);
    box->allocated_bytes += memory->size_bytes;
    pthread_mutex_unlock(&box->lock);
    shoebox_enter(box, memory);
    *ret_memory = memory;
    return HST_OK;
}

/* A chunk at a time, so that what is lost is not written to any more. */
static inline int shoebox_copy(struct hst_device_memory *memory, const struct hst_device_extent *extent, uint64_t done, char *chunk, size_t *ret_count, struct hst_error *err)
{
    const struct hst_device_segment *segment = &memory->segments[extent->segment];
    uint64_t left = extent->size_bytes - done;
    size_t count = left < SHOEBOX_CHUNK ? (size_t)left : SHOEBOX_CHUNK;
    if (extent->to + extent->size_bytes > segment->size_bytes) abort();
    ssize_t got = pread(extent->fd, chunk, count, (off_t)(extent->offset + done));
    if (got <= 0) return hst_error_set(err, HST_E_IO, "it cannot be read");
    pthread_mutex_lock(&memory->box->lock);
    bool put = !memory->lost && pwrite(segment->fd, chunk, (size_t)got, (off_t)(extent->to + done)) == got;
    pthread_mutex_unlock(&memory->box->lock);
    *ret_count = (size_t)got;
    return put ? HST_OK : hst_error_set(err, HST_E_DEVICE_LOST, "it is gone");
}

static inline int shoebox_fill_one(struct hst_device_memory *memory, const struct hst_device_extent *extent, struct hst_device_progress *progress, struct hst_error *err)
{
    char *chunk = malloc(SHOEBOX_CHUNK);
    int status = chunk != NULL ? HST_OK : hst_error_nomem(err);
    for (uint64_t done = 0; status == HST_OK && done < extent->size_bytes;) {
        size_t count = 0;
        if (atomic_load(progress->cancel)) status = hst_error_set(err, HST_E_CANCELLED, "cancelled");
        if (status == HST_OK) status = shoebox_copy(memory, extent, done, chunk, &count, err);
        done += count;
        atomic_fetch_add(&progress->done_bytes, count);
    }
    free(chunk);
    return status;
}

/* Into other types, all at once. */
static inline int shoebox_convert(struct hst_device_memory *memory, const struct hst_device_extent *extent, struct hst_device_progress *progress, struct hst_error *err)
{
    uint64_t count = extent->size_bytes * 8 / hst_dtype_bits(hst_dtype_info(extent->from_dtype));
    uint64_t becomes = count * hst_dtype_bits(hst_dtype_info(extent->to_dtype)) / 8;
    char *from = malloc(extent->size_bytes + 1), *to = malloc(becomes + 1);
    const struct hst_converter *convert = hst_convert_find(extent->from_dtype, extent->to_dtype);
    if (convert == NULL || extent->to + becomes > memory->segments[extent->segment].size_bytes) abort();
    bool good = from != NULL && to != NULL && pread(extent->fd, from, extent->size_bytes, (off_t)extent->offset) == (ssize_t)extent->size_bytes;
    if (good) convert->run(from, to, count);
    pthread_mutex_lock(&memory->box->lock);
    good = good && !memory->lost && pwrite(memory->segments[extent->segment].fd, to, becomes, (off_t)extent->to) == (ssize_t)becomes;
    memory->box->conversions++;
    pthread_mutex_unlock(&memory->box->lock);
    free(from);
    free(to);
    atomic_fetch_add(&progress->done_bytes, extent->size_bytes);
    return good ? HST_OK : hst_error_set(err, HST_E_DEVICE_LOST, "it is gone");
}

static inline int shoebox_fill(struct hst_device_memory *memory, const struct hst_device_extent *extents, size_t count, struct hst_device_progress *progress, struct hst_error *err)
{
    struct shoebox *box = memory->box;
    pthread_mutex_lock(&box->lock);
    int status = shoebox_hits(&box->fail_fills) ? hst_error_set(err, box->fail_fill, "filling was to fail") : HST_OK;
    box->fills++;
    pthread_mutex_unlock(&box->lock);
    for (size_t i = 0; status == HST_OK && i < count; i++) {
        bool converts = extents[i].from_dtype != extents[i].to_dtype;
        if (extents[i].segment >= memory->count || (converts && !box->ops.converts)) abort();
        status = (converts ? shoebox_convert : shoebox_fill_one)(memory, &extents[i], progress, err);
    }
    return status;
}

static inline bool shoebox_is_equal(const struct hst_device_memory *memory, const struct hst_device_extent *extent)
{
    char *here = malloc(extent->size_bytes), *there = malloc(extent->size_bytes);
    bool equal = here != NULL && there != NULL && pread(extent->fd, here, extent->size_bytes, (off_t)extent->offset) == (ssize_t)extent->size_bytes &&
                 pread(memory->segments[extent->segment].fd, there, extent->size_bytes, (off_t)extent->to) == (ssize_t)extent->size_bytes &&
                 memcmp(here, there, extent->size_bytes) == 0;
    free(here);
    free(there);
    return equal;
}

static inline int shoebox_compare(struct hst_device_memory *memory, const struct hst_device_extent *extents, size_t count, bool *ret_equal, struct hst_error *err)
{
    (void)err;
    pthread_mutex_lock(&memory->box->lock);
    memory->box->compares++;
    pthread_mutex_unlock(&memory->box->lock);
    *ret_equal = true;
    for (size_t i = 0; *ret_equal && i < count; i++)
        *ret_equal = shoebox_is_equal(memory, &extents[i]);
    return HST_OK;
}

static inline const struct hst_device_segment *shoebox_segments(const struct hst_device_memory *memory, size_t *ret_count)
{
    *ret_count = memory->count;
    return memory->segments;
}

static inline void shoebox_release(struct hst_device_memory *memory)
{
    struct shoebox *box = memory->box;
    pthread_mutex_lock(&box->lock);
    struct hst_device_memory **link = &box->first;
    while (*link != memory)
        link = &(*link)->next;
    *link = memory->next;
    box->allocated_bytes -= memory->size_bytes;
    pthread_mutex_unlock(&box->lock);
    shoebox_free(memory, true);
}

static inline uint64_t shoebox_total(void *backend)
{
    return ((struct shoebox *)backend)->capacity_bytes;
}

static inline void shoebox_watch(void *backend, void (*lost)(void *context, const struct hst_error *why), void *context)
{
    struct shoebox *box = backend;
    box->lost = lost;
    box->context = context;
}

static inline void shoebox_close(void *backend)
{
    (void)backend; /* it is the test's */
}

/** Make it a device. The box is the test's, and outlives it. */
static inline struct hst_device *shoebox_open(struct shoebox *box, uint64_t granularity, uint64_t budget_bytes)
{
    struct hst_device *device = NULL;
    *box = (struct shoebox){.lock = PTHREAD_MUTEX_INITIALIZER, .capacity_bytes = budget_bytes};
    box->ops = (struct hst_device_ops){.kind = "box", .granularity = granularity, .allocate = shoebox_allocate, .adopt = shoebox_adopt, .fill = shoebox_fill, .compare = shoebox_compare,
                                       .segments = shoebox_segments, .release = shoebox_release, .total_bytes = shoebox_total, .watch = shoebox_watch, .close = shoebox_close};
    if (hst_device_new("box:0", "a box", &box->ops, box, budget_bytes, &device, NULL) < 0) return NULL;
    snprintf(device->uuid, sizeof device->uuid, "BOX-0");
    return device;
}

/** All that is on it is gone, and whoever watches is told. Loop thread. */
static inline void shoebox_lose(struct shoebox *box)
{
    struct hst_error why = {0};
    pthread_mutex_lock(&box->lock);
    for (struct hst_device_memory *memory = box->first; memory != NULL; memory = memory->next) {
        memory->lost = true;
        for (size_t i = 0; i < memory->count; i++)
            if (ftruncate(memory->segments[i].fd, 0) < 0) abort();
    }
    pthread_mutex_unlock(&box->lock);
    hst_error_set(&why, HST_E_DEVICE_LOST, "the box fell");
    if (box->lost != NULL) box->lost(box->context, &why);
}
#endif
