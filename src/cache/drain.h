#ifndef HST_CACHE_DRAIN_H
#define HST_CACHE_DRAIN_H
/** @file
 * What nobody names any more, on its way back to the kernel: unlocking, unmapping and closing a gigabyte takes up to half a second, so a thread does it.
 *
 *     a claim goes:  hst_drain_add for each range  ... hst_drain_send ---> thread: unlock, unmap, drop, close ---> charged no more
 *
 * Until then the bytes stay charged, as `draining`. One thread, which is hoist-keeper's where there is one (keep.h): in the order of the calls. Loop thread. */
#include "cache/region.h"

/** Ranges of a region that go together. */
struct hst_drain;

/** Begin: make the thread, unless there is a keep. */
int hst_drain_begin(struct hst_cache *cache, struct hst_error *err);
/** Run the loop until all has gone. */
void hst_drain_finish(struct hst_cache *cache);
/** End the thread, after hst_drain_finish. */
void hst_drain_end(struct hst_cache *cache);
/** A range goes, which is charged; `drop` = its pages in the page cache, too. */
void hst_drain_add(struct hst_region *region, uint64_t begin, uint64_t end, bool drop);
/** Send what was added. Nothing is fine. */
void hst_drain_send(struct hst_region *region);
/** Unlock all of a file that stays mapped by others, soon. */
void hst_drain_unlock(struct hst_region *region);
/** The last reference is gone: send all that is left of it, and free it afterwards. It is in no list any more. */
void hst_drain_send_last(struct hst_region *region);
/** The threads that something should run on which must come after what was sent of the claim's regions, or NULL: nothing was. */
struct hst_exec *hst_drain_behind(const struct hst_claim *claim);
#endif
