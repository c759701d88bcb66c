#ifndef HST_GPU_CONTEXT_H
#define HST_GPU_CONTEXT_H
/** @file
 * The one context that a hoist-device has, on its card: made for the first call that needs it, gone with the process. */
#include "cuda/convert.h"
#include <pthread.h>

/** It. */
struct hst_gpu_context {
    const char *uuid;                     /**< of the card; borrowed */
    pthread_mutex_t lock;                 /**< guards the rest until it is made; then that does not change any more */
    const struct hst_cuda_driver *driver; /**< NULL = not looked for yet */
    int device;                           /**< of the driver */
    void *context;                        /**< NULL = not made yet */
    struct hst_cuda_converter converter;  /**< loaded for the first call that converts */
};

/** Make it current for this thread; make it first if there is none. HST_E_DEVICE_UNAVAILABLE (no driver, no such card, busy), HST_E_OUT_OF_DEVICE_MEMORY,
 * HST_E_DEVICE_LOST, HST_E_DEVICE_FAILED; the next call tries again. Any thread. */
int hst_gpu_context_enter(struct hst_gpu_context *context, struct hst_error *err);
/** Make its converter, unless it is made; the context is entered. HST_E_DEVICE_*; the next call tries again. Any thread. */
int hst_gpu_context_converter(struct hst_gpu_context *context, struct hst_error *err);
/** Has it been made? Any thread. */
bool hst_gpu_context_is_made(struct hst_gpu_context *context);
#endif
