#ifndef HST_KEEPER_ITEMS_H
#define HST_KEEPER_ITEMS_H
/** @file
 * What a keeper keeps: files under numbers, what hoistd says of them, and ranges of them locked in memory. The bytes of a mapping are never
 * touched: another process may have truncated the file. */
#include "base/list.h"
#include "base/map.h"
#include "keeper/limits.h"
#include "keeper/ranges.h"
#include "os/hold.h"

/** One item. */
struct hst_kept {
    struct hst_list node;            /**< in the order of arrival */
    uint64_t id;                     /**< hoistd's */
    uint32_t kind;                   /**< hoistd's */
    int fds[HST_KEEPER_FDS_MAX + 1]; /**< owned; the last one may be that of the blob */
    size_t fd_count;                 /**< of fds */
    bool blob_in_file;               /**< the blob is in fds[fd_count - 1] */
    void *blob;                      /**< owned; NULL when there is none here */
    uint64_t blob_bytes;             /**< of the blob, wherever it is */
    struct hst_hold hold;            /**< mapping of fds[0], made at the first lock */
    struct hst_ranges locked;        /**< of fds[0] */
};

/** All of them. */
struct hst_items {
    struct hst_list all;  /**< nodes of struct hst_kept */
    struct hst_map by_id; /**< id -> struct hst_kept */
    uint64_t highest_id;  /**< that was ever put */
};

/** Make it empty. */
void hst_items_init(struct hst_items *items);
/** Put `given` (id, kind, fds, blob: taken over and zeroed) there, or in the place of what has its id: one without files of its own (but the blob's) keeps the
 * files and locks that are there. HST_E_NOMEM, HST_E_LIMIT_EXCEEDED: nothing changed, and `given` is still the caller's. */
int hst_items_put(struct hst_items *items, struct hst_kept *given, struct hst_error *err);
/** Lock a range (page-aligned) of the item's first file. *ret_locked = false when the kernel does not: then nothing of it is locked. HST_E_NOT_FOUND, HST_E_INVALID_ARGUMENT,
 * HST_E_IO, HST_E_NOMEM, HST_E_LIMIT_EXCEEDED */
int hst_items_lock(struct hst_items *items, uint64_t id, const struct hst_keeper_range *range, bool *ret_locked, struct hst_error *err);
/** Unlock one, and let the kernel drop its pages: those that we map it would keep. The same errors. */
int hst_items_unlock(struct hst_items *items, uint64_t id, const struct hst_keeper_range *range, struct hst_error *err);
/** Let go of the item, if it is there. */
void hst_items_drop(struct hst_items *items, uint64_t id);
/** Nobody watches the files for writers any more: let those go on who would have to wait for us (os/filelease.h). */
void hst_items_release_leases(struct hst_items *items);
/** Let go of everything. */
void hst_items_fini(struct hst_items *items);
/** Free what an item holds, and empty it. */
void hst_kept_fini(struct hst_kept *kept);
#endif
