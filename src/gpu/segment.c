#include "gpu/segment.h"

int hst_gpu_segment_make(const struct hst_gpu_context *context, uint64_t size_bytes, int *ret_fd, int *ret_released, struct hst_error *err)
{
    const struct hst_cuda_driver *driver = context->driver;
    const struct hst_cu_allocation allocation = {HST_CU_ALLOCATION_PINNED, HST_CU_HANDLE_POSIX_FD, {HST_CU_LOCATION_DEVICE, context->device}, NULL, {0}};
    unsigned long long handle;
    int fd = -1;
    int result = driver->cuMemCreate(&handle, size_bytes, &allocation, 0);
    if (result != HST_CU_SUCCESS) return hst_cuda_error(driver, result, "allocate memory on the card", err);
    result = driver->cuMemExportToShareableHandle(&fd, handle, HST_CU_HANDLE_POSIX_FD, 0);
    *ret_released = driver->cuMemRelease(handle); /* the descriptor holds it from now on */
    if (result != HST_CU_SUCCESS) return hst_cuda_error(driver, result, "make a descriptor of memory on the card", err);
    *ret_fd = fd;
    return HST_OK;
}
