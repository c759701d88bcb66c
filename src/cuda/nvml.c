#include "cuda/nvml.h"

#include "os/dynamic.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY "libnvidia-ml.so.1"

/* Types, values and signatures are those of nvml.h. */
typedef void *nvml_device;

enum {
    NVML_SUCCESS = 0,
    NVML_INSUFFICIENT_SIZE = 7,
    NVML_GPU_IS_LOST = 15,
    NVML_TEMPERATURE_GPU = 0,
    NVML_ECC_UNCORRECTED = 1,
    NVML_ECC_VOLATILE = 0,
    NVML_EVENT_XID = 8,
    NVML_MEMORY_V2 = 2 << 24, /* and the size of the struct */
};

struct memory_v1 {
    unsigned long long total, free, used;
};
struct memory_v2 {
    unsigned version;
    unsigned long long total, reserved, free, used;
};
struct utilization {
    unsigned gpu, memory;
};
struct process_v3 {
    unsigned pid;
    unsigned long long used;
    unsigned gpu_instance, compute_instance;
};
struct event_data {
    nvml_device device;
    unsigned long long type, data;
    unsigned gpu_instance, compute_instance;
};

/* The functions, without the suffixes of their versions; only the first three must be there. */
struct nvml {
    int (*nvmlInit)(void);
    int (*nvmlDeviceGetHandleByUUID)(const char *uuid, nvml_device *device);
    int (*nvmlDeviceGetMemoryInfo)(nvml_device device, struct memory_v1 *memory);
    int (*nvmlDeviceGetMemoryInfo_v2)(nvml_device device, struct memory_v2 *memory);
    const char *(*nvmlErrorString)(int result);
    int (*nvmlSystemGetDriverVersion)(char *version, unsigned length);
    int (*nvmlDeviceGetName)(nvml_device device, char *name, unsigned length);
    int (*nvmlDeviceGetUtilizationRates)(nvml_device device, struct utilization *utilization);
    int (*nvmlDeviceGetTemperature)(nvml_device device, int sensor, unsigned *celsius);
    int (*nvmlDeviceGetTotalEccErrors)(nvml_device device, int type, int counter, unsigned long long *count);
    int (*nvmlDeviceGetComputeRunningProcesses)(nvml_device device, unsigned *count, struct process_v3 *processes);
    int (*nvmlDeviceGetMigMode)(nvml_device device, unsigned *current, unsigned *pending);
    int (*nvmlDeviceGetDeviceHandleFromMigDeviceHandle)(nvml_device slice, nvml_device *card);
    int (*nvmlEventSetCreate)(void **set);
    int (*nvmlDeviceRegisterEvents)(nvml_device device, unsigned long long types, void *set);
    int (*nvmlEventSetWait)(void *set, struct event_data *data, unsigned timeout_ms);
};

#define NEEDED(member, suffix) {.name = #member suffix, .offset = offsetof(struct nvml, member)}
#define OPTIONAL(member, suffix) {.name = #member suffix, .offset = offsetof(struct nvml, member), .optional = true}

static const struct hst_dynamic_symbol symbols[] = {
    NEEDED(nvmlInit, "_v2"),
    NEEDED(nvmlDeviceGetHandleByUUID, ""),
    NEEDED(nvmlDeviceGetMemoryInfo, ""),
    OPTIONAL(nvmlDeviceGetMemoryInfo_v2, ""),
    OPTIONAL(nvmlErrorString, ""),
    OPTIONAL(nvmlSystemGetDriverVersion, ""),
    OPTIONAL(nvmlDeviceGetName, ""),
    OPTIONAL(nvmlDeviceGetUtilizationRates, ""),
    OPTIONAL(nvmlDeviceGetTemperature, ""),
    OPTIONAL(nvmlDeviceGetTotalEccErrors, ""),
    {.name = "nvmlDeviceGetComputeRunningProcesses_v3", .fallback = "nvmlDeviceGetComputeRunningProcesses_v2",
     .offset = offsetof(struct nvml, nvmlDeviceGetComputeRunningProcesses), .optional = true},
    OPTIONAL(nvmlDeviceGetMigMode, ""),
    OPTIONAL(nvmlDeviceGetDeviceHandleFromMigDeviceHandle, ""),
    OPTIONAL(nvmlEventSetCreate, ""),
    OPTIONAL(nvmlDeviceRegisterEvents, ""),
    OPTIONAL(nvmlEventSetWait, "_v2"),
};

