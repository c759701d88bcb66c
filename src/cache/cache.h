#ifndef HST_CACHE_CACHE_H
#define HST_CACHE_CACHE_H
/** @file
 * The RAM tier: components' bytes held once per machine, within a budget, handed out by file descriptor.
 *
 *            reserve              fill ok
 *   (none) ----------> CACHING ------------> CACHED <----- resume ------ SUSPENDED
 *      ^                  |  fill failed,      |  \----- suspend ------------^ |
 *      '------------------'  discard           '-- evict --> (none) <-- evict -'
 *
 * The budget is charged at reserve, before a byte is allocated, and given back when the kernel has really freed the memory: a thread unlocks and unmaps what
 * was evicted, and until then it stays charged as `draining` (cache/drain.h). Loop thread only; filling runs on the executor. */
#include "model/model.h"
#include "os/exec.h"

/** The RAM tier. */
struct hst_cache;
struct hst_keeper;

/** What holds a component's bytes. */
enum hst_backing {
    HST_BACKING_PAGE_CACHE, /**< the file's own pages, locked in place */
    HST_BACKING_TMPFS_HUGE, /**< file on hoist's own tmpfs with huge pages */
    HST_BACKING_MEMFD_HUGE, /**< sealed memfd with huge pages */
    HST_BACKING_PAGES,      /**< sealed memfd with 4 KiB pages */
    HST_BACKING_COUNT,      /**< number of kinds */
};

/** State of a residency; "absent" is having none. */
enum hst_residency_state {
    HST_RESIDENCY_CACHING,   /**< reserved, being filled */
    HST_RESIDENCY_CACHED,    /**< filled; may be leased */
    HST_RESIDENCY_SUSPENDED, /**< set aside as an eviction victim of a load that has not ended; its bytes are not charged */
};

/** A mappable run of memory that holds (part of) a component. */
struct hst_segment {
    int fd;              /**< what a client maps, read-only; borrowed from the residency */
    uint64_t offset;     /**< first byte to map in fd, page-aligned */
    uint64_t size_bytes; /**< bytes to map */
};

/** Where a tensor's bytes are. */
struct hst_placement {
    uint32_t segment;    /**< index into the residency's segments */
    uint64_t offset;     /**< of the first byte within the segment */
};

struct hst_recast;

/** A component held in RAM. Fields are read-only outside cache/. */
struct hst_residency {
    struct hst_component *component; /**< held, and its model referenced, while this lives */
    const struct hst_recast *recast; /**< its tensors in other types (cache/recast.h); NULL = as stored */
    enum hst_residency_state state;  /**< see above */
    enum hst_backing backing;        /**< what holds the bytes */
    bool locked;                     /**< page_cache: pages are locked, not only read in */
    uint64_t charged_bytes;          /**< bytes it names, in pages; what others name, too, is charged once */
    const struct hst_segment *segments; /**< `segment_count` of them, once CACHED */
    size_t segment_count;            /**< of segments */
    const struct hst_placement *placements; /**< one a tensor of the component, once CACHED */
    unsigned leases;                 /**< leases that include it */
    unsigned device_refs;            /**< devices that reference it (hst_cache_ref) */
    bool pinned;                     /**< never evicted to make room */
    bool ahead;                      /**< brought in before anybody asked for it: until it is used, it goes first */
    bool stale;                      /**< its file is being written or was replaced: no new lease, gone with the last one */
    uint64_t fill_ns;                /**< how long the fill took: what evicting it would cost */
    uint64_t read_bytes;             /**< that the fill read from files */
    uint64_t warm_bytes;             /**< of these, as stored: in the page cache before hoist came */
    uint64_t last_used_seq;          /**< order of use, for LRU */
    uint64_t idle_since_ns;          /**< when it was last used, or given back by the last who leased it (hst_clock_ns) */
    int64_t ttl_seconds;             /**< it may go when it was idle for so long; -1 = nothing said by who loaded it */
};

