#include "gpu/info.h"

void hst_gpu_info_ask(const struct hst_cuda_driver *driver, const char *uuid, struct hst_gpu_info *info)
{
    (void)driver, (void)uuid, (void)info;
}

int hst_gpu_info_ask_context(const struct hst_cuda_driver *driver, struct hst_gpu_info *info, struct hst_error *err)
{
    size_t free_bytes = 0, total_bytes = 0;
    int result = driver->cuMemGetInfo(&free_bytes, &total_bytes);
    if (result != HST_CU_SUCCESS) return hst_cuda_error(driver, result, "ask how much memory is free", err);
    info->free_bytes = free_bytes;
    info->total_bytes = total_bytes;
    info->used_bytes = total_bytes - free_bytes;
    return HST_OK;
}
