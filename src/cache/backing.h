#ifndef HST_CACHE_BACKING_H
#define HST_CACHE_BACKING_H
/** @file
 * The plug point of what holds a component's bytes: pages of the file itself, or memory of hoist's own. A backing is one
 * struct hst_backing_ops; tests/contract/test_backings.c runs the same suite on each. */
#include "cache/reading.h"
#include "cache/region.h"

/** Bytes to bring in: a part of a piece of a claim. */
struct hst_fetch {
    struct hst_region *region;       /**< where to; prepared */
    uint64_t begin;                  /**< first byte in the region */
    uint64_t size_bytes;             /**< how many */
    const struct hst_region *source; /**< the file they come from: the region itself when it is held in place */
    uint64_t source_offset;          /**< first byte in that file */
    struct hst_rings *rings;         /**< to read past the page cache with; NULL = without io_uring */
    bool was_resident;               /**< they were in the page cache before hoist came */
};

/** How a backing works. */
struct hst_backing_ops {
    /** Bring bytes in. Several at once. [worker] */
    int (*fill)(const struct hst_fetch *fetch, struct hst_error *err);
};

/** The pages of the file itself, locked in place. */
extern const struct hst_backing_ops hst_backing_page_cache;
/** Memory in hoist's own tmpfs, or in a sealed memfd. */
extern const struct hst_backing_ops hst_backing_copy;

/** Choose for the files of a component: page_cache when every one is raw and on a local or memory file system, else a copy; `recast` = in other
 * types. `force` as in
 * hst_cache_config: NULL or a known name. */
enum hst_backing hst_backing_choose(const struct hst_component *component, bool recast, const char *force);
/** The backing of this name (enum hst_backing), or -1. */
int hst_backing_find(const char *name);
/** The ops of a kind. */
const struct hst_backing_ops *hst_backing_ops(enum hst_backing kind);
/** Memory for a region of our own, reserved: in the tmpfs (NULL = there is none), else in a memfd. *ret_kind says what it became. [worker] */
int hst_backing_allocate(enum hst_backing kind, struct hst_tmpfs *tmpfs, uint64_t size_bytes, struct hst_memfd *ret_memory, enum hst_backing *ret_kind,
                         struct hst_error *err);
#endif
