#ifndef HST_GPU_STAGING_H
#define HST_GPU_STAGING_H
/** @file
 * Numbers that become those of another type on the card: they are copied as they are stored, piece by piece, to where a lane has room for them on the card, and
 * from there the card puts them in their place. What is stored in fewer bytes so passes the link in fewer. */
#include "gpu/context.h"
#include "gpu/lanes.h"
#include "gpu/message.h"

/** Types of numbers: as stored, and on the card. Both 0: the same, whatever it is. */
struct hst_gpu_types {
    enum hst_dtype from; /**< in the source */
    enum hst_dtype to;   /**< on the card */
};

/** Those of an extent. */
struct hst_gpu_types hst_gpu_types_of(const struct hst_gpu_extent *extent);
/** What `bytes` bytes of the source take on the card. */
uint64_t hst_gpu_types_bytes(struct hst_gpu_types types, uint64_t bytes);
/** `bytes`, less what is of a number that does not end in them. */
uint64_t hst_gpu_types_whole(struct hst_gpu_types types, uint64_t bytes);

/** Make ready to convert on a lane: the kernel, and room on the card (HST_GPU_STAGING_BYTES), which stay. The context is entered. What
 * hst_cuda_error says: HST_E_OUT_OF_DEVICE_MEMORY, HST_E_DEVICE_FAILED leave a lane that can be used for all else. */
int hst_gpu_staging_prepare(struct hst_gpu_context *context, struct hst_gpu_lane *lane, struct hst_error *err);
/** Start to bring in numbers that are converted: `size` bytes at `bytes`, which stay until the lane's stream is done with them, to `address` on the card. */
int hst_gpu_staging_bring(const struct hst_gpu_context *context, const struct hst_gpu_lane *lane, struct hst_gpu_types types, const uint8_t *bytes, uint64_t size,
                          unsigned long long address, struct hst_error *err);
#endif