/** Totals. */
struct hst_cache_stats {
    uint64_t budget_bytes;   /**< limit */
    uint64_t used_bytes;     /**< charged: cached + caching + draining */
    uint64_t named_bytes;    /**< sum of what cached components name: beyond used_bytes it is named twice, and saved */
    uint64_t draining_bytes; /**< evicted, and not freed by the kernel yet */
    uint64_t evictable_bytes; /**< cached, not pinned, not leased, not on a device */
    uint64_t hits;           /**< component asked for and cached */
    uint64_t misses;         /**< component asked for and not cached */
    uint64_t evictions;      /**< components evicted to make room or on demand */
    uint64_t filled_bytes;   /**< bytes brought in since start */
    uint64_t refetched_bytes; /**< taken by the kernel, for want of a lock, and brought in again */
    uint64_t count;          /**< residencies */
};

/** News on the loop thread; slots may be NULL. */
struct hst_cache_listener {
    void (*state)(void *context, const struct hst_component *component, const char *state); /**< caching cached absent */
    void (*lease_ended)(void *context, uint64_t lease_id); /**< the last mapping of a lease is gone */
    void *context; /**< for all */
};

/** What the cache needs. */
struct hst_cache_config {
    uv_loop_t *loop;             /**< the loop */
    uint64_t budget_bytes;       /**< --ram */
    uint64_t reserve_bytes;      /**< of the machine, left to everybody else; 0 = HST_HEADROOM_BYTES */
    unsigned threads;            /**< that fill; 0 = 8 */
    struct hst_keeper *keeper;   /**< keeps the memory when this process ends without a word; NULL = nobody does */
    const char *force_backing;   /**< NULL = by rule; else the name of one, as in hst_backing_name (tests) */
    const char *force_reading;   /**< NULL = the best there is; else as in hst_reading_init (tests) */
    struct hst_cache_listener listener; /**< news */
};

/** A fill: told on the loop thread. */
struct hst_fill_listener {
    void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes); /**< now and then; may be NULL */
    void (*done)(void *context, int status, const struct hst_error *err); /**< once; on failure the residency is already gone */
    void *context; /**< for both */
};

/** Make the tier. *ret_cache owned by the caller. */
int hst_cache_new(const struct hst_cache_config *config, struct hst_cache **ret_cache, struct hst_error *err);
/** Drop everything and free; running fills are cancelled and waited for. NULL is fine. */
void hst_cache_free(struct hst_cache *cache);
/** How many residencies there are. */
size_t hst_cache_count(const struct hst_cache *cache);
/** Totals now. */
struct hst_cache_stats hst_cache_stats(const struct hst_cache *cache);
/** Bytes that may be in use now: the budget, or less when the machine has no more beyond its reserve. */
uint64_t hst_cache_limit(const struct hst_cache *cache);
/** Bytes that were given back and that the kernel has not freed yet. */
uint64_t hst_cache_draining(const struct hst_cache *cache);
/** Tell `settled` on the loop thread when all that was given back before this call has been freed. */
int hst_cache_settle(struct hst_cache *cache, void (*settled)(void *context), void *context, struct hst_error *err);
/** Would so many bytes fit now, while what is draining is still in use? */
bool hst_cache_fits(const struct hst_cache *cache, uint64_t bytes);
/** What holds copies: what was measured to be best (cache/trial.h), and before that a tmpfs of hoist's own where the kernel lets us have one, else memfds. */
enum hst_backing hst_cache_copy_backing(const struct hst_cache *cache);
/** What it costs a client to touch a fresh mapping of this kind, in ms a GiB, as measured at start; 0 = not known, or it cannot be had. */
double hst_cache_touch_cost(const struct hst_cache *cache, enum hst_backing backing);
/** How files are read that are not in memory: "io_uring", "threads" or "buffered". *ret_why_not = why not io_uring, or NULL. */
const char *hst_cache_reading(const struct hst_cache *cache, const char **ret_why_not);
/** Name of a backing as in the contract. */
const char *hst_backing_name(enum hst_backing backing);
/** What of memory a component would take, in detail (cache/claim.h). */
struct hst_claim;
/** Draft what a component that is held (model/layout.h) would take, in the types of `recast` (copied; NULL = as stored). Tensors whose twins are in memory are named from now on, so that they stay;
 * nothing is charged. *ret_claim owned by the caller, for hst_cache_reserve or hst_claim_unref. */
