#ifndef HST_GPU_LINK_H
#define HST_GPU_LINK_H
/** @file
 * hoistd's side of hoist-device: one link for a card. A process is started for the first call, and again for the next one after it has ended, of
 * whatever. Calls block, each on a channel of its own; any thread but the loop's, several at once.
 *
 *     no process --- a call ---> running --- idle, killed, hangs (then it is killed), lost ---> no process
 *
 * A call whose process ended under it is made once more with another process: it can be, as nothing is kept there. What every call may return:
 * HST_E_DEVICE_FAILED (it ended twice, or does not answer, or ends again and again and the next start has to wait), HST_E_DEVICE_LOST, HST_E_DEVICE_UNAVAILABLE,
 * HST_E_NOMEM. */
#include "gpu/card.h"
#include <stdatomic.h>

/** A link. */
struct hst_gpu_link;

/** What it is for. */
struct hst_gpu_link_config {
    const char *program;   /**< hoist-device; copied */
    const char *uuid;      /**< of the card; copied */
    unsigned idle_seconds; /**< without work for so long, a process ends; 0 = HST_GPU_IDLE_SECONDS */
    unsigned limit_ms;     /**< without a sign of life for so long, it is killed; 0 = HST_GPU_LIMIT_MS */
};

/** Memory of the card, as its descriptors. */
struct hst_gpu_memory {
    const int *fds;        /**< one for each segment; borrowed */
    const uint64_t *sizes; /**< bytes of each */
    size_t count;          /**< of segments, at most HST_GPU_SEGMENTS_MAX */
};

/** What to read, and where it goes. */
struct hst_gpu_reading {
    const int *sources;                    /**< descriptors open for reading; borrowed */
    size_t source_count;                   /**< of sources, at most HST_GPU_SOURCES_MAX */
    const struct hst_gpu_extent *extents;  /**< borrowed */
    size_t extent_count;                   /**< of extents, at most HST_GPU_EXTENTS_MAX */
    const _Atomic(bool) *cancel;           /**< stop soon; NULL = never */
    _Atomic(uint64_t) *done_bytes;         /**< how many have arrived; NULL = nobody wants to know */
};

/** Make one; nothing is started yet. *ret_link owned: hst_gpu_link_free. */
int hst_gpu_link_new(const struct hst_gpu_link_config *config, struct hst_gpu_link **ret_link, struct hst_error *err);
/** End the process, and free. No call is under way. NULL is fine. */
void hst_gpu_link_free(struct hst_gpu_link *link);
/** Make segments of these sizes: ret_fds[i] owned by the caller. HST_E_OUT_OF_DEVICE_MEMORY with the figures leaves nothing behind. */
int hst_gpu_link_allocate(struct hst_gpu_link *link, const uint64_t *sizes, size_t count, int *ret_fds, struct hst_error *err);
/** Bring the extents in. HST_E_CANCELLED; what reading a file says. */
int hst_gpu_link_fill(struct hst_gpu_link *link, const struct hst_gpu_memory *memory, const struct hst_gpu_reading *reading, struct hst_error *err);
/** Are they what the memory has? */
int hst_gpu_link_compare(struct hst_gpu_link *link, const struct hst_gpu_memory *memory, const struct hst_gpu_reading *reading, bool *ret_equal,
                         struct hst_error *err);
/** Does the card still have this memory? */
int hst_gpu_link_check(struct hst_gpu_link *link, const struct hst_gpu_memory *memory, struct hst_error *err);
/** What is known of the card just now. */
int hst_gpu_link_info(struct hst_gpu_link *link, struct hst_gpu_info *ret_info, struct hst_error *err);
/** The last critical Xid that any hoist-device of this link has told; 0 = none; UINT64_MAX = none has watched. Any thread, does not block. */
uint64_t hst_gpu_link_xid(const struct hst_gpu_link *link);
/** Does a process run? One that has ended is noticed here, too. */
bool hst_gpu_link_is_running(struct hst_gpu_link *link);
/** The process, for tests and for people; 0 = none. */
int hst_gpu_link_pid(struct hst_gpu_link *link);
/** What the process gets of hoistd's environment (hst_helper_command): where the driver is, and which cards it shows. */
const char *const *hst_gpu_link_environment(void);
#endif
