#ifndef HST_CUDA_MAPPING_H
#define HST_CUDA_MAPPING_H
/** @file
 * Memory of a device that came as descriptors, mapped into this process: one contiguous range of addresses over all of them, in order. Used by
 * hoist-device to fill it, and by clients to compute on it. The caller has a context of the device current. */
#include "cuda/driver.h"

/** What to map. */
struct hst_cuda_part {
    int fd;              /**< shareable handle, borrowed: it may be closed as soon as this is mapped */
    uint64_t size_bytes; /**< of the allocation: multiple of the granularity */
};

/** A mapping. Zero-initialise; end with hst_cuda_unmap. */
struct hst_cuda_mapping {
    const struct hst_cuda_driver *driver; /**< whose */
    unsigned long long address;           /**< first byte; 0 = nothing is mapped */
    uint64_t size_bytes;                  /**< of the range */
    uint64_t *sizes;                      /**< owned: of each part */
    size_t count;                         /**< of sizes: parts that are mapped */
};

/** Import, reserve, map, and give `device` (an ordinal of this process) the access HST_CU_ACCESS_READ or HST_CU_ACCESS_READ_WRITE. Unwound when anything fails. */
int hst_cuda_map(const struct hst_cuda_driver *driver, int device, const struct hst_cuda_part *parts, size_t count, int access,
                 struct hst_cuda_mapping *ret_mapping, struct hst_error *err);
/** Unmap all of it and give its addresses back; nothing may use it any more (cuCtxSynchronize first). @return first CUresult that was not 0, or 0 */
int hst_cuda_unmap(struct hst_cuda_mapping *mapping);
#endif
