#ifndef HST_CACHE_INHERIT_H
#define HST_CACHE_INHERIT_H
/** @file
 * Taking over what the hoistd before left with hoist-keeper. Memory, claims and leases are there, and charged, when the tier begins; a residency needs its
 * component, which the catalog finds later:
 *
 *     tier begins: regions, claims, leases ---> waiting --- its component is held: attach ---> CACHED
 *                                                  '------- is not there any more: refuse ---> gone (what is leased stays charged until the lease ends)
 *
 * Loop thread only. */
#include "cache/cache.h"

/** A residency that waits for its component. */
struct hst_inherited;

/** The next one after `previous` (NULL = the first); NULL at the end. */
struct hst_inherited *hst_cache_next_inherited(const struct hst_cache *cache, const struct hst_inherited *previous);
/** The id of its component, "MODEL:ROLE". */
const char *hst_inherited_component(const struct hst_inherited *inherited);
/** Its component is held (model/layout.h), from files that were checked: make it a residency again. `inherited` is gone afterwards, and when the component's
 * tensors are not those that are in memory, what it has is, too. HST_E_FILE_CHANGED, HST_E_BUSY: it is held already; HST_E_NOMEM */
int hst_cache_attach(struct hst_cache *cache, struct hst_inherited *inherited, struct hst_component *component, struct hst_error *err);
/** There is no such component: `inherited` is gone afterwards. */
void hst_cache_refuse(struct hst_inherited *inherited);
/** Figures of what was taken over when the tier began. */
struct hst_inheritance {
    size_t residencies; /**< that wait for their components */
    size_t leases;      /**< that go on */
    uint64_t bytes;     /**< charged for them */
};
/** What was taken over when the tier began. */
struct hst_inheritance hst_cache_inheritance(const struct hst_cache *cache);

/** Read what the keeper has, before anything is put (cache.c). The tmpfs is taken over, too, if it is as large as the budget. */
void hst_inherit_all(struct hst_cache *cache);
/** Refuse all that wait (cache.c). */
void hst_inherit_end(struct hst_cache *cache);
#endif
