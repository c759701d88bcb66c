#ifndef HST_CACHE_REARRANGE_H
#define HST_CACHE_REARRANGE_H
/** @file
 * Making better use of memory that is in use: equal tensors that are there twice become one, and memory of our own with holes in it is made
 * whole. Who maps what was handed out before goes on reading it; whoever comes next gets the new place. Loop thread only.
 *
 *     share:    compare the bytes (worker) --> the claim moves to the twins --> what it had for itself goes with its last lease
 *     compact:  copy what lives (worker)   --> claims move to the copy     --> the old region goes with its last lease
 */
#include "cache/cache.h"

/** What was done. */
struct hst_rearranged {
    uint64_t moved_bytes;  /**< live bytes that were copied */
    uint64_t shared_bytes; /**< bytes that lay there twice and are named once now */
    uint64_t freed_bytes;  /**< bytes that went back to the kernel; more follows when leases end */
    size_t components;     /**< whose tensors have another place now */
};

/** Called once, on the loop thread. */
typedef void (*hst_rearranged_fn)(void *context, const struct hst_rearranged *what);

/** How memory lies. */
struct hst_fragmentation {
    uint64_t region_bytes;   /**< memory of our own, with its holes */
    uint64_t live_bytes;     /**< of it, named */
    uint64_t stuck_bytes;    /**< of it, named by nobody and not given back */
    uint64_t equal_bytes;    /**< known to lie in memory twice */
    size_t regions;          /**< of our own */
    size_t thin_regions;     /**< of these, with less than HST_THIN_SHARE of them named */
    size_t split_huge_pages; /**< huge pages of which a part was given back, so that the rest are small ones */
};

/** Look at it. */
struct hst_fragmentation hst_cache_fragmentation(struct hst_cache *cache);
/** Bytes of a residency that are known to lie somewhere else, too, and that hst_cache_share would have there alone. */
uint64_t hst_cache_shareable(struct hst_cache *cache, const struct hst_residency *residency);
/** Has memory of our own holes that are worth closing? */
bool hst_cache_is_thin(const struct hst_cache *cache);
/** Share the tensors of a CACHED residency whose hashes are known (model/layout.h) and whose twins are in memory, once their bytes were
 * compared. HST_E_BUSY when it is not at rest; HST_E_CANCELLED when there is nothing to share, and then `done` is not called. */
int hst_cache_share(struct hst_cache *cache, struct hst_residency *residency, hst_rearranged_fn done, void *context, struct hst_error *err);
/** Move what lives in the thinnest region of our own to a new one, if that is worth it and there is room. HST_E_CANCELLED when it is not, and
 * then `done` is not called. */
int hst_cache_compact(struct hst_cache *cache, hst_rearranged_fn done, void *context, struct hst_error *err);
#endif
