#ifndef HST_GPU_MESSAGE_H
#define HST_GPU_MESSAGE_H
/** @file
 * What hoistd and hoist-device say to each other: packets of one frame and files. Both are of one build, and say so in every packet. The socket that a
 * hoist-device is started with brings channels and nothing else; on a channel one call follows the other:
 *
 *     hoistd:        FILES* verb             CANCEL?
 *     hoist-device:  HELLO (once)  PROGRESS*          FILES* RESULT
 *
 * The files of a call, in order: its segments (but of ALLOCATE, which has none yet), its sources, and a sealed memfd with what has no fixed length, the
 * sheet: `segments` sizes (uint64_t), then `extents` extents. */
#include "base/error.h"
#include "gpu/limits.h"
#include "os/seqpacket.h"

/** In every packet: "hgpu", and the version of what is below. */
#define HST_GPU_MAGIC (UINT64_C(0x7570676800000000) | 1)
/** What hoist-device exits with when its context, or the card, is lost. */
#define HST_GPU_EXIT_LOST 3

/** What a packet says. */
enum hst_gpu_verb {
    HST_GPU_CHANNEL = 1, /**< on the first socket: one file, a socket to be served from now on */
    HST_GPU_HELLO,       /**< the first packet of a channel */
    HST_GPU_FILES,       /**< more files of the call, or of its result */
    HST_GPU_ALLOCATE,    /**< segments; result: one file for each */
    HST_GPU_FILL,        /**< segments, sources, extents: bring them in; progress */
    HST_GPU_COMPARE,     /**< the same: are they what is there? result: `equal` */
    HST_GPU_CHECK,       /**< segments: does the card still have them? */
    HST_GPU_INFO,        /**< result: `info` */
    HST_GPU_CANCEL,      /**< the call that is under way is not wanted any more */
    HST_GPU_PROGRESS,    /**< done_bytes; `waiting` */
    HST_GPU_RESULT,      /**< status, text and figures, and what the verb says */
    HST_GPU_VERBS        /**< how many there are */
};

/** Processes that are named of a card, at most. */
#define HST_GPU_PROCESSES 8u
/** A process that computes on a card. */
struct hst_gpu_process {
    uint64_t used_bytes; /**< of its memory; UINT64_MAX = the driver does not say */
    uint64_t pid;        /**< as NVML numbers it */
};

/** What is known of a card at a moment. */
struct hst_gpu_info {
    uint64_t total_bytes;        /**< of its memory; UINT64_MAX = not known, as in what follows */
    uint64_t free_bytes;         /**< whoever uses the rest */
    uint64_t used_bytes;         /**< by everybody */
    uint64_t ecc_errors;         /**< uncorrectable ones since the driver was loaded */
    int32_t utilization_percent; /**< of its time; -1 = not known */
    int32_t temperature_c;       /**< -1 = not known */
    uint64_t xid;                /**< the last critical Xid since this process watches for them; 0 = none; UINT64_MAX = that is not known, as where it has only listed cards */
    int32_t process_count;       /**< how many compute there, hoist-device included; -1 = not known */
    int32_t own_pids;            /**< 1 = NVML numbers processes as this one does; 0 = that is not known, as in a container */
    struct hst_gpu_process processes[HST_GPU_PROCESSES]; /**< those with the most bytes, these first; 0 behind the last */
};
/** One of which nothing is known. */
#define HST_GPU_INFO_UNKNOWN ((struct hst_gpu_info){UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, -1, -1, UINT64_MAX, -1, 0, {{0, 0}}})
/** How many of `processes` there are. */
unsigned hst_gpu_info_named(const struct hst_gpu_info *info);

/** A run of bytes of a source, and where it goes. */
struct hst_gpu_extent {
    uint64_t offset;     /**< in the source */
    uint64_t size_bytes; /**< how many */
    uint64_t to;         /**< offset in the segment */
    uint32_t source;     /**< which */
    uint32_t segment;    /**< which */
    uint32_t from_dtype; /**< enum hst_dtype of the numbers in the source; 0, as to_dtype: bytes are brought in as they are */
    uint32_t to_dtype;   /**< what they become on the card: of as many bytes more or less. Of FILL only */
};

/** A packet, but its files. */
struct hst_gpu_frame {
    uint64_t magic;               /**< HST_GPU_MAGIC */
    uint32_t verb;                /**< enum hst_gpu_verb */
    int32_t status;               /**< of a result: 0 or a negative enum hst_status */
    uint64_t sequence;            /**< of the call: in everything that answers it */
    uint32_t segments;            /**< of a call */
    uint32_t sources;             /**< of a call */
    uint64_t extents;             /**< of a call */
    uint64_t done_bytes;          /**< of progress and of a result: brought in */
    uint64_t required_bytes;      /**< of a result: as in struct hst_error */
    uint64_t available_bytes;     /**< of a result: as in struct hst_error */
    uint32_t equal;               /**< of a result of COMPARE: 0 or 1 */
    uint32_t ends;                /**< of a result: 1 = the process ends now: it may hold what it could not give back */
    uint32_t waiting;             /**< of progress: 1 = it waits for others of the same process, which is no reason to worry */
    uint32_t reserved;            /**< 0 */
    struct hst_gpu_info info;     /**< of a result of INFO; of one that ends the process, `xid` */
    char text[HST_ERROR_TEXT_MAX]; /**< of a result that is none: why */
};

/** A packet that arrived. */
struct hst_gpu_packet {
    struct hst_gpu_frame frame;     /**< what it says */
    struct hst_seqpacket_fds files; /**< what it brought: owned */
};

/** Files of a call: owned. */
struct hst_gpu_files {
    int *fds;     /**< open */
    size_t count; /**< of fds */
};

/** Send one, waiting at most so long. HST_E_UNREACHABLE, HST_E_CANCELLED when that was not enough */
int hst_gpu_send(int fd, uint32_t verb, struct hst_gpu_frame *frame, int timeout_ms, struct hst_error *err);
/** Send files, as many packets as it takes. */
int hst_gpu_send_files(int fd, const int *fds, size_t count, uint64_t sequence, int timeout_ms, struct hst_error *err);
/** Send a channel. */
int hst_gpu_send_channel(int fd, int channel, int timeout_ms, struct hst_error *err);
/** Receive one, waiting at most so long (negative = without end). HST_E_UNREACHABLE, HST_E_CANCELLED (nothing came), HST_E_PROTOCOL. `files` of the one before were
 * taken or closed. */
int hst_gpu_receive(int fd, struct hst_gpu_packet *packet, int timeout_ms, struct hst_error *err);
/** Take over the files of a packet: behind those that are there. Up to `most` in all; HST_E_PROTOCOL, HST_E_NOMEM leave them where they were. */
int hst_gpu_files_add(struct hst_gpu_files *files, struct hst_gpu_packet *packet, size_t most, struct hst_error *err);
/** Close them all and free: also a cleanup function. */
void hst_gpu_files_fini(struct hst_gpu_files *files);
/** Put an error into a result. */
void hst_gpu_put_error(struct hst_gpu_frame *result, int status, const struct hst_error *why);
/** Take it out again. @return the status */
int hst_gpu_take_error(struct hst_gpu_frame *result, struct hst_error *err);
#endif
