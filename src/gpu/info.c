#include "gpu/info.h"

#include "cuda/nvml.h"
#include "os/process.h"

#include <stdlib.h>

/* Of how many those with the most bytes are found. */
enum { PROCESSES_MAX = 256 };

static uint64_t known_bytes(const struct hst_nvml_process *process)
{
    return process->used_bytes != HST_NVML_UNKNOWN ? process->used_bytes : 0;
}

/* Most bytes first; of as many, the older number. */
static int by_bytes(const void *one, const void *other)
{
    const struct hst_nvml_process *a = one, *b = other;
    if (known_bytes(a) != known_bytes(b)) return known_bytes(a) > known_bytes(b) ? -1 : 1;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

static void ask_processes(const char *uuid, struct hst_gpu_info *info)
{
    struct hst_nvml_process found[PROCESSES_MAX];
    info->process_count = hst_nvml_processes(uuid, found, PROCESSES_MAX);
    size_t listed = info->process_count < 0 ? 0 : (size_t)(info->process_count < PROCESSES_MAX ? info->process_count : PROCESSES_MAX);
    info->own_pids = hst_process_is_of_host();
    if (listed > 0) qsort(found, listed, sizeof found[0], by_bytes);
    for (size_t i = 0; i < listed; i++) {
        if (i < HST_GPU_PROCESSES) info->processes[i] = (struct hst_gpu_process){.used_bytes = found[i].used_bytes, .pid = found[i].pid};
        if (found[i].pid == hst_process_id()) info->own_pids = 1;
    }
}

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
    info->xid = figures.xid;
    ask_processes(uuid, info);
    return HST_OK;
}

uint64_t hst_gpu_info_xid(const char *uuid)
{
    struct hst_nvml_figures figures;
    return hst_nvml_figures(uuid, &figures) ? figures.xid : UINT64_MAX;
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
