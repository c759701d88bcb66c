#ifndef HST_CACHE_INTERNAL_H
#define HST_CACHE_INTERNAL_H
/** @file
 * The private half of the RAM tier, shared by the files of cache/ alone. */
#include "base/list.h"
#include "base/map.h"
#include "cache/claim.h"
#include "cache/lanes.h"
#include "cache/limits.h"
#include "cache/reading.h"
#include "cache/trial.h"
#include "cache/twins.h"

/** A fill under way. */
struct hst_fill {
    struct hst_fill_listener listener; /**< who is told */
    struct hst_exec *exec;             /**< where it runs: the threads of its disk */
    size_t pieces;                     /**< jobs that have not come back */
    uint64_t done_bytes;               /**< brought in */
    uint64_t total_bytes;              /**< to bring in */
    uint64_t started_ns;               /**< when */
    _Atomic(bool) cancel;              /**< stop soon */
    struct hst_error error;            /**< the first failure */
};

/** A residency with its private half. */
struct hst_resident {
    struct hst_residency view; /**< what the outside sees; first member */
    struct hst_cache *cache;   /**< its tier */
    struct hst_claim *claim;   /**< its memory; NULL while SUSPENDED */
    struct hst_fill *fill;     /**< while CACHING or resuming; owned */
    struct hst_recast *recast; /**< as in view; owned */
    uint64_t keep_id;          /**< of hoist-keeper's item (keep.h); 0 = it has none */
    char *key;                 /**< "MODEL:ROLE#GENERATION@PRECISION" */
};

/** The tier. */
struct hst_cache {
    struct hst_cache_config config;   /**< as given */
    struct hst_lanes lanes;           /**< threads that fill, for each disk */
    struct hst_exec *exec;            /**< threads for the rest: the first lane's */
    struct hst_map by_key;            /**< residents by key */
    struct hst_map by_content;        /**< known tensors in memory (twins.h) */
    struct hst_map usage;             /**< counts by component id; owned by cache.c */
    struct hst_list regions;          /**< of memory */
    struct hst_resident **sorted;     /**< owned array, by component id */
    size_t sorted_room;               /**< of sorted */
    struct hst_cache_stats stats;     /**< running totals */
    struct hst_list holders;          /**< leases */
    uint64_t next_lease_id;           /**< 1, 2, ... */
    uint64_t next_seq;                /**< order of use */
    uint64_t next_claim;              /**< 1, 2, ... */
    _Atomic(bool) stopping;           /**< being freed: jobs end soon */
    bool compacting;                  /**< a region is being copied */
    uv_signal_t break_signal;         /**< SIGIO: somebody wants to write a held file */
    struct hst_tmpfs tmpfs;           /**< where copies go; write_dir -1 = there is none */
    struct hst_trial trial;           /**< which memory of our own is best */
    struct hst_reading reading;       /**< how what is not in memory is read */
    struct hst_exec *drainer;         /**< gives memory back where there is no keep (drain.h) */
    struct hst_refetch *refetch;      /**< watches page cache that may not be locked */
    struct hst_keep *keep;            /**< what hoist-keeper has of it; NULL = there is no keeper */
    size_t closing;                   /**< handles not closed yet, while freeing */
};

/** The private half of a residency. */
static inline struct hst_resident *hst_resident_of(struct hst_residency *residency)
{
    return (struct hst_resident *)residency;
}
/** Bytes that are charged and not on their way back to the kernel. */
static inline uint64_t hst_cache_kept(const struct hst_cache *cache)
{
    return cache->stats.used_bytes - cache->stats.draining_bytes;
}
/** Tell the listener about a component's state. */
void hst_cache_tell(struct hst_cache *cache, const struct hst_residency *residency, const char *state);
/** Is there room for so many more bytes? HST_E_OUT_OF_RAM with the figures. */
int hst_cache_check_room(const struct hst_cache *cache, uint64_t cost, struct hst_error *err);
/** Show outside what its claim has published. */
void hst_cache_show(struct hst_resident *resident);
/** Begin a residency in state CACHED with a claim that is filled and charged: taken over when it succeeds. HST_E_BUSY when it is held already. */
int hst_cache_enter(struct hst_cache *cache, struct hst_component *component, struct hst_claim *claim, struct hst_resident **ret_resident, struct hst_error *err);
/** Take a residency out of the tier and free it; its charge is given back. @return bytes that went back to the kernel */
uint64_t hst_cache_remove(struct hst_cache *cache, struct hst_resident *resident);
/** Start the jobs of a fill. On failure nothing runs and the listener is not told. */
int hst_fill_start(struct hst_resident *resident, struct hst_fill_listener listener, struct hst_error *err);
/** A file of a residency that is being filled is being written: the fill fails with HST_E_FILE_CHANGED. */
void hst_fill_break(struct hst_resident *resident);
#endif
