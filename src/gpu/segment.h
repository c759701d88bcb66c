#ifndef HST_GPU_SEGMENT_H
#define HST_GPU_SEGMENT_H
/** @file
 * A run of the card's memory, as a descriptor. */
#include "gpu/context.h"

/** Make one: `ret_fd`, owned by the caller, holds it, and nothing else does, unless `ret_released` (0 before), what the driver said when its handle was given back, is
 * not 0. `size_bytes` is a multiple of the granularity; the context is entered. HST_E_OUT_OF_DEVICE_MEMORY, HST_E_DEVICE_LOST, HST_E_DEVICE_FAILED */
int hst_gpu_segment_make(const struct hst_gpu_context *context, uint64_t size_bytes, int *ret_fd, int *ret_released, struct hst_error *err);
#endif
