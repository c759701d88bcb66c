#ifndef HST_CACHE_INTERNAL_H
#define HST_CACHE_INTERNAL_H
/** @file
 * The private half of the RAM tier, shared by the files of cache/ alone. */
#include "base/list.h"
#include "base/map.h"
#include "cache/backing.h"
#include "cache/limits.h"

/** A fill under way. */
struct hst_fill {
    struct hst_fill_listener listener; /**< who is told */
    size_t pieces;                     /**< jobs that have not come back */
    uint64_t done_bytes;               /**< brought in */
    uint64_t total_bytes;              /**< to bring in */
    uint64_t started_ns;               /**< when */
    _Atomic(bool) cancel;              /**< stop soon */
    struct hst_error error;            /**< the first failure */
};

/** A residency with its private half. */
struct hst_resident {
    struct hst_residency view;  /**< what the outside sees; first member */
    struct hst_cache *cache;    /**< its tier */
    struct hst_store store;     /**< the memory */
    struct hst_fill *fill;      /**< while CACHING or resuming; owned */
    char *key;                  /**< "MODEL:ROLE#GENERATION" */
};

/** The tier. */
struct hst_cache {
    struct hst_cache_config config;   /**< as given */
    struct hst_exec *exec;            /**< threads that fill */
    struct hst_map by_key;            /**< residents by key */
    struct hst_map usage;             /**< counts by component id; owned by cache.c */
    struct hst_resident **sorted;     /**< owned array, by component id */
    size_t sorted_room;               /**< of sorted */
    struct hst_cache_stats stats;     /**< running totals */
    struct hst_list holders;          /**< leases */
    uint64_t next_lease_id;           /**< 1, 2, ... */
    uint64_t next_seq;                /**< order of use */
    uv_signal_t break_signal;         /**< SIGIO: somebody wants to write a held file */
    struct hst_tmpfs tmpfs;           /**< where copies go; write_dir -1 = there is none */
    struct hst_refetch *refetch;      /**< watches page cache that may not be locked */
    size_t closing;                   /**< handles not closed yet, while freeing */
};

/** The private half of a residency. */
static inline struct hst_resident *hst_resident_of(struct hst_residency *residency)
{
    return (struct hst_resident *)residency;
}
/** Tell the listener about a component's state. */
void hst_cache_tell(struct hst_cache *cache, const struct hst_residency *residency, const char *state);
/** Take a residency out of the tier and free it; its charge is given back. */
void hst_cache_remove(struct hst_cache *cache, struct hst_resident *resident, bool drop);
/** Start the jobs of a fill. On failure nothing runs and the listener is not told. */
int hst_fill_start(struct hst_resident *resident, struct hst_fill_listener listener, struct hst_error *err);
/** Somebody may be about to write a file that is being filled: then the fill fails with HST_E_FILE_CHANGED. */
void hst_fill_check_writers(struct hst_resident *resident);
/** End every lease (while freeing). */
void hst_lease_end_all(struct hst_cache *cache);
/** Open the files of a store and check that they are those parsed. [worker] */
int hst_store_open(struct hst_store *store, const struct hst_component *component, struct hst_error *err);
/** Are the open files still those parsed? [worker] */
int hst_store_check(const struct hst_store *store, const struct hst_model *model, struct hst_error *err);
/** Close the files and free. */
void hst_store_fini(struct hst_store *store);
#endif
