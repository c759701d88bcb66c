#ifndef HST_CACHE_REGION_H
#define HST_CACHE_REGION_H
/** @file
 * A run of memory with one owner: a file whose pages are held in place, or memory of hoist's own. Claims (claim.h) name ranges of it,
 * several of them the same range when tensors are equal; a page goes back when no claim names it, and the region with the last claim.
 * Loop thread only, but for what says [worker]. */
#include "base/list.h"
#include "cache/cache.h"
#include "cache/uses.h"
#include "os/hold.h"
#include "os/tmpfs.h"

struct hst_backing_ops;
struct hst_drain;
struct hst_mark;

/** A region. */
struct hst_region {
    struct hst_list node;              /**< in the tier's regions */
    struct hst_cache *cache;           /**< its tier */
    enum hst_backing kind;             /**< what holds the bytes; of memory of our own: settled when it is prepared */
    const struct hst_backing_ops *ops; /**< how */
    unsigned refs;                     /**< claims that name it, or read from it */
    struct hst_uses used;            /**< how often each page is named */
    uint64_t size_bytes;               /**< of the file, rounded up to pages, or of the memory */
    uint64_t stuck_bytes;              /**< named by nobody, but not to be given back before all of it is */
    struct hst_mark *marks;            /**< known tensors in it (twins.h) */
    struct hst_file_id id;             /**< a file: which; of memory of our own all zero */
    char *path;                        /**< a file: where; owned */
    int fd;                            /**< a file: read-only; -1 = not open yet */
    _Atomic(int) direct_fd;            /**< a file: reads past the page cache; -1 = does not. Set once, perhaps while others fill from it */
    bool leased;                       /**< a file: a read lease warns before somebody writes it */
    bool broken;                       /**< a file: somebody writes it: nothing of it is handed out any more */
    _Atomic(bool) unlocked;            /**< a file: some page could not be locked */
    uint64_t keep_id;                  /**< of hoist-keeper's item (keep.h); 0 = it has none */
    bool left;                         /**< what lived in it was copied: it goes with its last lease */
    bool frozen;                       /**< hoist-keeper may still show what nobody names any more: memory of our own is not changed */
    bool dying;                        /**< its last claim is going: all of it goes at once */
    struct hst_drain *parting;         /**< ranges that go, until they are sent (drain.h); owned */
    unsigned drains;                   /**< that were sent and have not come back */
    struct hst_hold hold;              /**< a file held in place: mapping of all of it */
    struct hst_memfd memory;           /**< memory of our own */
};

/** A file that was opened for a region, on a worker. */
struct hst_opened_file {
    int fd;      /**< -1 = none */
    bool leased; /**< see hst_region */
};

/** The region of this file, made if there is none; one reference is the caller's. NULL without memory. */
struct hst_region *hst_region_of_file(struct hst_cache *cache, const struct hst_model_file *file);
/** A new one of our own; one reference is the caller's. NULL without memory. */
struct hst_region *hst_region_new(struct hst_cache *cache, enum hst_backing kind, uint64_t size_bytes);
/** Let go; what was released goes, with the last one all of it (drain.h). */
void hst_region_unref(struct hst_region *region);
/** Open the file of a region that is not open, if it is the one that was parsed; read-only fields of the region are used alone. [worker] */
int hst_region_open(const struct hst_region *region, struct hst_opened_file *ret_file, struct hst_error *err);
/** Take what was opened, unless somebody was faster. `file` is empty afterwards. */
void hst_region_adopt(struct hst_region *region, struct hst_opened_file *file);
/** Map the file of a region, which is open, to be held in place. */
int hst_region_map(struct hst_region *region, struct hst_error *err);
/** Close what nobody took. */
void hst_region_discard(struct hst_opened_file *file);
/** Is it a file? */
static inline bool hst_region_is_file(const struct hst_region *region)
{
    return region->path != NULL;
}
/** Can a range of it go before all of it does? A sealed memfd lets nobody make a hole, not even its owner (measured). */
static inline bool hst_region_gives_back(const struct hst_region *region)
{
    return hst_region_is_file(region) || region->memory.address == NULL || (region->kind == HST_BACKING_TMPFS_HUGE && !region->frozen);
}
/** Name a range once more, for which room was reserved in `used`: the tier is charged for what nobody had named. */
void hst_region_use(struct hst_region *region, uint64_t begin, uint64_t end);
/** Take a use back: what is not named any more is given back to the kernel, soon after the next hst_region_unref. `drop` = a file's pages are not needed by anybody else. */
void hst_region_release(struct hst_region *region, uint64_t begin, uint64_t end, bool drop);
#endif
