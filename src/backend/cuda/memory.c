/* Memory of a card is a list of descriptors; hoist-device does what is to be done with it. */
#include "backend/cuda/internal.h"
#include "base/cleanup.h"

#include <string.h>

static void free_memory(struct hst_device_memory *memory)
{
    for (size_t i = 0; i < memory->count; i++)
        if (memory->fds != NULL) hst_closep(&memory->fds[i]);
    free(memory->segments);
    free(memory->fds);
    free(memory->sizes);
    free(memory);
}

/* One of so many segments, without descriptors. */
static struct hst_device_memory *new_memory(struct hst_cuda *cuda, size_t count)
{
    struct hst_device_memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL) return NULL;
    *memory = (struct hst_device_memory){.cuda = cuda, .count = count, .segments = calloc(count + 1, sizeof *memory->segments),
                                         .fds = calloc(count + 1, sizeof *memory->fds), .sizes = calloc(count + 1, sizeof *memory->sizes)};
    for (size_t i = 0; memory->fds != NULL && i < count; i++)
        memory->fds[i] = -1;
    if (memory->segments != NULL && memory->fds != NULL && memory->sizes != NULL) return memory;
    free_memory(memory);
    return NULL;
}

/* It is complete, and the backend's from now on. */
static void enlist(struct hst_device_memory *memory)
{
    struct hst_cuda *cuda = memory->cuda;
    for (size_t i = 0; i < memory->count; i++)
        memory->segments[i] = (struct hst_device_segment){memory->fds[i], memory->sizes[i]};
    pthread_mutex_lock(&cuda->lock);
    memory->next = cuda->memories;
    if (memory->next != NULL) memory->next->previous = memory;
    cuda->memories = memory;
    pthread_mutex_unlock(&cuda->lock);
}

static void release(struct hst_device_memory *memory)
{
    if (memory == NULL) return;
    struct hst_cuda *cuda = memory->cuda;
    pthread_mutex_lock(&cuda->lock);
    if (memory->next != NULL) memory->next->previous = memory->previous;
    if (memory->previous != NULL)
        memory->previous->next = memory->next;
    else
        cuda->memories = memory->next;
    pthread_mutex_unlock(&cuda->lock);
    free_memory(memory);
}

static struct hst_gpu_memory of_link(const struct hst_device_memory *memory)
{
    return (struct hst_gpu_memory){memory->fds, memory->sizes, memory->count};
}

/* End of a call: what is kept of it, and what the caller hears. */
static int finish(struct hst_cuda *cuda, int status, const struct hst_error *why, struct hst_error *err)
{
    hst_cuda_state_note(cuda, status, why);
    if (status < 0 && err != NULL) *err = *why;
    return status;
}

/* Where memory comes from: made anew, or kept by somebody. */
struct origin {
    const uint64_t *sizes;                 /* NULL = kept */
    const struct hst_device_segment *kept; /* NULL = made anew */
};

/* Descriptors that are kept stay the caller's until the card was found to have the memory. */
static int ask_card(struct hst_device_memory *memory, const struct origin *origin, struct hst_error *why)
{
    const struct hst_gpu_memory ours = of_link(memory);
    if (origin->kept == NULL) return hst_gpu_link_allocate(memory->cuda->link, memory->sizes, memory->count, memory->fds, why);
    int status = hst_gpu_link_check(memory->cuda->link, &ours, why);
    for (size_t i = 0; i < memory->count && status < 0; i++)
        memory->fds[i] = -1;
    return status;
}

static int obtain(struct hst_cuda *cuda, const struct origin *origin, size_t count, struct hst_device_memory **ret_memory, struct hst_error *err)
{
    struct hst_error why = {0};
    HST_TRY(hst_cuda_state_enter(cuda, err));
    struct hst_device_memory *memory = new_memory(cuda, count);
    if (memory == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        memory->sizes[i] = origin->kept != NULL ? origin->kept[i].size_bytes : origin->sizes[i];
        if (origin->kept != NULL) memory->fds[i] = origin->kept[i].fd;
    }
    int status = finish(cuda, ask_card(memory, origin, &why), &why, err);
    if (status < 0) {
        free_memory(memory);
        return status;
    }
    enlist(memory);
    *ret_memory = memory;
    return HST_OK;
}

static int allocate(void *backend, const uint64_t *segment_bytes, size_t count, struct hst_device_memory **ret_memory, struct hst_error *err)
{
    return obtain(backend, &(struct origin){.sizes = segment_bytes}, count, ret_memory, err);
}

static int adopt(void *backend, const struct hst_device_segment *segments, size_t count, struct hst_device_memory **ret_memory, struct hst_error *err)
{
    return obtain(backend, &(struct origin){.kept = segments}, count, ret_memory, err);
}

