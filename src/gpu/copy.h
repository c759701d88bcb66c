#ifndef HST_GPU_COPY_H
#define HST_GPU_COPY_H
/** @file
 * Transfers: bytes of files to the card, or compared with what it has. Several threads read into slots of pinned memory while the card copies others;
 * runs that follow each other on both sides are one. */
#include "gpu/context.h"
#include "gpu/lanes.h"
#include "gpu/message.h"

/** A transfer. */
struct hst_gpu_copy {
    struct hst_gpu_context *context;      /**< entered */
    struct hst_gpu_lanes *lanes;          /**< of the process */
    unsigned long long address;           /**< where the segments are mapped, one after the other */
    const uint64_t *sizes;                /**< of each segment */
    size_t segment_count;                 /**< of sizes */
    const int *sources;                   /**< descriptors */
    size_t source_count;                  /**< of sources */
    const struct hst_gpu_extent *extents; /**< checked: each within its segment, of a source that is there */
    size_t extent_count;                  /**< of extents */
    bool compare;                         /**< compare instead of bringing in */
    /** Told now and then how many bytes have arrived, and whether it waits for a lane. @return false = not wanted any more */
    bool (*pulse)(void *pulsed, uint64_t done_bytes, bool waiting);
    void *pulsed; /**< for pulse */
};

/** Do it. *ret_equal: was everything equal (true unless it compares)? *ret_done_bytes is set in any case. Nothing is under way afterwards.
 * HST_E_CANCELLED, HST_E_DEVICE_*, HST_E_TRUNCATED, HST_E_IO, HST_E_NOMEM */
int hst_gpu_copy_run(const struct hst_gpu_copy *copy, bool *ret_equal, uint64_t *ret_done_bytes, struct hst_error *err);
#endif