/* Cards whose Xid events were asked for. */
#define WATCHED_MAX 16u
struct watched {
    nvml_device device;
    uint64_t xid;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct nvml nvml;
static bool is_available;
static char missing[256];

static pthread_mutex_t watch_lock = PTHREAD_MUTEX_INITIALIZER;
static void *watch_set; /* NULL = not made yet, or not to be had */
static struct watched watched[WATCHED_MAX];
static size_t watched_count;

/* --- finding it --- */

/* Which file: the one beside the driver that was named, so that a double of one comes with a double of the other. */
static void find_name(char out[PATH_MAX])
{
    const char *driver = getenv("HOIST_CUDA_DRIVER");
    const char *slash = driver != NULL ? strrchr(driver, '/') : NULL;
    int folder = slash != NULL ? (int)(slash - driver) + 1 : 0;
    snprintf(out, PATH_MAX, "%.*s" LIBRARY, folder, driver != NULL ? driver : "");
}

static bool start(void)
{
    int result = nvml.nvmlInit();
    const char *text = result != NVML_SUCCESS && nvml.nvmlErrorString != NULL ? nvml.nvmlErrorString(result) : "";
    if (result != NVML_SUCCESS) snprintf(missing, sizeof(missing), LIBRARY " does not start: %s (%d)", text, result);
    return result == NVML_SUCCESS;
}

static void load(void)
{
    char name[PATH_MAX];
    find_name(name);
    void *library = hst_dynamic_open(name, missing);
    if (library == NULL) return;
    const char *symbol = hst_dynamic_resolve(library, symbols, sizeof(symbols) / sizeof(symbols[0]), &nvml);
    if (symbol != NULL) snprintf(missing, sizeof(missing), LIBRARY " has no %s", symbol);
    is_available = symbol == NULL && start();
    if (!is_available) hst_dynamic_close(library);
}

bool hst_nvml_available(char why[256])
{
    pthread_once(&once, load);
    if (!is_available) memcpy(why, missing, sizeof(missing));
    return is_available;
}

/* @return what NVML says; without NVML nothing is found */
static int find_device(const char *uuid, nvml_device *ret_device)
{
    pthread_once(&once, load);
    return is_available ? nvml.nvmlDeviceGetHandleByUUID(uuid, ret_device) : -1;
}

/* --- figures --- */

/* Whether `used` of the newer form has what is reserved in it is said in two ways: so it is what is not free. */
static void ask_memory(nvml_device device, struct hst_nvml_figures *figures)
{
    struct memory_v2 memory = {.version = NVML_MEMORY_V2 | sizeof(memory)};
    struct memory_v1 older;
    int result = nvml.nvmlDeviceGetMemoryInfo_v2 != NULL ? nvml.nvmlDeviceGetMemoryInfo_v2(device, &memory) : -1;
    if (result != NVML_SUCCESS) {
        result = nvml.nvmlDeviceGetMemoryInfo(device, &older);
        memory = (struct memory_v2){.total = older.total, .free = older.free};
    }
    figures->is_lost = result == NVML_GPU_IS_LOST;
    if (result != NVML_SUCCESS) return;
    figures->total_bytes = memory.total;
    figures->free_bytes = memory.free;
    figures->used_bytes = memory.total - memory.free;
    figures->reserved_bytes = memory.reserved;
}

/* Of a slice its card knows more: temperature and errors are not counted by slice. */
static nvml_device whole_card(nvml_device device)
{
    nvml_device card = NULL;
    bool is_slice = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle != NULL &&
                    nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device, &card) == NVML_SUCCESS && card != NULL;
    return is_slice ? card : device;
}

static void ask_state(nvml_device device, nvml_device card, struct hst_nvml_figures *figures)
{
    struct utilization utilization;
    unsigned celsius;
    unsigned long long errors;
    if (nvml.nvmlDeviceGetUtilizationRates != NULL && nvml.nvmlDeviceGetUtilizationRates(device, &utilization) == NVML_SUCCESS)
        figures->utilization_percent = (int)utilization.gpu;
    if (nvml.nvmlDeviceGetTemperature != NULL && nvml.nvmlDeviceGetTemperature(card, NVML_TEMPERATURE_GPU, &celsius) == NVML_SUCCESS)
        figures->temperature_c = (int)celsius;
    if (nvml.nvmlDeviceGetTotalEccErrors != NULL &&
        nvml.nvmlDeviceGetTotalEccErrors(card, NVML_ECC_UNCORRECTED, NVML_ECC_VOLATILE, &errors) == NVML_SUCCESS)
        figures->ecc_errors = errors;
}

/* --- Xid events: NVML tells only those that come after they were asked for --- */

static bool can_watch(void)
{
    if (nvml.nvmlEventSetCreate == NULL || nvml.nvmlDeviceRegisterEvents == NULL || nvml.nvmlEventSetWait == NULL) return false;
    return watch_set != NULL || nvml.nvmlEventSetCreate(&watch_set) == NVML_SUCCESS;
}

