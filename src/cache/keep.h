#ifndef HST_CACHE_KEEP_H
#define HST_CACHE_KEEP_H
/** @file
 * What hoist-keeper has of the tier, so that it outlives this process: the tmpfs, every region, claim, residency and lease as an item of its own
 * (record.h), and the locks of page cache.
 *
 *     filled ---> regions, claim, residency are put; the pages are locked there, too (thread)
 *     a claim goes ---> its item first: no item ever shows bytes that were given back
 *     page cache goes ---> unlocked there, then dropped (thread);  memory of our own ---> its item, then its mapping
 *     another keeper runs ---> everything is put again
 *
 * A request that fails means that something is not kept, and nothing else. Loop thread; without a keeper (cache->keep NULL) nothing happens. */
#include "cache/inherit.h"
#include "cache/internal.h"
#include "cache/lease.h"
#include "keeper/link.h"

/** The tier's keeper. */
struct hst_keep {
    struct hst_cache *cache;    /**< its tier */
    struct hst_keeper *keeper;  /**< the link; borrowed */
    struct hst_exec *exec;      /**< one thread: locks, unlocks and drops, in the order of the calls */
    struct hst_list waiting;    /**< residencies of the hoistd before whose components are not there yet (inherit.h) */
    struct hst_list others;     /**< items of the hoistd before that are not the tier's, until somebody takes them */
    void (*others_fresh)(void *context); /**< see hst_keep_listen; or NULL */
    void *others_context;       /**< for it */
    uint64_t tmpfs_id;          /**< item of the tmpfs; 0 = none */
    uint64_t *owed;             /**< items that a keeper which did not answer is still to let go of; owned */
    size_t owed_count;          /**< of owed */
    uv_timer_t timer;           /**< until it is asked again */
    bool closed;                /**< the timer is */
    struct hst_inheritance inheritance; /**< what was taken over */
};

/** An item that is not the tier's. */
struct hst_keep_other {
    struct hst_list node;        /**< private */
    uint64_t id;                 /**< of the item */
    uint32_t kind;               /**< HST_RECORD_OTHERS or more */
    void *text;                  /**< what was written on it; owned */
    size_t length;               /**< of text */
    int fds[HST_KEEPER_FDS_MAX]; /**< owned; those that were taken are -1 */
    size_t fd_count;             /**< of fds */
};

/** Begin; nothing is put yet. *ret_keep owned by the tier, NULL without a keeper. */
int hst_keep_new(struct hst_cache *cache, struct hst_keeper *keeper, struct hst_keep **ret_keep, struct hst_error *err);
/** Free, once nothing is left in the tier. NULL is fine. */
void hst_keep_free(struct hst_keep *keep);
/** Keep the tmpfs. */
void hst_keep_tmpfs(struct hst_cache *cache);
/** Keep a residency that is CACHED, as it is now: its regions and claim unless they are kept, and which claim it has. */
void hst_keep_residency(struct hst_resident *resident);
/** All that is named of this file should be locked, and nobody may have: lock it in the keeper; where that is not to be had, here. Harmless on what is no file. */
void hst_keep_restore_locks(struct hst_region *region);
/** Keep a lease. */
void hst_keep_lease(struct hst_lease *lease);
/** Keep something that is not the tier's: `kind` from HST_RECORD_OTHERS on, `id` 0 = a new item; the text is freed. @return its id, 0 = it is not kept */
uint64_t hst_keep_put_other(struct hst_cache *cache, uint32_t kind, uint64_t id, const int *fds, size_t fd_count, struct hst_strbuf *text);
/** Tell `fresh` when another keeper runs and holds nothing of it. */
void hst_keep_listen(struct hst_cache *cache, void (*fresh)(void *context), void *context);
/** The next of what the hoistd before kept so, in the order it was put; owned by the caller (hst_keep_other_free). NULL at the end. */
struct hst_keep_other *hst_keep_take_other(struct hst_cache *cache);
/** Free it, with the descriptors that were not taken; the item stays. NULL is fine. */
void hst_keep_other_free(struct hst_keep_other *other);
/** Keep aside an item that was shown (inherit.c). @return false without memory */
bool hst_keep_add_other(struct hst_keep *keep, struct hst_keeper_item *item);
/** Let go of an item soon; *id = 0 afterwards. */
void hst_keep_forget(struct hst_cache *cache, uint64_t *id);
/** Let go of an item at once; *id = 0 afterwards. @return false when it may still be there: then its bytes must stay what they are */
bool hst_keep_forget_now(struct hst_cache *cache, uint64_t *id);
/** Has the keeper a part in it now? */
bool hst_keep_holds(const struct hst_region *region);
/** Unlock a range of a file in the keeper. From the keep's thread. @return false when the keeper does not answer, and has its pages mapped still */
bool hst_keep_unlock(const struct hst_cache *cache, uint64_t id, uint64_t begin, uint64_t end);
#endif
