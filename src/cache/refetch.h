#ifndef HST_CACHE_REFETCH_H
#define HST_CACHE_REFETCH_H
/** @file
 * Page cache that may not be locked (RLIMIT_MEMLOCK): looked at now and then, and fetched again where the kernel took it. Loop thread. */
#include "cache/cache.h"

/** The watch. */
struct hst_refetch;

/** Begin to watch the residencies of a tier; the jobs run on `exec`. *ret_refetch owned by the caller. */
int hst_refetch_new(struct hst_cache *cache, struct hst_exec *exec, struct hst_refetch **ret_refetch, struct hst_error *err);
/** Bytes fetched again since it began. */
uint64_t hst_refetch_bytes(const struct hst_refetch *refetch);
/** Let a running job stop soon; call it before the executor ends. NULL is fine. */
void hst_refetch_stop(struct hst_refetch *refetch);
/** Free, once the executor has ended; runs the loop until its timer is closed. NULL is fine. */
void hst_refetch_free(struct hst_refetch *refetch);
#endif
