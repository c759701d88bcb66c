#ifndef HST_GPU_SEGMENT_H
#define HST_GPU_SEGMENT_H
/** @file
 * A run of the card's memory, as a descriptor. */
#include "gpu/context.h"

/** Make one: *ret_fd, owned by the caller, holds it, and nothing else does. `size_bytes` is a multiple of the granularity; the context is entered.
 * HST_E_OUT_OF_DEVICE_MEMORY, HST_E_DEVICE_* */
int hst_gpu_segment_make(const struct hst_gpu_context *context, uint64_t size_bytes, int *ret_fd, struct hst_error *err);
#endif
