#include "cuda/driver.h"

#include "os/dynamic.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory as descriptors on every card came with 11.2. */
#define OLDEST 11020

/* The driver keeps old functions under their names and adds new ones with a suffix: these are the ones that driver.h describes. */
#define PLAIN(member) {.name = #member, .offset = offsetof(struct hst_cuda_driver, member)}
#define SUFFIXED(member, suffix) {.name = #member suffix, .offset = offsetof(struct hst_cuda_driver, member)}

static const struct hst_dynamic_symbol first_symbols[] = {PLAIN(cuDriverGetVersion), PLAIN(cuInit)};

static const struct hst_dynamic_symbol symbols[] = {
    PLAIN(cuGetErrorName),
    PLAIN(cuGetErrorString),
    PLAIN(cuDeviceGetCount),
    PLAIN(cuDeviceGet),
    PLAIN(cuDeviceGetName),
    {.name = "cuDeviceGetUuid_v2", .fallback = "cuDeviceGetUuid", .offset = offsetof(struct hst_cuda_driver, cuDeviceGetUuid)},
    SUFFIXED(cuDeviceTotalMem, "_v2"),
    PLAIN(cuDeviceGetAttribute),
    PLAIN(cuDeviceGetPCIBusId),
    PLAIN(cuDeviceCanAccessPeer),
    PLAIN(cuDevicePrimaryCtxRetain),
    SUFFIXED(cuDevicePrimaryCtxRelease, "_v2"),
    SUFFIXED(cuCtxCreate, "_v2"),
    SUFFIXED(cuCtxDestroy, "_v2"),
    SUFFIXED(cuCtxPushCurrent, "_v2"),
    SUFFIXED(cuCtxPopCurrent, "_v2"),
    PLAIN(cuCtxSetCurrent),
    PLAIN(cuCtxGetCurrent),
    PLAIN(cuCtxSynchronize),
    SUFFIXED(cuMemGetInfo, "_v2"),
    PLAIN(cuMemGetAllocationGranularity),
    PLAIN(cuMemCreate),
    PLAIN(cuMemRelease),
    PLAIN(cuMemAddressReserve),
    PLAIN(cuMemAddressFree),
    PLAIN(cuMemMap),
    PLAIN(cuMemUnmap),
    PLAIN(cuMemSetAccess),
    PLAIN(cuMemExportToShareableHandle),
    PLAIN(cuMemImportFromShareableHandle),
    PLAIN(cuMemGetAllocationPropertiesFromHandle),
    PLAIN(cuMemHostAlloc),
    PLAIN(cuMemFreeHost),
    SUFFIXED(cuMemHostRegister, "_v2"),
    PLAIN(cuMemHostUnregister),
    SUFFIXED(cuMemcpyHtoDAsync, "_v2"),
    SUFFIXED(cuMemcpyDtoHAsync, "_v2"),
    SUFFIXED(cuMemcpyDtoDAsync, "_v2"),
    PLAIN(cuStreamCreate),
    SUFFIXED(cuStreamDestroy, "_v2"),
    PLAIN(cuStreamSynchronize),
    PLAIN(cuStreamQuery),
    PLAIN(cuStreamWaitEvent),
    PLAIN(cuEventCreate),
    SUFFIXED(cuEventDestroy, "_v2"),
    PLAIN(cuEventRecord),
    PLAIN(cuEventQuery),
    PLAIN(cuEventSynchronize),
    PLAIN(cuEventElapsedTime),
    PLAIN(cuModuleLoadData),
    PLAIN(cuModuleUnload),
    PLAIN(cuModuleGetFunction),
    PLAIN(cuLaunchKernel),
};