/* Extents with each descriptor named once. */
struct extents {
    struct hst_gpu_extent *items;
    int *sources;
    size_t source_count;
};

static void free_extents(struct extents *extents)
{
    free(extents->items);
    free(extents->sources);
}

/* Neighbours are of one file, mostly: the latest is looked at first. */
static size_t find_source(struct extents *extents, int fd)
{
    for (size_t i = extents->source_count; i-- > 0;)
        if (extents->sources[i] == fd) return i;
    extents->sources[extents->source_count] = fd;
    return extents->source_count++;
}

static int convert(const struct hst_device_extent *given, size_t count, struct extents *extents, struct hst_error *err)
{
    extents->items = calloc(count + 1, sizeof *extents->items);
    extents->sources = calloc(HST_GPU_SOURCES_MAX + 1, sizeof *extents->sources);
    if (extents->items == NULL || extents->sources == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < count && extents->source_count <= HST_GPU_SOURCES_MAX; i++) {
        uint32_t source = (uint32_t)find_source(extents, given[i].fd);
        extents->items[i] = (struct hst_gpu_extent){given[i].offset, given[i].size_bytes, given[i].to, source, given[i].segment, given[i].from_dtype, given[i].to_dtype};
    }
    return HST_OK; /* too many sources: the link says so */
}

/* Bring in, or compare where the result of that is wanted. */
static int transfer(struct hst_device_memory *memory, struct hst_gpu_reading *reading, const struct hst_device_extent *given, bool *ret_equal, struct hst_error *err)
{
    HST_AUTO(free_extents) struct extents extents = {0};
    struct hst_cuda *cuda = memory->cuda;
    struct hst_error why = {0};
    HST_TRY(hst_cuda_state_enter(cuda, err));
    HST_TRY(convert(given, reading->extent_count, &extents, err));
    const struct hst_gpu_memory ours = of_link(memory);
    reading->sources = extents.sources;
    reading->source_count = extents.source_count;
    reading->extents = extents.items;
    int status = ret_equal != NULL ? hst_gpu_link_compare(cuda->link, &ours, reading, ret_equal, &why) : hst_gpu_link_fill(cuda->link, &ours, reading, &why);
    return finish(cuda, status, &why, err);
}

static int fill(struct hst_device_memory *memory, const struct hst_device_extent *given, size_t count, struct hst_device_progress *progress,
                struct hst_error *err)
{
    struct hst_gpu_reading reading = {.extent_count = count, .cancel = progress->cancel, .done_bytes = &progress->done_bytes};
    return transfer(memory, &reading, given, NULL, err);
}

static int compare(struct hst_device_memory *memory, const struct hst_device_extent *given, size_t count, bool *ret_equal, struct hst_error *err)
{
    return transfer(memory, &(struct hst_gpu_reading){.extent_count = count}, given, ret_equal, err);
}

static const struct hst_device_segment *segments(const struct hst_device_memory *memory, size_t *ret_count)
{
    *ret_count = memory->count;
    return memory->segments;
}

/* Copies of the descriptors of one memory: it may be released at any moment. @return is there one? */
static bool copy_any(struct hst_cuda *cuda, struct hst_seqpacket_fds *ret_fds, uint64_t *ret_size)
{
    pthread_mutex_lock(&cuda->lock);
    const struct hst_device_memory *memory = cuda->memories;
    bool copied = memory != NULL && memory->count > 0 && hst_seqpacket_fds_copy(memory->fds, 1, ret_fds, NULL) == HST_OK;
    if (copied) *ret_size = memory->sizes[0];
    pthread_mutex_unlock(&cuda->lock);
    return copied;
}

void hst_cuda_memory_check_any(struct hst_cuda *cuda)
{
    HST_AUTO(hst_seqpacket_fds_close) struct hst_seqpacket_fds fds = {.count = 0};
    struct hst_error why = {0};
    uint64_t size;
    if (!copy_any(cuda, &fds, &size)) return;
    const struct hst_gpu_memory memory = {fds.fds, &size, 1};
    struct hst_gpu_info info;
    int status = hst_gpu_link_check(cuda->link, &memory, &why);
    if (status == HST_E_DEVICE_FAILED && hst_gpu_link_info(cuda->link, &info, NULL) == HST_OK) status = why.status = HST_E_DEVICE_LOST; /* the card is there, the memory is not */
    hst_cuda_state_note(cuda, status, &why);
}

void hst_cuda_memory_set_ops(struct hst_device_ops *ops)
{
    ops->allocate = allocate;
    ops->adopt = adopt;
    ops->fill = fill;
    ops->compare = compare;
    ops->segments = segments;
    ops->release = release;
}