int hst_cache_draft(struct hst_cache *cache, const struct hst_component *component, const struct hst_recast *recast, struct hst_claim **ret_claim,
                    struct hst_error *err);
/** Let go of a claim; NULL is fine. @return bytes that went back to the kernel */
uint64_t hst_claim_unref(struct hst_claim *claim);
/** Bytes that caching the component would charge: what its draft has of its own; without one (NULL) all of its extents, rounded to pages. */
uint64_t hst_cache_cost(const struct hst_cache *cache, const struct hst_component *component, const struct hst_claim *claim);
/** Bytes of it that no other residency has, too. */
uint64_t hst_cache_exclusive(const struct hst_residency *residency);
/** Bytes that evicting all of these would give back: what nobody else has, as far as memory of its kind is given back in part. 0 also without memory to count
 * them. */
uint64_t hst_cache_together(struct hst_residency *const *residencies, size_t count);
/** Would a draft have memory in common with it, beyond a page? */
bool hst_cache_meets(const struct hst_residency *residency, const struct hst_claim *draft);
/** Bytes that these hold, shared ones once. 0 also without memory to count them. */
uint64_t hst_cache_union(struct hst_residency *const *residencies, size_t count);
/** Have the two memory in common, beyond the page in which one ends and the other begins? */
bool hst_cache_shares(const struct hst_residency *a, const struct hst_residency *b);
/** The residency of this component in this generation, as stored, or NULL. Counts neither hit nor miss. */
struct hst_residency *hst_cache_find(const struct hst_cache *cache, const struct hst_component *component);
/** The same in this precision; NULL or "" = as stored. */
struct hst_residency *hst_cache_find_as(const struct hst_cache *cache, const struct hst_component *component, const char *precision);
/** Its precision when its tensors are in other types than stored, else NULL. */
const char *hst_residency_precision(const struct hst_residency *residency);
/** Residencies in order of their component's id: start with *cursor = 0; NULL at the end. */
struct hst_residency *hst_cache_next(const struct hst_cache *cache, size_t *cursor);
/** Uses count half as much after so long (found with the tuning traces of bench/policies). */
#define HST_HEAT_HALF_SECONDS 3600.0

/** How often a component was asked for since the daemon started, whatever its generation. */
struct hst_usage {
    uint64_t hits;             /**< asked for and there */
    uint64_t misses;           /**< asked for and not there */
    int64_t last_used_wall_ns; /**< when last; 0 = never */
    double heat;               /**< uses until then, each counted half after HST_HEAT_HALF_SECONDS */
};
/** What a heat is worth after so many seconds without use. */
double hst_cache_cool(double heat, double idle_s);
/** Count a hit (`residency` is the component's) or a miss (NULL) and mark as just used. */
void hst_cache_touch(struct hst_cache *cache, const struct hst_component *component, struct hst_residency *residency);
/** It was brought in before anybody asked for it. */
void hst_cache_foresee(struct hst_cache *cache, struct hst_residency *residency);
/** Know again how a component was used before a restart: its heat and last use; what is counted already stays. */
void hst_cache_recall(struct hst_cache *cache, const struct hst_component *component, double heat, int64_t last_used_wall_ns);
/** The counts of a component. */
struct hst_usage hst_cache_usage(const struct hst_cache *cache, const struct hst_component *component);
/** Is so much of a component that is held on its way into memory for others, in equal tensors, that it is better drafted when they have it? */
bool hst_cache_is_coming(const struct hst_cache *cache, const struct hst_component *component, const struct hst_recast *recast);
/** Begin a residency in state CACHING with what was drafted: charges the budget or fails with HST_E_OUT_OF_RAM and the figures. Reads nothing
 * yet. Takes the claim over when it succeeds. Somebody must hold the component (model/layout.h); the residency does so from then on. */
