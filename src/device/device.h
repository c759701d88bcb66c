#ifndef HST_DEVICE_DEVICE_H
#define HST_DEVICE_DEVICE_H
/** @file
 * A place where weights are resident: a budget, and a backend behind a vtable. `host` (RAM) is the embedded default, `cuda` a card.
 * Accounting is here, once, for every backend: reserve before allocate, so that a budget is never exceeded.
 * Reservation is loop thread only; the ops marked [worker] run on a worker thread, several at once, but one per memory. */
#include "base/error.h"
#include "formats/tensors.h"
#include <stdatomic.h>

struct hst_device;

/** A run of bytes that a device copies from or references, and where they go. */
struct hst_device_extent {
    int fd;              /**< borrowed: file or tmpfs segment that holds the bytes */
    uint64_t offset;     /**< first byte in it */
    uint64_t size_bytes; /**< how many */
    uint32_t segment;    /**< of the memory; 0 where a backend references RAM */
    uint64_t to;         /**< offset in that segment */
    enum hst_dtype from_dtype; /**< numbers of which type they are; 0, as to_dtype: they are brought in as they are */
    enum hst_dtype to_dtype;   /**< and what the device makes of them, with the bits of hst_convert: size_bytes are whole numbers, `to` is a multiple of what one
                                * takes there. Only where ops->converts */
};

/** A run of a device's memory, as clients get it. */
struct hst_device_segment {
    int fd;              /**< shareable handle: whoever imports it maps all of it, and while anybody has it open the memory lives. Borrowed from the memory */
    uint64_t size_bytes; /**< multiple of the backend's granularity */
};

/** Memory on a device; private to its backend. */
struct hst_device_memory;

/** How far a fill is, and whether it is still wanted. Shared between the loop and a worker. */
struct hst_device_progress {
    const _Atomic(bool) *cancel;  /**< stop soon; borrowed */
    _Atomic(uint64_t) done_bytes; /**< brought in so far */
};

/** Processes that are named of a device, at most. */
#define HST_DEVICE_PROCESSES 8u
/** A process that computes on a device. */
struct hst_device_process {
    uint64_t used_bytes; /**< of its memory; UINT64_MAX = the driver does not say */
    uint32_t pid;        /**< as the driver numbers it */
};

/** What the driver says of a device, as of a moment. */
struct hst_device_figures {
    bool known;              /**< is any of it? */
    int64_t at_wall_ns;      /**< when it was asked */
    uint64_t free_bytes;     /**< of the device, whoever uses the rest */
    uint64_t used_bytes;     /**< by everybody */
    int utilization_percent; /**< of its time; -1 = not known */
    int temperature_c;       /**< -1 = not known */
    uint64_t ecc_errors;     /**< uncorrectable ones since the driver was loaded; UINT64_MAX = not known */
    uint64_t xid;            /**< the last critical Xid that was told, known or not what else; 0 = none; UINT64_MAX = nobody has watched */
    int process_count;       /**< how many compute there, hoist's own included; -1 = not known */
    unsigned named_count;    /**< of processes */
    struct hst_device_process processes[HST_DEVICE_PROCESSES]; /**< those with the most bytes, these first */
    bool own_pids;           /**< does the driver number processes as hoistd does? Else their numbers say nothing of names and leases */
    char state[24];          /**< "ok", "lost", "unavailable" */
    char why[160];           /**< unless ok: what the driver said */
};

/** A backend. Every slot is required unless it says optional. */
struct hst_device_ops {
    const char *kind;     /**< "host", "cuda" */
    bool converts;        /**< fill takes extents with types, any two of those of hst_convert. HST_E_OUT_OF_DEVICE_MEMORY and HST_E_DEVICE_FAILED of such a fill:
                           * without them, after the host has converted, it may work */
    bool references_ram;  /**< its memory is the RAM tier's own: it costs no further bytes, and RAM must stay while it is loaded */
    uint64_t granularity; /**< segments are multiples of it; 1 for a backend that references RAM */
    /** Prepare segments of these sizes for a component. HST_E_OUT_OF_DEVICE_MEMORY leaves nothing behind. [worker] *ret_memory owned by the caller. */
    int (*allocate)(void *backend, const uint64_t *segment_bytes, size_t count, struct hst_device_memory **ret_memory, struct hst_error *err);
    /** Memory of an earlier hoistd, by its descriptors: checks that the device still has it. Takes the descriptors when it succeeds. [worker] Optional:
     * NULL for a backend that references RAM. */
    int (*adopt)(void *backend, const struct hst_device_segment *segments, size_t count, struct hst_device_memory **ret_memory, struct hst_error *err);
    /** Bring the extents in. Looks at progress->cancel now and then (HST_E_CANCELLED). [worker] */
    int (*fill)(struct hst_device_memory *memory, const struct hst_device_extent *extents, size_t count, struct hst_device_progress *progress,
                struct hst_error *err);
    /** Is what these extents, without types, have equal to what the memory has at their places, byte for byte? [worker] Optional, as adopt. */
    int (*compare)(struct hst_device_memory *memory, const struct hst_device_extent *extents, size_t count, bool *ret_equal, struct hst_error *err);
    /** The segments of a memory, in the order of allocate; borrowed. Any thread. Optional, as adopt. */
    const struct hst_device_segment *(*segments)(const struct hst_device_memory *memory, size_t *ret_count);
    /** Free. Never fails, does not block. Loop or worker. */
    void (*release)(struct hst_device_memory *memory);
    /** Total bytes of the device itself (not the budget). */
    uint64_t (*total_bytes)(void *backend);
    /** What the driver said last; asks again in the background when that is older than a second. Loop thread. Optional: NULL = nobody can say. */
    void (*figures)(void *backend, struct hst_device_figures *ret_figures);
    /** Call lost(context, why) on the loop thread whenever what was on the device is gone. Optional. */
    void (*watch)(void *backend, void (*lost)(void *context, const struct hst_error *why), void *context);
    /** Close the backend. */
    void (*close)(void *backend);
};

/** A device. Fields are read-only outside device/. */
struct hst_device {
    char id[32];               /**< "host:0", "cuda:0" */
    char uuid[64];             /**< stable identity; for host a digest of the machine's id, for a card what the driver says */
    char name[128];            /**< for people */
    const struct hst_device_ops *ops; /**< backend */
    void *backend;             /**< backend's own */
    uint64_t budget_bytes;     /**< may be reserved at most */
    uint64_t reserved_bytes;   /**< reserved now (loaded, or about to be) */
    int64_t changed_wall_ns;   /**< when that last changed: figures of the driver from before say nothing of what others use */
};

/** Make a device over a backend, which it owns from now on (also on failure). *ret_device owned by the caller. */
int hst_device_new(const char *id, const char *name, const struct hst_device_ops *ops, void *backend, uint64_t budget_bytes,
                   struct hst_device **ret_device, struct hst_error *err);
/** Close; nothing may be reserved any more. NULL is fine. */
void hst_device_free(struct hst_device *device);
/** Take `size_bytes` of the budget, or HST_E_OUT_OF_DEVICE_MEMORY with the figures. */
int hst_device_reserve(struct hst_device *device, uint64_t size_bytes, struct hst_error *err);
/** Take them, whatever the budget: they are in use already. */
void hst_device_charge(struct hst_device *device, uint64_t size_bytes);
/** Give it back. */
void hst_device_unreserve(struct hst_device *device, uint64_t size_bytes);
/** Budget that is not reserved. */
uint64_t hst_device_available(const struct hst_device *device);
#endif
