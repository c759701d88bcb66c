#ifndef HST_CACHE_TWINS_H
#define HST_CACHE_TWINS_H
/** @file
 * Tensors in memory by their content: whose twin is there need not be read again. Content is told by the keyed hash of the catalog
 * (decision 0022). Loop thread only. */
#include "cache/region.h"

struct hst_claim;
struct hst_recast;

/** A content that is in memory somewhere: the places in order of their coming. */
struct hst_twin_set {
    struct hst_mark *first; /**< of its places; each in a region's list, too */
    size_t count;           /**< of places */
    uint8_t key[HST_TENSOR_HASH_BYTES + sizeof(uint64_t)]; /**< hash and size */
};

/** A place in a region whose content is known. */
struct hst_mark {
    struct hst_mark *next;       /**< in its region */
    struct hst_mark *equal;      /**< the next place of the same content */
    struct hst_twin_set *content; /**< which */
    struct hst_region *region;   /**< where */
    uint64_t offset;             /**< first byte in it */
    uint64_t size_bytes;         /**< how many */
    uint64_t taken_by;           /**< number of the last claim that names it: no claim names it twice, for two keys would be one memory */
    bool filled;                 /**< it is there; else it is being brought in */
};

/** A tensor of a component that is to lie in memory. */
struct hst_twin_wish {
    const struct hst_cache *cache;         /**< the tier */
    const struct hst_component *component; /**< whose */
    const struct hst_recast *recast;       /**< in which types; NULL = as stored */
    uint64_t claim_number;                 /**< of the claim that would name it */
};

/** The hash of a tensor whose memory may be shared: known, not empty, and no other tensor of the component overlaps it; else NULL. */
const uint8_t *hst_twins_hash(const struct hst_component *component, size_t tensor);
/** A place that is there, may be handed out, is as well aligned as the tensor in its file, and is not named by the claim yet: the oldest, or NULL. */
struct hst_mark *hst_twins_find(const struct hst_twin_wish *wish, size_t tensor);
/** The same for a tensor that lies at `here` already: NULL when it has the oldest place it can have. */
struct hst_mark *hst_twins_find_older(const struct hst_twin_wish *wish, size_t tensor, const struct hst_region *region, uint64_t offset);
/** The claim of the wish has this tensor here: no other tensor of it comes to lie in the same memory. */
void hst_twins_take(const struct hst_twin_wish *wish, size_t tensor, const struct hst_region *region, uint64_t offset);
/** Bytes of the tensors of the wish that are nowhere yet and on their way into memory for somebody else. */
uint64_t hst_twins_coming(const struct hst_twin_wish *wish);
/** Where its claim has a component's tensors; `filled` = they are there, else on their way. Without memory a place is not noted, and not found. */
void hst_twins_note_all(struct hst_cache *cache, const struct hst_component *component, const struct hst_claim *claim, bool filled);
/** Nothing that overlaps this range of the region is there any more. */
void hst_twins_forget(struct hst_region *region, uint64_t begin, uint64_t end);
#endif
