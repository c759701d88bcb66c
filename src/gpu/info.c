#include "gpu/info.h"

#include "cuda/nvml.h"

int hst_gpu_info_ask(const char *uuid, struct hst_gpu_info *info, struct hst_error *err)
{
    struct hst_nvml_figures figures;
    if (!hst_nvml_figures(uuid, &figures)) return HST_OK;
    if (figures.is_lost) return hst_error_set(err, HST_E_DEVICE_LOST, "NVML says that the card is lost");
    if (info->total_bytes == UINT64_MAX) info->total_bytes = figures.total_bytes; /* the driver's own figure is what can be allocated */
    info->free_bytes = figures.free_bytes;
    info->used_bytes = figures.used_bytes;
    info->ecc_errors = figures.ecc_errors;
    info->utilization_percent = figures.utilization_percent;
    info->temperature_c = figures.temperature_c;
    return HST_OK;
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