/* What a result of cuInit means to whoever has to mend it. */
static const struct {
    int result;
    const char *text;
} init_failures[] = {
    {HST_CU_STUB_LIBRARY, "it is the stub of a CUDA toolkit, made for linking: NVIDIA's driver is not installed, or LD_LIBRARY_PATH finds the stub first"},
    {HST_CU_NO_DEVICE, "there is no NVIDIA card that this process may use (CUDA_VISIBLE_DEVICES counts, and so do the device files of a container)"},
    {HST_CU_DEVICE_UNAVAILABLE, "the card is busy: in exclusive mode and taken, or being reset"},
    {HST_CU_SYSTEM_NOT_READY, "the system is not ready: on a machine with NVSwitch the fabric manager must run, in the driver's version"},
    {HST_CU_DRIVER_MISMATCH, "the library and the driver in the kernel are of different versions, as after an upgrade: load the new kernel modules, or reboot"},
    {HST_CU_COMPAT_NOT_SUPPORTED, "it is a forward compatibility library that this card does not support: use the one of the driver"},
    {HST_CU_UNKNOWN, "the kernel's side does not answer: are nvidia and nvidia-uvm loaded, and may this process open /dev/nvidia*?"},
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct hst_cuda_driver the_driver;
static struct hst_error the_error;

static const char *init_text(int result)
{
    for (size_t i = 0; i < sizeof(init_failures) / sizeof(init_failures[0]); i++)
        if (init_failures[i].result == result) return init_failures[i].text;
    return "the driver does not start";
}

static int init_failed(const struct hst_cuda_driver *driver, int result, const char *function, struct hst_error *err)
{
    return hst_error_set(err, HST_E_DEVICE_UNAVAILABLE, "%s: %s (%s says %d)", driver->path, init_text(result), function, result);
}

static int open_library(struct hst_cuda_driver *driver, struct hst_error *err)
{
    const char *wish = getenv("HOIST_CUDA_DRIVER");
    bool is_wished = wish != NULL && wish[0] != '\0';
    char why[256];
    driver->library = hst_dynamic_open(is_wished ? wish : "libcuda.so.1", why);
    if (driver->library == NULL && is_wished)
        return hst_error_set(err, HST_E_DEVICE_UNAVAILABLE, "HOIST_CUDA_DRIVER cannot be loaded: %s", why);
    if (driver->library == NULL) return hst_error_set(err, HST_E_DEVICE_UNAVAILABLE, "there is no NVIDIA driver: %s", why);
    hst_dynamic_path(driver->library, driver->path, sizeof(driver->path));
    return HST_OK;
}

static int resolve(struct hst_cuda_driver *driver, const struct hst_dynamic_symbol *wanted, size_t count, struct hst_error *err)
{
    const char *missing = hst_dynamic_resolve(driver->library, wanted, count, driver);
    if (missing == NULL) return HST_OK;
    return hst_error_set(err, HST_E_DEVICE_UNAVAILABLE, "%s is no driver that hoist can use: it has no %s", driver->path, missing);
}

/* The version is asked first: an old driver lacks functions, and that it is old says more than which. */
static int check_version(struct hst_cuda_driver *driver, struct hst_error *err)
{
    int result = driver->cuDriverGetVersion(&driver->version);
    if (result != HST_CU_SUCCESS) return init_failed(driver, result, "cuDriverGetVersion", err);
    if (driver->version >= OLDEST) return HST_OK;
    return hst_error_set(err, HST_E_DEVICE_UNAVAILABLE, "%s is too old: it offers CUDA %d.%d, and hoist needs 11.2 (driver 460) or newer", driver->path,
                         driver->version / 1000, driver->version % 1000 / 10);
}

static int load(struct hst_cuda_driver *driver, struct hst_error *err)
{
    HST_TRY(open_library(driver, err));
    HST_TRY(resolve(driver, first_symbols, sizeof(first_symbols) / sizeof(first_symbols[0]), err));
    HST_TRY(check_version(driver, err));
    HST_TRY(resolve(driver, symbols, sizeof(symbols) / sizeof(symbols[0]), err));
    int result = driver->cuInit(0);
    return result == HST_CU_SUCCESS ? HST_OK : init_failed(driver, result, "cuInit", err);
}

static void load_once(void)
{
    if (load(&the_driver, &the_error) < 0) hst_dynamic_close(the_driver.library);
}

int hst_cuda_driver_get(const struct hst_cuda_driver **ret_driver, struct hst_error *err)
{
    pthread_once(&once, load_once);
    if (the_error.status < 0) {
        if (err != NULL) *err = the_error;
        return the_error.status;
    }
    *ret_driver = &the_driver;
    return HST_OK;
}

bool hst_cuda_is_fatal(int result)
{
    static const int fatal[] = {HST_CU_DEINITIALIZED,      HST_CU_ECC_UNCORRECTABLE,   HST_CU_NVLINK_UNCORRECTABLE, HST_CU_CONTAINED, HST_CU_ILLEGAL_ADDRESS,
                                HST_CU_LAUNCH_TIMEOUT,     HST_CU_CONTEXT_DESTROYED,   HST_CU_ASSERT,               HST_CU_UNKNOWN};
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
        if (fatal[i] == result) return true;
    return result >= HST_CU_HARDWARE_STACK && result <= HST_CU_LAUNCH_FAILED;
}

static int status_of(int result)
{
    if (result == HST_CU_OUT_OF_MEMORY) return HST_E_OUT_OF_DEVICE_MEMORY;
    if (hst_cuda_is_fatal(result)) return HST_E_DEVICE_LOST;
    bool is_away = result == HST_CU_DEVICE_UNAVAILABLE || result == HST_CU_NO_DEVICE || result == HST_CU_SYSTEM_NOT_READY || result == HST_CU_DRIVER_MISMATCH;
    return is_away ? HST_E_DEVICE_UNAVAILABLE : HST_E_DEVICE_FAILED;
}

int hst_cuda_error(const struct hst_cuda_driver *driver, int result, const char *what, struct hst_error *err)
{
    const char *name = NULL, *text = NULL;
    if (driver->cuGetErrorName(result, &name) != HST_CU_SUCCESS || name == NULL) name = "unknown to the driver";
    if (driver->cuGetErrorString(result, &text) != HST_CU_SUCCESS || text == NULL) text = "no text";
    return hst_error_set(err, status_of(result), "%s: %s (%d: %s)", what, name, result, text);
}

void hst_cuda_uuid_text(const struct hst_cu_uuid *uuid, bool is_mig, char out[64])
{
    static const unsigned char dash_before[16] = {[4] = 1, [6] = 1, [8] = 1, [10] = 1};
    int length = snprintf(out, 64, "%s", is_mig ? "MIG-" : "GPU-");
    for (int i = 0; i < 16; i++)
        length += snprintf(out + length, 64 - (size_t)length, "%s%02x", dash_before[i] ? "-" : "", uuid->bytes[i]);
}