int hst_cache_reserve(struct hst_cache *cache, struct hst_component *component, struct hst_claim *claim, struct hst_residency **ret_residency,
                      struct hst_error *err);
/** Bring the bytes in: checks that every file is still the one parsed, before and after. */
int hst_cache_fill(struct hst_cache *cache, struct hst_residency *residency, struct hst_fill_listener listener, struct hst_error *err);
/** Ask a running fill to stop: done is told HST_E_CANCELLED soon. */
void hst_cache_cancel(struct hst_cache *cache, struct hst_residency *residency);
/** Undo a reserve that was never filled. */
void hst_cache_discard(struct hst_cache *cache, struct hst_residency *residency);
/** Free a CACHED or SUSPENDED one that has no lease and no device_refs, else HST_E_BUSY. *ret_freed_bytes = what the kernel
 * got back (may be NULL). */
int hst_cache_evict(struct hst_cache *cache, struct hst_residency *residency, uint64_t *ret_freed_bytes, struct hst_error *err);
/** Set a CACHED, unused one aside to make room for a load that may still fail. */
int hst_cache_suspend(struct hst_cache *cache, struct hst_residency *residency, struct hst_error *err);
/** Bring a SUSPENDED one back (rollback): charges again and refills if its bytes went; `listener.done` tells. */
int hst_cache_resume(struct hst_cache *cache, struct hst_residency *residency, struct hst_fill_listener listener, struct hst_error *err);
/** Somebody is going to read its files by their paths: bring into the page cache, in the background and not charged, what of them lies only in
 * its twins' memory. */
void hst_cache_lend(struct hst_cache *cache, struct hst_residency *residency);
/** A device references it; it cannot be evicted until hst_cache_unref. */
void hst_cache_ref(struct hst_cache *cache, struct hst_residency *residency);
/** See hst_cache_ref. */
void hst_cache_unref(struct hst_cache *cache, struct hst_residency *residency);
/** Pin or unpin. */
void hst_cache_pin(struct hst_cache *cache, struct hst_residency *residency, bool pinned);
/** Just loaded by somebody who wishes that it may go after so long without use (-1 = wishes nothing, and then an earlier wish stays). */
void hst_cache_keep_for(struct hst_cache *cache, struct hst_residency *residency, int64_t ttl_seconds);

/** Who holds a lease. */
struct hst_holder {
    uint64_t lease_id;     /**< unique while the daemon runs */
    int32_t pid;           /**< of the process that asked, by the socket's credentials */
    char domain[32];       /**< inference postprocessing processing client ... */
    char device_id[32];    /**< as asked for */
    int64_t since_wall_ns; /**< when */
    struct hst_residency **residencies; /**< owned array */
    size_t count;          /**< of residencies */
    uint64_t *others;      /**< what it has besides RAM: numbers that mean something to who leased it; owned */
    size_t other_count;    /**< of others */
};

/** Lease CACHED residencies to a process. *ret_pipe_fd is the end that travels to it (owned by the caller): when the last copy
 * of it is closed, in any process, the lease ends. */
int hst_cache_lease(struct hst_cache *cache, struct hst_residency *const *residencies, size_t count, int32_t pid, const char *domain,
                    const char *device_id, uint64_t *ret_lease_id, int *ret_pipe_fd, struct hst_error *err);
/** Lease what is not in RAM, by numbers of the caller's (copied), for holder->pid, ->domain and ->device_id. As hst_cache_lease. */
int hst_cache_lease_others(struct hst_cache *cache, const uint64_t *others, size_t count, const struct hst_holder *holder, uint64_t *ret_lease_id, int *ret_pipe_fd,
                           struct hst_error *err);
/** Leases: start with *cursor = 0; NULL at the end. */
const struct hst_holder *hst_cache_next_holder(const struct hst_cache *cache, size_t *cursor);
#endif
