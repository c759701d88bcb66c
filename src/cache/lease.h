#ifndef HST_CACHE_LEASE_H
#define HST_CACHE_LEASE_H
/** @file
 * A lease with its private half. Loop thread only. */
#include "base/list.h"
#include "cache/record.h"
#include <uv.h>

struct hst_resident;

/** A lease. Of one taken over from the hoistd before, the view shows those residencies that are there again. */
struct hst_lease {
    struct hst_holder view;    /**< what the outside sees; first member */
    struct hst_list node;      /**< in the tier's holders */
    struct hst_cache *cache;   /**< its tier */
    int pipe_fd;               /**< the end that is read */
    uv_poll_t poll;            /**< of it */
    struct hst_claim **claims; /**< what the client maps; owned, each referenced */
    uint64_t *residencies;     /**< one a claim: hoist-keeper's item of its residency (keep.h); owned */
    size_t claim_count;        /**< of claims */
    uint64_t keep_id;          /**< of hoist-keeper's item; 0 = it has none */
};

/** Go on with a lease of the hoistd before: its pipe is taken over; the claims are its own references, one a share. On failure nothing is taken over. */
int hst_lease_restore(struct hst_cache *cache, const struct hst_record_lease *record, struct hst_claim *const *claims, int *pipe_fd, uint64_t keep_id,
                      struct hst_error *err);
/** This residency is there again: count the leases that have it. */
void hst_lease_attach(struct hst_cache *cache, struct hst_resident *resident);
/** End every lease (while freeing). */
void hst_lease_end_all(struct hst_cache *cache);
#endif
