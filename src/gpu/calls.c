#include "gpu/calls.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "cuda/mapping.h"
#include "gpu/copy.h"
#include "gpu/info.h"
#include "gpu/segment.h"
#include "gpu/staging.h"
#include "os/file.h"

#include <stdlib.h>
#include <string.h>

/* Does what was asked. */
typedef int (*handler)(struct hst_gpu_call *call, struct hst_error *err);

/* ---- what came with it ---- */

static const uint64_t *sizes_of(const struct hst_gpu_call *call)
{
    return (const uint64_t *)(const void *)call->sheet;
}

static const struct hst_gpu_extent *extents_of(const struct hst_gpu_call *call)
{
    return (const struct hst_gpu_extent *)(const void *)(call->sheet + call->asked.segments * sizeof(uint64_t));
}

static int strange(struct hst_error *err)
{
    return hst_error_set(err, HST_E_INVALID_ARGUMENT, "a call names memory, files, bytes or types that there are not");
}

static bool is_within_limits(const struct hst_gpu_call *call)
{
    const struct hst_gpu_frame *asked = &call->asked;
    size_t segments = asked->verb == HST_GPU_ALLOCATE ? 0 : asked->segments;
    return asked->segments <= HST_GPU_SEGMENTS_MAX && asked->sources <= HST_GPU_SOURCES_MAX && asked->extents <= HST_GPU_EXTENTS_MAX &&
           call->files.count == segments + asked->sources + 1;
}

/* Bytes of an extent on the card. @return false for a conversion that cannot be, or that ends within a number */
static bool measure(const struct hst_gpu_call *call, const struct hst_gpu_extent *extent, uint64_t *ret_bytes)
{
    const struct hst_gpu_types types = hst_gpu_types_of(extent);
    *ret_bytes = extent->size_bytes;
    if (types.from == 0 && types.to == 0) return true;
    unsigned from = hst_cuda_number_bytes(types.from), to = hst_cuda_number_bytes(types.to);
    return call->asked.verb == HST_GPU_FILL && hst_cuda_converts(types.from, types.to) && extent->size_bytes % from == 0 && extent->to % to == 0 &&
           hst_checked_mul(extent->size_bytes / from, to, ret_bytes);
}

static bool is_extent(const struct hst_gpu_call *call, const struct hst_gpu_extent *extent)
{
    uint64_t bytes, end, end_of_source;
    return extent->segment < call->asked.segments && extent->source < call->asked.sources && measure(call, extent, &bytes) &&
           hst_checked_add(extent->to, bytes, &end) && end <= sizes_of(call)[extent->segment] &&
           hst_checked_add(extent->offset, extent->size_bytes, &end_of_source) && end_of_source <= INT64_MAX;
}

static int read_sheet(struct hst_gpu_call *call, struct hst_error *err)
{
    if (!is_within_limits(call)) return strange(err);
    uint64_t bytes = call->asked.segments * sizeof(uint64_t) + call->asked.extents * sizeof(struct hst_gpu_extent);
    HST_TRY(hst_file_slurp(call->files.fds[call->files.count - 1], 0, bytes, &call->sheet, err));
    for (uint64_t i = 0; i < call->asked.extents; i++)
        if (!is_extent(call, &extents_of(call)[i])) return strange(err);
    return HST_OK;
}

/* What could not be given back goes with the process: nothing is kept that nobody knows of. */
static void note_release(struct hst_gpu_call *call, int result)
{
    if (result != HST_CU_SUCCESS) call->result.ends = 1;
}

/* ---- allocating ---- */

static int make_segment(struct hst_gpu_call *call, uint64_t size_bytes, struct hst_error *err)
{
    int released = HST_CU_SUCCESS;
    int status = hst_gpu_segment_make(call->context, size_bytes, &call->made.fds[call->made.count], &released, err);
    note_release(call, released);
    if (status == HST_OK) call->made.count++;
    return status;
}

/* With nothing left behind, what is free is what there was. */
static void note_shortage(struct hst_gpu_call *call, struct hst_error *err)
{
    struct hst_gpu_info info = HST_GPU_INFO_UNKNOWN;
    uint64_t required = 0;
    for (size_t i = 0; i < call->asked.segments; i++)
        required += sizes_of(call)[i];
    bool is_known = hst_gpu_info_ask_context(call->context->driver, &info, NULL) == HST_OK;
    hst_error_set(err, HST_E_OUT_OF_DEVICE_MEMORY, "%llu bytes are needed on the card and %llu are free, whoever has the rest", (unsigned long long)required,
                  (unsigned long long)(is_known ? info.free_bytes : 0));
    err->required_bytes = required;
    err->available_bytes = is_known ? info.free_bytes : 0;
}

static int allocate(struct hst_gpu_call *call, struct hst_error *err)
{
    int status = HST_OK;
    call->made.fds = calloc(call->asked.segments + 1, sizeof *call->made.fds);
    if (call->made.fds == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < call->asked.segments && status == HST_OK; i++)
        status = make_segment(call, sizes_of(call)[i], err);
    if (status == HST_OK) return HST_OK;
    hst_gpu_files_fini(&call->made);
    if (status == HST_E_OUT_OF_DEVICE_MEMORY) note_shortage(call, err);
    return status;
}

/* ---- with the segments mapped ---- */

