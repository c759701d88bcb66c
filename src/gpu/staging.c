/* One area for each lane is enough: in its stream a copy into it begins when the kernel before has read it, and other lanes keep the link busy meanwhile. */
#include "gpu/staging.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "gpu/segment.h"

struct hst_gpu_types hst_gpu_types_of(const struct hst_gpu_extent *extent)
{
    return (struct hst_gpu_types){(enum hst_dtype)extent->from_dtype, (enum hst_dtype)extent->to_dtype};
}

uint64_t hst_gpu_types_bytes(struct hst_gpu_types types, uint64_t bytes)
{
    return types.from == 0 ? bytes : bytes / hst_cuda_number_bytes(types.from) * hst_cuda_number_bytes(types.to);
}

uint64_t hst_gpu_types_whole(struct hst_gpu_types types, uint64_t bytes)
{
    return types.from == 0 ? bytes : hst_round_down(bytes, hst_cuda_number_bytes(types.from));
}

static int make_area(const struct hst_gpu_context *context, struct hst_gpu_lane *lane, struct hst_error *err)
{
    const struct hst_cu_allocation allocation = {HST_CU_ALLOCATION_PINNED, HST_CU_HANDLE_POSIX_FD, {HST_CU_LOCATION_DEVICE, context->device}, NULL, {0}};
    HST_AUTO(hst_closep) int fd = -1;
    size_t granularity = 0;
    int result = context->driver->cuMemGetAllocationGranularity(&granularity, &allocation, HST_CU_GRANULARITY_MINIMUM);
    if (result != HST_CU_SUCCESS) return hst_cuda_error(context->driver, result, "ask for the granularity of memory on the card", err);
    uint64_t size_bytes = hst_round_up(HST_GPU_STAGING_BYTES, granularity);
    HST_TRY(hst_gpu_segment_make(context, size_bytes, &fd, &result, err));
    if (result != HST_CU_SUCCESS) return hst_cuda_error(context->driver, result, "give back a handle of memory on the card", err);
    const struct hst_cuda_part part = {fd, size_bytes};
    return hst_cuda_map(context->driver, context->device, &part, 1, HST_CU_ACCESS_READ_WRITE, &lane->staging, err);
}

int hst_gpu_staging_prepare(struct hst_gpu_context *context, struct hst_gpu_lane *lane, struct hst_error *err)
{
    HST_TRY(hst_gpu_context_converter(context, err));
    return lane->staging.address != 0 ? HST_OK : make_area(context, lane, err);
}

int hst_gpu_staging_bring(const struct hst_gpu_context *context, const struct hst_gpu_lane *lane, struct hst_gpu_types types, const uint8_t *bytes, uint64_t size,
                          unsigned long long address, struct hst_error *err)
{
    for (uint64_t at = 0, some; at < size; at += some) {
        some = hst_min_u64(size - at, HST_GPU_STAGING_BYTES);
        uint64_t count = some / hst_cuda_number_bytes(types.from);
        int result = context->driver->cuMemcpyHtoDAsync(lane->staging.address, bytes + at, some, lane->stream);
        if (result != HST_CU_SUCCESS) return hst_cuda_error(context->driver, result, "copy to the card", err);
        HST_TRY(hst_cuda_convert(&context->converter, types.from, types.to, lane->staging.address, address + hst_gpu_types_bytes(types, at), count, lane->stream, err));
    }
    return HST_OK;
}
