#ifndef HST_LOAD_ALLOCATION_H
#define HST_LOAD_ALLOCATION_H
/** @file
 * What a component takes of a device. On a device that references RAM that is a number. On one with memory of its own it is a block for the tensors that
 * are nowhere on it yet, and the blocks in which the others lie already: tensors of other components that are known to be equal, because RAM has
 * both in one place (they were compared there). A block goes with the last allocation that has it, and its reservation with it. Loop thread only. */
#include "cache/claim.h"
#include "device/device.h"
#include "device/layout.h"

struct hst_loaded_entry;
struct hst_loader;

/** Memory of a device that is reserved, and once it is allocated, there. */
struct hst_block {
    unsigned refs;                    /**< allocations that have it */
    struct hst_device *device;        /**< where */
    struct hst_device_memory *memory; /**< owned; NULL until it is allocated */
    uint64_t size_bytes;              /**< reserved for it */
    uint64_t number;                  /**< by which hoist-keeper's items know it; 0 = none has it yet */
    uint64_t first;                   /**< which of that number's segments its first one is */
    unsigned going;                   /**< of these, counted by hst_allocation_freed; 0 in between */
};

/** Where a tensor is. */
struct hst_allocation_spot {
    uint32_t block;   /**< index of a block; 0 = its own */
    uint32_t segment; /**< of the block */
    uint64_t offset;  /**< of its first byte in the segment */
};

/** An allocation. All zero = there is none. */
struct hst_allocation {
    struct hst_device *device;         /**< where; NULL = there is none */
    struct hst_device_layout layout;   /**< of its own; on a device that references RAM one segment of all bytes, and no spots */
    struct hst_block **blocks;         /**< owned array, each referenced; the first is its own, NULL until it is reserved or when it has nothing of its own */
    size_t block_count;                /**< of blocks */
    struct hst_allocation_spot *spots; /**< owned, one a tensor; NULL on a device that references RAM */
    uint64_t *sizes;                   /**< owned, one a tensor: its bytes there; NULL likewise */
    size_t tensor_count;               /**< of the component */
    uint64_t shared_bytes;             /**< of tensors that lie in blocks of others */
};

/** What is to be allocated. Borrowed. */
struct hst_allocation_wish {
    const struct hst_loader *loader;     /**< knows what is on the device */
    struct hst_device *device;           /**< where */
    const struct hst_component *component; /**< held (model/layout.h) where the device has memory of its own */
    const struct hst_recast *recast;     /**< in other types; NULL = as stored */
    const struct hst_claim *claim;       /**< where its tensors are, or will be, in RAM; NULL = not known, and nothing is shared */
    uint64_t size_bytes;                 /**< of its tensors, in the types they have then */
    bool alone;                          /**< share with nobody: it will be written to */
    const struct hst_loaded_entry *except; /**< share not with this one, which goes; NULL = with all */
};

/** Draft one: what is shared is referenced, what is its own laid out; nothing is reserved. *ret_allocation is owned: hst_allocation_fini. */
int hst_allocation_draft(const struct hst_allocation_wish *wish, struct hst_allocation *ret_allocation, struct hst_error *err);
/** Reserve what is its own. HST_E_OUT_OF_DEVICE_MEMORY */
int hst_allocation_reserve(struct hst_allocation *allocation, struct hst_error *err);
/** Has it something of its own, to be allocated and filled? */
bool hst_allocation_has_own(const struct hst_allocation *allocation);
/** Give back its own block, and keep the draft. */
void hst_allocation_retract(struct hst_allocation *allocation);
/** Let go of all of it, and empty it. @return bytes of the device's budget that came back */
uint64_t hst_allocation_fini(struct hst_allocation *allocation);
/** Where the bytes of its own come from. */
struct hst_allocation_source {
    const struct hst_residency *residency;  /**< RAM, CACHED; NULL = files */
    const struct hst_component *component;  /**< files: the component, held; `fd` of an extent is then the index of its file in the model */
    const struct hst_recast *recast;        /**< the source has its tensors as stored, and the device makes them these; NULL = they are there what they are here */
};
/** What comes from where to fill its own. *ret_extents owned by the caller (free). */
int hst_allocation_extents(const struct hst_allocation *allocation, const struct hst_allocation_source *source, struct hst_device_extent **ret_extents, size_t *ret_count,
                           struct hst_error *err);
/** Bytes that would come back with all of these. */
uint64_t hst_allocation_freed(const struct hst_allocation *const *allocations, size_t count);
/** A block of memory that is there already: it is reserved, whatever the budget, and has no memory yet. One reference is the caller's; NULL without memory. */
struct hst_block *hst_block_restore(struct hst_device *device, uint64_t size_bytes);
/** Let go of it. @return bytes of the device's budget that came back */
uint64_t hst_block_unref(struct hst_block *block);
/** Bytes of all tensors of these, those that several have once; *ret_blocks = blocks that they have. 0 also without memory to count them. */
uint64_t hst_allocation_live(const struct hst_allocation *const *allocations, size_t count, size_t *ret_blocks);
/** Would all of it come back when it goes: has nobody else any of its blocks? */
bool hst_allocation_is_whole(const struct hst_allocation *allocation);
/** Have the two a block in common? */
bool hst_allocation_meets(const struct hst_allocation *a, const struct hst_allocation *b);
/** About what a component whose tensors nobody holds will take of the device. */
uint64_t hst_allocation_guess(const struct hst_device *device, const struct hst_component *component, uint64_t size_bytes);
#endif
