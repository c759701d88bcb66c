#ifndef HST_CUDA_DRIVER_H
#define HST_CUDA_DRIVER_H
/** @file
 * NVIDIA's driver library as a table of functions, found at run time: hoist is built, and runs, without anything of CUDA. Types, values and
 * signatures are those of the CUDA driver API (cuda.h of CUDA 12); a member has the name of its function without the suffix of its version.
 * Whoever calls them has a context current where the API wants one; a non-zero return is turned into a status by hst_cuda_error. */
#include "base/error.h"
#include <stddef.h>

/** Place of memory: CUmemLocation. */
struct hst_cu_location {
    int type; /**< HST_CU_LOCATION_DEVICE */
    int id;   /**< ordinal of the device */
};
/** What to allocate: CUmemAllocationProp. */
struct hst_cu_allocation {
    int type;                        /**< HST_CU_ALLOCATION_PINNED */
    int handle_types;                /**< HST_CU_HANDLE_POSIX_FD */
    struct hst_cu_location location; /**< where */
    void *win32;                     /**< NULL */
    struct {
        unsigned char compression_type; /**< 0 */
        unsigned char rdma_capable;     /**< 0 */
        unsigned short usage;           /**< 0 */
        unsigned char reserved[4];      /**< 0 */
    } flags;                         /**< allocFlags */
};
/** Who may do what with mapped memory: CUmemAccessDesc. */
struct hst_cu_access {
    struct hst_cu_location location; /**< which device */
    int flags;                       /**< HST_CU_ACCESS_READ, HST_CU_ACCESS_READ_WRITE */
};
/** A device's identity: CUuuid. */
struct hst_cu_uuid {
    unsigned char bytes[16]; /**< big-endian, as people write it behind "GPU-" or "MIG-" */
};

/** Values of CUDA's enumerations, with their own names in the comment. */
enum hst_cu_value {
    HST_CU_LOCATION_DEVICE = 1,      /**< CU_MEM_LOCATION_TYPE_DEVICE */
    HST_CU_ALLOCATION_PINNED = 1,    /**< CU_MEM_ALLOCATION_TYPE_PINNED */
    HST_CU_HANDLE_POSIX_FD = 1,      /**< CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR */
    HST_CU_ACCESS_READ = 1,          /**< CU_MEM_ACCESS_FLAGS_PROT_READ */
    HST_CU_ACCESS_READ_WRITE = 3,    /**< CU_MEM_ACCESS_FLAGS_PROT_READWRITE */
    HST_CU_GRANULARITY_MINIMUM = 0,  /**< CU_MEM_ALLOC_GRANULARITY_MINIMUM */
    HST_CU_GRANULARITY_RECOMMENDED = 1, /**< CU_MEM_ALLOC_GRANULARITY_RECOMMENDED */
    HST_CU_CTX_BLOCKING_SYNC = 4,    /**< CU_CTX_SCHED_BLOCKING_SYNC */
    HST_CU_STREAM_NON_BLOCKING = 1,  /**< CU_STREAM_NON_BLOCKING */
    HST_CU_EVENT_DISABLE_TIMING = 2, /**< CU_EVENT_DISABLE_TIMING */
    HST_CU_EVENT_BLOCKING_SYNC = 1,  /**< CU_EVENT_BLOCKING_SYNC */
    HST_CU_HOST_REGISTER_PORTABLE = 1, /**< CU_MEMHOSTREGISTER_PORTABLE */
    HST_CU_HOST_ALLOC_PORTABLE = 1,  /**< CU_MEMHOSTALLOC_PORTABLE */
    HST_CU_ATTRIBUTE_VMM = 102,      /**< CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED */
    HST_CU_ATTRIBUTE_POSIX_FD = 103, /**< CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED */
    HST_CU_ATTRIBUTE_MAJOR = 75,     /**< CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR */
    HST_CU_ATTRIBUTE_MINOR = 76,     /**< CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR */
    HST_CU_ATTRIBUTE_INTEGRATED = 18, /**< CU_DEVICE_ATTRIBUTE_INTEGRATED */
};

