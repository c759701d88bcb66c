#ifndef HST_DEVICE_LAYOUT_H
#define HST_DEVICE_LAYOUT_H
/** @file
 * Where the tensors of a component lie in a device's memory: one behind the other, aligned as kernels like it, in few large segments; no tensor lies in
 * two. Pure. */
#include "base/error.h"

/** Alignment of every tensor: what cudaMalloc gives, and what PyTorch's kernels count on. */
#define HST_DEVICE_ALIGNMENT UINT64_C(256)
/** A segment has at most so much, unless a single tensor is larger: mapping a handle costs some microseconds whatever its size, and a card that is nearly
 * full may still have four of these. */
#define HST_DEVICE_SEGMENT_BYTES (UINT64_C(4) << 30)

/** Where a tensor is. */
struct hst_device_spot {
    uint32_t segment; /**< index of a segment */
    uint64_t offset;  /**< of its first byte in it */
};

/** A layout. Zero-initialise; free with hst_device_layout_fini. */
struct hst_device_layout {
    uint64_t *segment_bytes;       /**< owned: sizes, multiples of the granularity */
    size_t segment_count;          /**< of segment_bytes */
    struct hst_device_spot *spots; /**< owned: one a tensor; of those without bytes and those that were left out (0, 0) */
    uint64_t size_bytes;           /**< of all segments */
};

/** Lay out `count` tensors of these sizes, in this order, without those for which `elsewhere` (NULL = none) is true. HST_E_NOMEM, HST_E_LIMIT_EXCEEDED (the sizes
 * overflow). */
int hst_device_layout_make(const uint64_t *sizes, const bool *elsewhere, size_t count, uint64_t granularity, struct hst_device_layout *ret_layout,
                           struct hst_error *err);
/** Free what it holds, and empty it. */
void hst_device_layout_fini(struct hst_device_layout *layout);
#endif
