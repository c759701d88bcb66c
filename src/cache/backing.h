#ifndef HST_CACHE_BACKING_H
#define HST_CACHE_BACKING_H
/** @file
 * The plug point of what holds a component's bytes: pages of the file itself, or a copy in memory of hoist's own. A backing is one
 * struct hst_backing_ops; tests/contract/test_backings.c runs the same suite on each. */
#include "cache/cache.h"
#include "model/extents.h"
#include "os/hold.h"
#include "os/tmpfs.h"

/** A file of a residency, open for as long as it lives. */
struct hst_held_file {
    int fd;                /**< read-only; -1 = not used by this component */
    bool leased;           /**< a read lease warns before somebody writes it */
    bool broken;           /**< somebody is about to write it */
    struct hst_hold hold;  /**< page_cache: mapping of the range [begin, end) of its extents */
    uint64_t begin;        /**< first byte of the mapping in the file */
    bool was_resident;     /**< its pages were in memory before hoist came: they are not dropped afterwards */
    int direct_fd;         /**< copy backings: reads past the page cache; -1 = does not */
};

/** What a backing works on: part of struct hst_residency's private half. */
struct hst_store {
    enum hst_backing kind;           /**< which */
    const struct hst_backing_ops *ops; /**< how */
    struct hst_extents extents;      /**< what to hold */
    struct hst_held_file *files;     /**< one a file of the model */
    size_t file_count;               /**< of files */
    struct hst_tmpfs *tmpfs;         /**< where copies go; borrowed, NULL = there is none */
    struct hst_memfd memory;         /**< copy backings: the segment */
    _Atomic(bool) locked;            /**< page_cache: every page is locked */
};

/** How a backing works. */
struct hst_backing_ops {
    /** Get ready to be filled: map, or allocate. [worker] */
    int (*prepare)(struct hst_store *store, struct hst_error *err);
    /** Bring in `size_bytes` of an extent from `offset` within it. Several at once. [worker] */
    int (*fill)(struct hst_store *store, const struct hst_extent *extent, uint64_t offset, uint64_t size_bytes, struct hst_error *err);
    /** Describe the segments that clients map (array owned by the caller) and where each byte of an extent is. */
    int (*describe)(const struct hst_store *store, struct hst_segment **ret_segments, size_t *ret_count, struct hst_error *err);
    /** Place of a byte of a file in those segments. */
    struct hst_placement (*place)(const struct hst_store *store, uint32_t file, uint64_t offset);
    /** Give the memory back to the kernel but keep what is needed to fill again. */
    void (*suspend)(struct hst_store *store);
    /** Free everything. `drop` = also tell the kernel that the file's pages are not needed. */
    void (*release)(struct hst_store *store, bool drop);
};

/** The pages of the file itself, locked in place. */
extern const struct hst_backing_ops hst_backing_page_cache;
/** A copy in hoist's own tmpfs, or in a sealed memfd. */
extern const struct hst_backing_ops hst_backing_copy;

/** Choose for these files: page_cache when every file is raw and on a local or memory file system, else a copy. `force` as in hst_cache_config:
 * NULL or a known name. */
enum hst_backing hst_backing_choose(const struct hst_store *store, const struct hst_model *model, const char *force);
/** The backing of this name (enum hst_backing), or -1. */
int hst_backing_find(const char *name);
/** The ops of a kind. */
const struct hst_backing_ops *hst_backing_ops(enum hst_backing kind);
#endif