/* NULL when it cannot be watched. */
static struct watched *find_watched(nvml_device card)
{
    for (size_t i = 0; i < watched_count; i++)
        if (watched[i].device == card) return &watched[i];
    if (watched_count == WATCHED_MAX || !can_watch() || nvml.nvmlDeviceRegisterEvents(card, NVML_EVENT_XID, watch_set) != NVML_SUCCESS) return NULL;
    watched[watched_count] = (struct watched){.device = card};
    return &watched[watched_count++];
}

static void take_events(void)
{
    struct event_data data;
    while (nvml.nvmlEventSetWait(watch_set, &data, 0) == NVML_SUCCESS) {
        struct watched *card = data.type == NVML_EVENT_XID ? find_watched(data.device) : NULL;
        if (card != NULL) card->xid = data.data;
    }
}

static uint64_t last_xid(nvml_device card)
{
    pthread_mutex_lock(&watch_lock);
    const struct watched *watch = find_watched(card);
    if (watch != NULL) take_events();
    uint64_t xid = watch != NULL ? watch->xid : HST_NVML_UNKNOWN;
    pthread_mutex_unlock(&watch_lock);
    return xid;
}

bool hst_nvml_figures(const char *uuid, struct hst_nvml_figures *ret_figures)
{
    nvml_device device = NULL;
    int result = find_device(uuid, &device);
    if (result != NVML_SUCCESS && result != NVML_GPU_IS_LOST) return false;
    *ret_figures = (struct hst_nvml_figures){.is_lost = result == NVML_GPU_IS_LOST, .total_bytes = HST_NVML_UNKNOWN, .free_bytes = HST_NVML_UNKNOWN,
                                             .used_bytes = HST_NVML_UNKNOWN, .utilization_percent = -1, .temperature_c = -1,
                                             .ecc_errors = HST_NVML_UNKNOWN, .xid = HST_NVML_UNKNOWN};
    if (result != NVML_SUCCESS) return true;
    ask_memory(device, ret_figures);
    nvml_device card = whole_card(device);
    if (!ret_figures->is_lost) ask_state(device, card, ret_figures);
    ret_figures->xid = last_xid(card);
    return true;
}

/* --- who uses it --- */

/* There may be more by the time they are asked for: so again, with more room. */
static struct process_v3 *list_processes(nvml_device device, unsigned *ret_count)
{
    unsigned room = 32;
    for (int attempt = 0; attempt < 4; attempt++) {
        struct process_v3 *processes = calloc(room, sizeof(*processes));
        *ret_count = room;
        int result = processes != NULL ? nvml.nvmlDeviceGetComputeRunningProcesses(device, ret_count, processes) : -1;
        if (result == NVML_SUCCESS) return processes;
        free(processes);
        if (result != NVML_INSUFFICIENT_SIZE) return NULL;
        room = *ret_count + 16;
    }
    return NULL;
}

int hst_nvml_processes(const char *uuid, struct hst_nvml_process *ret_processes, unsigned room)
{
    nvml_device device = NULL;
    unsigned count = 0;
    if (find_device(uuid, &device) != NVML_SUCCESS || nvml.nvmlDeviceGetComputeRunningProcesses == NULL) return -1;
    struct process_v3 *processes = list_processes(device, &count);
    if (processes == NULL) return -1;
    for (unsigned i = 0; i < count && i < room; i++)
        ret_processes[i] = (struct hst_nvml_process){.pid = processes[i].pid, .used_bytes = processes[i].used};
    free(processes);
    return (int)count;
}

/* --- names --- */

bool hst_nvml_name(const char *uuid, char out[96])
{
    nvml_device device = NULL;
    return find_device(uuid, &device) == NVML_SUCCESS && nvml.nvmlDeviceGetName != NULL && nvml.nvmlDeviceGetName(device, out, 96) == NVML_SUCCESS;
}

bool hst_nvml_driver_version(char out[80])
{
    pthread_once(&once, load);
    return is_available && nvml.nvmlSystemGetDriverVersion != NULL && nvml.nvmlSystemGetDriverVersion(out, 80) == NVML_SUCCESS;
}

bool hst_nvml_has_slices(const char *uuid)
{
    nvml_device device = NULL;
    unsigned now = 0, later = 0;
    return find_device(uuid, &device) == NVML_SUCCESS && nvml.nvmlDeviceGetMigMode != NULL && nvml.nvmlDeviceGetMigMode(device, &now, &later) == NVML_SUCCESS &&
           now == 1;
}

bool hst_nvml_is_slice(const struct hst_cu_uuid *uuid)
{
    char text[64];
    nvml_device device = NULL;
    hst_cuda_uuid_text(uuid, false, text);
    if (find_device(text, &device) == NVML_SUCCESS) return false;
    hst_cuda_uuid_text(uuid, true, text);
    return find_device(text, &device) == NVML_SUCCESS;
}