/* Which of its steps failed, and whether all before it could be undone, is not known here. */
static int map(struct hst_gpu_call *call, struct hst_cuda_mapping *ret_mapping, struct hst_error *err)
{
    struct hst_cuda_part parts[HST_GPU_SEGMENTS_MAX];
    for (size_t i = 0; i < call->asked.segments; i++)
        parts[i] = (struct hst_cuda_part){call->files.fds[i], sizes_of(call)[i]};
    int status = hst_cuda_map(call->context->driver, call->context->device, parts, call->asked.segments, HST_CU_ACCESS_READ_WRITE, ret_mapping, err);
    if (status < 0) call->result.ends = 1;
    return status;
}

/* What was done with the memory is done. @return the status of that, unless the card is lost */
static int unmap(struct hst_gpu_call *call, struct hst_cuda_mapping *mapping, int status, struct hst_error *err)
{
    int result = hst_cuda_unmap(mapping);
    note_release(call, result);
    return hst_cuda_is_fatal(result) && status == HST_OK ? hst_cuda_error(call->context->driver, result, "unmap memory of the card", err) : status;
}

/* Is somebody still there, and does he want it? */
static bool is_wanted(int channel)
{
    struct hst_gpu_packet packet;
    if (!hst_seqpacket_wait(channel, false, 0)) return true;
    (void)hst_gpu_receive(channel, &packet, 0, NULL);
    hst_seqpacket_fds_close(&packet.files);
    return false;
}

static bool pulse(void *pulsed, uint64_t done_bytes, bool waiting)
{
    struct hst_gpu_call *call = pulsed;
    struct hst_gpu_frame frame = {.sequence = call->asked.sequence, .done_bytes = done_bytes, .waiting = waiting};
    (void)hst_gpu_send(call->channel, HST_GPU_PROGRESS, &frame, 0, NULL); /* one that does not fit is followed by another */
    return is_wanted(call->channel);
}

static int transfer(struct hst_gpu_call *call, struct hst_error *err)
{
    struct hst_cuda_mapping mapping = {0};
    bool is_equal = false;
    HST_TRY(map(call, &mapping, err));
    const struct hst_gpu_copy copy = {.context = call->context, .lanes = call->lanes, .address = mapping.address, .sizes = sizes_of(call),
                                      .segment_count = call->asked.segments, .sources = call->files.fds + call->asked.segments,
                                      .source_count = call->asked.sources, .extents = extents_of(call), .extent_count = call->asked.extents,
                                      .compare = call->asked.verb == HST_GPU_COMPARE, .pulse = pulse, .pulsed = call};
    int status = hst_gpu_copy_run(&copy, &is_equal, &call->result.done_bytes, err);
    call->result.equal = is_equal;
    return unmap(call, &mapping, status, err);
}

/* A word of each segment is read: a card that is gone says so. */
static int read_words(const struct hst_gpu_call *call, const struct hst_cuda_mapping *mapping, struct hst_error *err)
{
    const struct hst_cuda_driver *driver = call->context->driver;
    unsigned long long address = mapping->address;
    uint64_t word;
    int result = HST_CU_SUCCESS;
    for (size_t i = 0; i < mapping->count && result == HST_CU_SUCCESS; i++) {
        result = driver->cuMemcpyDtoHAsync(&word, address, sizeof word, NULL);
        address += mapping->sizes[i];
    }
    if (result == HST_CU_SUCCESS) result = driver->cuCtxSynchronize();
    return result == HST_CU_SUCCESS ? HST_OK : hst_cuda_error(driver, result, "read memory of the card", err);
}

static int check(struct hst_gpu_call *call, struct hst_error *err)
{
    struct hst_cuda_mapping mapping = {0};
    HST_TRY(map(call, &mapping, err));
    int status = read_words(call, &mapping, err);
    return unmap(call, &mapping, status, err);
}

static int inform(struct hst_gpu_call *call, struct hst_error *err)
{
    HST_TRY(hst_gpu_info_ask(call->context->uuid, &call->result.info, err));
    return hst_gpu_info_ask_context(call->context->driver, &call->result.info, err);
}

/* By verb. */
static const handler handlers[HST_GPU_VERBS] = {
    [HST_GPU_ALLOCATE] = allocate, [HST_GPU_FILL] = transfer, [HST_GPU_COMPARE] = transfer, [HST_GPU_CHECK] = check, [HST_GPU_INFO] = inform,
};

static int run(struct hst_gpu_call *call, struct hst_error *err)
{
    handler handle = handlers[call->asked.verb];
    if (handle == NULL) return strange(err);
    HST_TRY(read_sheet(call, err));
    HST_TRY(hst_gpu_context_enter(call->context, err));
    return handle(call, err);
}

/* A context in which something unforeseen failed is not used again. The next process would not be told of an Xid any more. */
static void end_by_fault(struct hst_gpu_call *call)
{
    call->result.ends = 1;
    call->result.info.xid = hst_gpu_info_xid(call->context->uuid);
}

int hst_gpu_call_run(struct hst_gpu_call *call, struct hst_error *err)
{
    struct hst_error why = {0};
    call->result = (struct hst_gpu_frame){.sequence = call->asked.sequence, .info = HST_GPU_INFO_UNKNOWN};
    int status = run(call, &why);
    hst_gpu_put_error(&call->result, status, &why);
    if (status == HST_E_DEVICE_LOST || status == HST_E_DEVICE_FAILED) end_by_fault(call);
    if (status == HST_E_DEVICE_UNAVAILABLE && !hst_gpu_context_is_made(call->context)) call->result.ends = 1; /* the driver starts once in a process */
    if (err != NULL) *err = why;
    return status;
}
