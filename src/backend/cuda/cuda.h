#ifndef HST_BACKEND_CUDA_CUDA_H
#define HST_BACKEND_CUDA_CUDA_H
/** @file
 * NVIDIA cards as devices. hoistd itself never loads the driver: `hoist-device list` says which cards there are, and a `hoist-device serve` of each, started
 * when it is needed and gone when it is not, creates, fills and checks memory (gpu/link.h). What is loaded lives in descriptors that hoistd and
 * hoist-keeper have, so it survives all of these processes. */
#include "device/device.h"
#include <uv.h>

/** Most cards of a machine. */
#define HST_CUDA_CARDS_MAX 16u

/** A card, or a MIG slice of one, as hoist-device saw it. */
struct hst_cuda_card {
    unsigned ordinal;      /**< the N of cuda:N */
    char uuid[64];         /**< "GPU-...", "MIG-..." */
    char name[128];        /**< for people */
    char pci_bus_id[32];   /**< "0000:01:00.0" */
    uint64_t total_bytes;  /**< of memory */
    uint64_t free_bytes;   /**< when it was listed; UINT64_MAX = not known */
    uint64_t granularity;  /**< of allocations */
    int major;             /**< compute capability */
    int minor;             /**< compute capability */
    int driver_version;    /**< of the API: 1000 * major + 10 * minor */
    bool usable;           /**< can its memory be shared between processes (VMM, POSIX descriptors)? */
};

/** What is needed to use one. */
struct hst_cuda_config {
    uv_loop_t *loop;       /**< the loop */
    const char *program;   /**< hoist-device */
    unsigned idle_seconds; /**< hoist-device ends after so long without work; 0 = 30 */
    unsigned limit_ms;     /**< without a sign of life for so long, it is killed; 0 = 30000 */
};

/** Which cards there are. None is no error: `ret_why` (256 bytes) then says why. Blocks until `hoist-device list` has answered, at most some seconds; without a
 * device file of NVIDIA's, and without $HOIST_CUDA_DRIVER, it is not even started. Before the loop runs, or from a thread. */
int hst_cuda_list(const char *program, struct hst_cuda_card cards[HST_CUDA_CARDS_MAX], size_t *ret_count, char ret_why[256], struct hst_error *err);
/** Make device `cuda:ORDINAL` with a budget; starts nothing yet. *ret_device owned by the caller (hst_device_free). */
int hst_cuda_open(const struct hst_cuda_config *config, const struct hst_cuda_card *card, uint64_t budget_bytes, struct hst_device **ret_device,
                  struct hst_error *err);
#endif
