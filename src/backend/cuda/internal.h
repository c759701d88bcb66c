#ifndef HST_BACKEND_CUDA_INTERNAL_H
#define HST_BACKEND_CUDA_INTERNAL_H
/** @file
 * What the files of this backend share. */
#include "backend/cuda/cuda.h"
#include "gpu/link.h"
#include "os/exec.h"
#include <pthread.h>

/** How a card is. */
enum hst_cuda_state {
    HST_CUDA_OK,          /**< as far as anybody knows */
    HST_CUDA_LOST,        /**< what was on it is gone; calls fail at once for a while */
    HST_CUDA_UNAVAILABLE, /**< the driver does not let anybody have it */
};

/** The backend of one card. */
struct hst_cuda {
    struct hst_device_ops ops;  /**< with this card's granularity */
    struct hst_cuda_card card;  /**< as it was found */
    char *program;              /**< hoist-device; owned */
    struct hst_gpu_link *link;  /**< to its hoist-device */
    struct hst_exec *exec;      /**< one thread, which asks for figures */
    bool asking;                /**< it does; loop thread */
    uv_timer_t look;            /**< now and then: has hoist-device ended by itself? */
    bool looking;               /**< that timer is not closed */
    uint64_t listed_ns;         /**< when cards were listed; that thread alone */
    void (*lost)(void *context, const struct hst_error *why); /**< of hst_device_ops.watch; loop thread */
    void *lost_context;         /**< handed to it */

    pthread_mutex_t lock;              /**< guards the rest */
    enum hst_cuda_state state;         /**< how it is */
    struct hst_error why;              /**< unless OK */
    bool unsure;                       /**< it was unavailable: does it still have what it had? */
    uint64_t not_before_ns;            /**< lost: when calls are made again */
    unsigned retry_ms;                 /**< lost: how long it takes after the next time */
    struct hst_device_figures figures; /**< the latest, but state, why and xid */
    uint64_t asked_ns;                 /**< when that was; 0 = never */
    struct hst_device_memory *memories; /**< all there are */
};

/** Memory: the descriptors. */
struct hst_device_memory {
    struct hst_device_memory *next;      /**< of the backend's */
    struct hst_device_memory *previous;  /**< of the backend's */
    struct hst_cuda *cuda;               /**< whose */
    struct hst_device_segment *segments; /**< for clients */
    int *fds;                            /**< the same descriptors: owned */
    uint64_t *sizes;                     /**< the same sizes */
    size_t count;                        /**< of each */
};

/** May a call be made? HST_E_DEVICE_LOST while it was lost a moment ago. Any thread. */
int hst_cuda_state_enter(struct hst_cuda *cuda, struct hst_error *err);
/** A call was made: what its status says of the card is kept, and told. @return the status */
int hst_cuda_state_note(struct hst_cuda *cuda, int status, const struct hst_error *why);
/** The slots of the vtable that are about memory. */
void hst_cuda_memory_set_ops(struct hst_device_ops *ops);
/** Those that are about what is known of the card. */
void hst_cuda_figures_set_ops(struct hst_device_ops *ops);
/** Does the card still have what is known to be there? Some thread, but the loop's. */
void hst_cuda_memory_check_any(struct hst_cuda *cuda);
/** Let `hoist-device list` say which cards there are. HST_E_DEVICE_UNAVAILABLE, HST_E_DEVICE_FAILED */
int hst_cuda_cards_ask(const char *program, struct hst_gpu_card cards[HST_CUDA_CARDS_MAX], size_t *ret_count, char ret_why[256], struct hst_error *err);
#endif
