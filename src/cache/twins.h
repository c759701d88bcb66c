#ifndef HST_CACHE_TWINS_H
#define HST_CACHE_TWINS_H
/** @file
 * Tensors in memory by their content: whose twin is there need not be read again. Content is told by the keyed hash of the catalog
 * (decision 0022). Loop thread only. */
#include "cache/region.h"

struct hst_claim;
struct hst_recast;

/** A tensor in a region whose content is known. */
struct hst_mark {
    struct hst_mark *next;     /**< in its region */
    struct hst_region *region; /**< where */
    uint64_t offset;           /**< first byte in it */
    uint64_t size_bytes;       /**< how many */
    uint64_t taken_by;         /**< number of the last claim that names it: no claim names it twice, for two keys would be one memory */
    uint8_t key[HST_TENSOR_HASH_BYTES + sizeof(uint64_t)]; /**< hash and size */
};

/** The hash of a tensor whose memory may be shared: known, large enough, and no other tensor of the component overlaps it; else NULL. */
const uint8_t *hst_twins_hash(const struct hst_component *component, size_t tensor);
/** The memory in which a tensor of a component, in the types of `recast` (NULL = as stored), is there already, or NULL. */
struct hst_mark *hst_twins_find_of(const struct hst_cache *cache, const struct hst_component *component, const struct hst_recast *recast, size_t tensor);
/** A tensor with this content that may be handed out, or NULL. */
struct hst_mark *hst_twins_find(const struct hst_cache *cache, const uint8_t *hash, uint64_t size_bytes);
/** May a tensor be in the memory of this mark: as well aligned as in its file, and not twice in the claim of this number? */
bool hst_twins_suit(const struct hst_mark *mark, uint64_t claim_number, const struct hst_tensor *tensor);
/** The content of a component's tensors is where its claim says. */
void hst_twins_note_all(struct hst_cache *cache, const struct hst_component *component, const struct hst_claim *claim);
/** This content is at this place now. Without memory it is not noted, and not found. */
void hst_twins_note(struct hst_cache *cache, const uint8_t *hash, struct hst_region *region, uint64_t offset, uint64_t size_bytes);
/** Nothing that overlaps this range of the region is there any more. */
void hst_twins_forget(struct hst_region *region, uint64_t begin, uint64_t end);
#endif
