#ifndef HST_GPU_LANES_H
#define HST_GPU_LANES_H
/** @file
 * Ways between files and the card: a lane is a stream and two slots of pinned memory, used by one thread of one transfer at a time. Lanes are made when they
 * are needed and kept until the process ends: pinning costs more than copying. */
#include "cuda/mapping.h"
#include "gpu/limits.h"
#include <pthread.h>

/** Memory that the card reads and writes. */
struct hst_gpu_slot {
    uint8_t *bytes;        /**< HST_GPU_SLOT_BYTES, page-aligned */
    bool pinned;           /**< by the driver; where it gives no more, plain memory does, at half the speed */
    void *event;           /**< reached when the copy of it is done */
    uint64_t flying_bytes; /**< being copied; 0 = it is free */
};

/** A lane. */
struct hst_gpu_lane {
    struct hst_gpu_lane *next;                  /**< that rests */
    void *stream;                               /**< its copies, one after the other */
    struct hst_gpu_slot slots[HST_GPU_SLOTS];   /**< used in turn */
    struct hst_cuda_mapping staging;            /**< on the card, for staging.h; nothing until it is needed */
};

/** All of a process. */
struct hst_gpu_lanes {
    pthread_mutex_t lock;         /**< guards the rest */
    struct hst_gpu_lane *resting; /**< free ones */
    unsigned made;                /**< how many there are */
};

/** Take one; `ret_lane` is set to NULL when all are in use. The context is current. HST_E_DEVICE_*, HST_E_NOMEM */
int hst_gpu_lanes_take(struct hst_gpu_lanes *lanes, const struct hst_cuda_driver *driver, struct hst_gpu_lane **ret_lane, struct hst_error *err);
/** Give it back; nothing is under way on it. */
void hst_gpu_lanes_put_back(struct hst_gpu_lanes *lanes, struct hst_gpu_lane *lane);
#endif
