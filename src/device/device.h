#ifndef HST_DEVICE_DEVICE_H
#define HST_DEVICE_DEVICE_H
/** @file
 * A place where weights are resident: a budget, and a backend behind a vtable. `host` (RAM) is the embedded default; `cuda` is a
 * later one. Accounting is here, once, for every backend: reserve before allocate, so that a budget is never exceeded.
 * Reservation is loop thread only; the ops marked [worker] run on a worker thread, one memory at a time. */
#include "base/error.h"
#include "formats/tensors.h"

struct hst_device;

/** A run of bytes in RAM that a device copies from or references. */
struct hst_device_extent {
    int fd;              /**< borrowed: file or tmpfs segment that holds the bytes */
    uint64_t offset;     /**< first byte in it */
    uint64_t size_bytes; /**< how many */
};

/** Memory on a device; private to its backend. */
struct hst_device_memory;

/** A backend. Every slot is required unless it says optional. */
struct hst_device_ops {
    const char *kind;     /**< "host", "cuda" */
    bool references_ram;  /**< its memory is the RAM tier's own: it costs no further bytes, and RAM must stay while it is loaded */
    /** Prepare `size_bytes` for a component. [worker] *ret_memory owned by the caller (ops->release). */
    int (*allocate)(void *backend, uint64_t size_bytes, struct hst_device_memory **ret_memory, struct hst_error *err);
    /** Bring the extents in, in order, one after the other. Checks *cancel now and then. [worker] */
    int (*fill)(struct hst_device_memory *memory, const struct hst_device_extent *extents, size_t count,
                const _Atomic(bool) *cancel, struct hst_error *err);
    /** Free. Never fails. [worker or loop] */
    void (*release)(struct hst_device_memory *memory);
    /** Total bytes of the device itself (not the budget). */
    uint64_t (*total_bytes)(void *backend);
    /** Close the backend. */
    void (*close)(void *backend);
};

/** A device. Fields are read-only outside device/. */
struct hst_device {
    char id[32];               /**< "host:0" */
    char uuid[64];             /**< stable identity; for host the machine id's hash */
    char name[128];            /**< for people */
    const struct hst_device_ops *ops; /**< backend */
    void *backend;             /**< backend's own */
    uint64_t budget_bytes;     /**< may be reserved at most */
    uint64_t reserved_bytes;   /**< reserved now (loaded, or about to be) */
};

/** Make a device over a backend, which it owns from now on (also on failure). *ret_device owned by the caller. */
int hst_device_new(const char *id, const char *name, const struct hst_device_ops *ops, void *backend, uint64_t budget_bytes,
                   struct hst_device **ret_device, struct hst_error *err);
/** Close; nothing may be reserved any more. NULL is fine. */
void hst_device_free(struct hst_device *device);
/** Take `size_bytes` of the budget, or HST_E_OUT_OF_DEVICE_MEMORY with the figures. */
int hst_device_reserve(struct hst_device *device, uint64_t size_bytes, struct hst_error *err);
/** Give it back. */
void hst_device_unreserve(struct hst_device *device, uint64_t size_bytes);
/** Budget that is not reserved. */
uint64_t hst_device_available(const struct hst_device *device);
#endif