/** Results (CUresult) that are treated apart. */
enum hst_cu_result {
    HST_CU_SUCCESS = 0,             /**< CUDA_SUCCESS */
    HST_CU_INVALID_VALUE = 1,       /**< CUDA_ERROR_INVALID_VALUE */
    HST_CU_OUT_OF_MEMORY = 2,       /**< CUDA_ERROR_OUT_OF_MEMORY */
    HST_CU_NOT_INITIALIZED = 3,     /**< CUDA_ERROR_NOT_INITIALIZED */
    HST_CU_DEINITIALIZED = 4,       /**< CUDA_ERROR_DEINITIALIZED */
    HST_CU_STUB_LIBRARY = 34,       /**< CUDA_ERROR_STUB_LIBRARY: a toolkit's library without a driver */
    HST_CU_DEVICE_UNAVAILABLE = 46, /**< CUDA_ERROR_DEVICE_UNAVAILABLE: busy or in exclusive mode */
    HST_CU_NO_DEVICE = 100,         /**< CUDA_ERROR_NO_DEVICE */
    HST_CU_INVALID_DEVICE = 101,    /**< CUDA_ERROR_INVALID_DEVICE */
    HST_CU_INVALID_CONTEXT = 201,   /**< CUDA_ERROR_INVALID_CONTEXT */
    HST_CU_ECC_UNCORRECTABLE = 214, /**< CUDA_ERROR_ECC_UNCORRECTABLE; sticky */
    HST_CU_NVLINK_UNCORRECTABLE = 220, /**< CUDA_ERROR_NVLINK_UNCORRECTABLE; sticky */
    HST_CU_CONTAINED = 226,         /**< CUDA_ERROR_CONTAINED; sticky */
    HST_CU_INVALID_HANDLE = 400,    /**< CUDA_ERROR_INVALID_HANDLE */
    HST_CU_NOT_FOUND = 500,         /**< CUDA_ERROR_NOT_FOUND */
    HST_CU_NOT_READY = 600,         /**< CUDA_ERROR_NOT_READY: no error */
    HST_CU_ILLEGAL_ADDRESS = 700,   /**< CUDA_ERROR_ILLEGAL_ADDRESS; sticky */
    HST_CU_LAUNCH_TIMEOUT = 702,    /**< CUDA_ERROR_LAUNCH_TIMEOUT; sticky */
    HST_CU_CONTEXT_DESTROYED = 709, /**< CUDA_ERROR_CONTEXT_IS_DESTROYED */
    HST_CU_ASSERT = 710,            /**< CUDA_ERROR_ASSERT; sticky */
    HST_CU_HARDWARE_STACK = 714,    /**< CUDA_ERROR_HARDWARE_STACK_ERROR; the first of a run of sticky ones */
    HST_CU_LAUNCH_FAILED = 719,     /**< CUDA_ERROR_LAUNCH_FAILED; the last of them */
    HST_CU_NOT_PERMITTED = 800,     /**< CUDA_ERROR_NOT_PERMITTED */
    HST_CU_NOT_SUPPORTED = 801,     /**< CUDA_ERROR_NOT_SUPPORTED */
    HST_CU_SYSTEM_NOT_READY = 802,  /**< CUDA_ERROR_SYSTEM_NOT_READY: fabric manager */
    HST_CU_DRIVER_MISMATCH = 803,   /**< CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: the kernel's driver is another one, as after an upgrade */
    HST_CU_COMPAT_NOT_SUPPORTED = 804, /**< CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE */
    HST_CU_UNKNOWN = 999,           /**< CUDA_ERROR_UNKNOWN; sticky */
};

/** The driver. Functions marked "may be NULL" are missing in drivers that we still take. */
struct hst_cuda_driver {
    void *library; /**< of dlopen */
    int version;   /**< of the API it offers: 1000 * major + 10 * minor */
    char path[256]; /**< which library it is */
    int (*cuInit)(unsigned flags);                                                             /**< first of all */
    int (*cuDriverGetVersion)(int *version);                                                   /**< see `version` */
    int (*cuGetErrorName)(int error, const char **name);                                       /**< "CUDA_ERROR_..." */
    int (*cuGetErrorString)(int error, const char **text);                                     /**< for people */
    int (*cuDeviceGetCount)(int *count);                                                       /**< visible devices */
    int (*cuDeviceGet)(int *device, int ordinal);                                              /**< a device */
    int (*cuDeviceGetName)(char *name, int length, int device);                                /**< for people */
    int (*cuDeviceGetUuid)(struct hst_cu_uuid *uuid, int device);                              /**< _v2: of a MIG slice its own */
    int (*cuDeviceTotalMem)(size_t *bytes, int device);                                        /**< _v2 */
    int (*cuDeviceGetAttribute)(int *value, int attribute, int device);                        /**< HST_CU_ATTRIBUTE_* */
    int (*cuDeviceGetPCIBusId)(char *id, int length, int device);                              /**< "0000:01:00.0" */
    int (*cuDeviceCanAccessPeer)(int *can, int device, int peer);                              /**< by NVLink or PCIe */
    int (*cuDevicePrimaryCtxRetain)(void **context, int device);                               /**< the one that PyTorch uses, too */
    int (*cuDevicePrimaryCtxRelease)(int device);                                              /**< _v2 */
    int (*cuCtxCreate)(void **context, unsigned flags, int device);                            /**< _v2; becomes current */
    int (*cuCtxDestroy)(void *context);                                                        /**< _v2 */
    int (*cuCtxPushCurrent)(void *context);                                                    /**< _v2 */
    int (*cuCtxPopCurrent)(void **context);                                                    /**< _v2 */
    int (*cuCtxSetCurrent)(void *context);                                                     /**< of this thread */
    int (*cuCtxGetCurrent)(void **context);                                                    /**< NULL = none */
    int (*cuCtxSynchronize)(void);                                                             /**< wait for all of the context's work */
    int (*cuMemGetInfo)(size_t *free_bytes, size_t *total_bytes);                              /**< _v2; needs a context */
    int (*cuMemGetAllocationGranularity)(size_t *bytes, const struct hst_cu_allocation *allocation, int option); /**< sizes are multiples of it */
    int (*cuMemCreate)(unsigned long long *handle, size_t bytes, const struct hst_cu_allocation *allocation, unsigned long long flags); /**< physical memory */
    int (*cuMemRelease)(unsigned long long handle);                                            /**< freed with its last mapping and shareable handle */
    int (*cuMemAddressReserve)(unsigned long long *address, size_t bytes, size_t alignment, unsigned long long wish, unsigned long long flags); /**< addresses */
    int (*cuMemAddressFree)(unsigned long long address, size_t bytes);                         /**< see cuMemAddressReserve */
    int (*cuMemMap)(unsigned long long address, size_t bytes, size_t offset, unsigned long long handle, unsigned long long flags); /**< offset 0 */
    int (*cuMemUnmap)(unsigned long long address, size_t bytes);                               /**< see cuMemMap */
    int (*cuMemSetAccess)(unsigned long long address, size_t bytes, const struct hst_cu_access *access, size_t count); /**< who may do what */
    int (*cuMemExportToShareableHandle)(void *shareable, unsigned long long handle, int type, unsigned long long flags); /**< *shareable = int fd */
    int (*cuMemImportFromShareableHandle)(unsigned long long *handle, void *shareable, int type); /**< shareable = (void *)(uintptr_t)fd, which stays the caller's */
    int (*cuMemGetAllocationPropertiesFromHandle)(struct hst_cu_allocation *allocation, unsigned long long handle); /**< what was asked for */
    int (*cuMemHostAlloc)(void **address, size_t bytes, unsigned flags);                       /**< pinned memory of its own */
    int (*cuMemFreeHost)(void *address);                                                       /**< see cuMemHostAlloc */
    int (*cuMemHostRegister)(void *address, size_t bytes, unsigned flags);                     /**< _v2: pin what is there; it must be writable */
    int (*cuMemHostUnregister)(void *address);                                                 /**< before it is unmapped */
    int (*cuMemcpyHtoDAsync)(unsigned long long to, const void *from, size_t bytes, void *stream); /**< _v2 */
    int (*cuMemcpyDtoHAsync)(void *to, unsigned long long from, size_t bytes, void *stream);   /**< _v2 */
    int (*cuMemcpyDtoDAsync)(unsigned long long to, unsigned long long from, size_t bytes, void *stream); /**< _v2 */
    int (*cuStreamCreate)(void **stream, unsigned flags);                                      /**< HST_CU_STREAM_NON_BLOCKING */
    int (*cuStreamDestroy)(void *stream);                                                      /**< _v2 */
    int (*cuStreamSynchronize)(void *stream);                                                  /**< wait for its work */
    int (*cuStreamQuery)(void *stream);                                                        /**< HST_CU_NOT_READY while it works */
    int (*cuStreamWaitEvent)(void *stream, void *event, unsigned flags);                       /**< order between streams */
    int (*cuEventCreate)(void **event, unsigned flags);                                        /**< HST_CU_EVENT_* */
    int (*cuEventDestroy)(void *event);                                                        /**< _v2 */
    int (*cuEventRecord)(void *event, void *stream);                                           /**< reached when all before it is done */
    int (*cuEventQuery)(void *event);                                                          /**< HST_CU_NOT_READY until then */
    int (*cuEventSynchronize)(void *event);                                                    /**< wait until then */
    int (*cuEventElapsedTime)(float *ms, void *begin, void *end);                              /**< between two that time */
    int (*cuModuleLoadData)(void **module, const void *image);                                 /**< PTX text, NUL-ended */
    int (*cuModuleUnload)(void *module);                                                       /**< see cuModuleLoadData */
    int (*cuModuleGetFunction)(void **function, void *module, const char *name);               /**< a kernel */
    int (*cuLaunchKernel)(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
                          unsigned shared_bytes, void *stream, void **parameters, void **extra); /**< run one */
};

/** Load $HOIST_CUDA_DRIVER, or libcuda.so.1, once a process, and initialise it: *ret_driver lives as long as the process. HST_E_DEVICE_UNAVAILABLE with the
 * reason: no driver, no card, too old (before 11.2), not initialising. Any thread. */
int hst_cuda_driver_get(const struct hst_cuda_driver **ret_driver, struct hst_error *err);
/** Turn a CUresult that is not 0 into an error of ours, with the driver's own name of it; `what` was being done. @return HST_E_OUT_OF_DEVICE_MEMORY,
 * HST_E_DEVICE_LOST (hst_cuda_is_fatal), HST_E_DEVICE_UNAVAILABLE (busy, exclusive, driver replaced under us), else HST_E_DEVICE_FAILED */
int hst_cuda_error(const struct hst_cuda_driver *driver, int result, const char *what, struct hst_error *err);
/** Is nothing to be had of this context any more (sticky errors, ECC, a lost device)? */
bool hst_cuda_is_fatal(int result);
/** "GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" of a device ("MIG-..." of a slice where NVML says so): `out` has 64 bytes. */
void hst_cuda_uuid_text(const struct hst_cu_uuid *uuid, bool is_mig, char out[64]);
#endif
