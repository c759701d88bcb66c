#ifndef HST_CACHE_CLAIM_H
#define HST_CACHE_CLAIM_H
/** @file
 * What a component takes of memory: ranges of regions, and where in them each of its tensors is. A residency has one; a lease keeps the
 * one it was given, so that what a client maps stays while the residency moves on to another.
 *
 *     draft            names the twins that are there            (nothing new is charged)
 *     hst_claim_take   names what is its own                     (charged: the caller has checked that there is room)
 *     ... filled ...   hst_claim_publish: clients may map it
 *     last unref       what nobody else names is given back
 */
#include "cache/recast.h"
#include "model/extents.h"

struct hst_record_claim;

/** A range of a region. */
struct hst_piece {
    uint32_t region;        /**< index into the claim's regions */
    uint32_t source;        /**< of its own, as stored: index of the region of the file it is read from */
    uint64_t begin;         /**< first byte in the region, page-aligned */
    uint64_t size_bytes;    /**< a multiple of the page size */
    uint64_t source_offset; /**< of its own: first byte in that file */
    bool own;               /**< to be filled; else a twin, which is there */
    bool head;              /**< no tensor lies in it: it is what comes before them in a file, which whoever knows but the path reads, too */
    bool was_resident;      /**< it was in the page cache before hoist came: it is not dropped afterwards */
};

/** The claim. */
struct hst_claim {
    unsigned refs;                   /**< residency and leases */
    uint64_t number;                 /**< of the tier's claims: 1, 2, ... */
    enum hst_backing kind;           /**< of what is its own */
    struct hst_region **regions;     /**< owned array, each referenced */
    size_t region_count;             /**< of regions */
    size_t entered;                  /**< of these, regions that are there because of twins */
    struct hst_piece *pieces;        /**< owned; its own first */
    size_t piece_count;              /**< of pieces */
    size_t own_count;                /**< of pieces that are its own */
    uint32_t *sources;               /**< owned: indices of the regions of the files that its own is read from */
    size_t source_count;             /**< of sources */
    struct hst_recast *recast;       /**< owned; NULL = as stored */
    bool taken;                      /**< its own are named, too */
    uint64_t size_bytes;             /**< of all pieces */
    uint64_t keep_id;                /**< of hoist-keeper's item (keep.h); 0 = it has none */
    size_t tensor_count;             /**< tensors of the component */
    struct hst_placement *spots;     /**< owned, one a tensor: index of a region and offset in it */
    struct hst_placement *places;    /**< owned, one a tensor: segment and offset in it; once published */
    struct hst_segment *segments;    /**< owned; once published */
    size_t segment_count;            /**< of segments */
};

/** Draft one for a component that is held, in other types or (recast NULL) as stored. *ret_claim owned by the caller: hst_claim_unref (cache.h). */
int hst_claim_new(struct hst_cache *cache, const struct hst_component *component, const struct hst_recast *recast, struct hst_claim **ret_claim,
                  struct hst_error *err);
/** Where a tensor shall be instead: fills *spot (index of a region and offset in it) and returns true, or returns false: where it is. The claim is
 * under construction; hst_claim_enter finds the index of a region. */
typedef bool (*hst_claim_move_fn)(void *context, struct hst_claim *claim, size_t tensor, struct hst_placement *spot);
/** The index of a region among those of a claim, which is added and referenced when it is none yet. UINT32_MAX without memory, and when it
 * would be one too many. */
uint32_t hst_claim_enter(struct hst_claim *claim, struct hst_region *region);
/** One for the same component with some tensors elsewhere, in memory that is filled. Nothing is charged; both are named until one goes.
 * *ret_claim owned by the caller. */
int hst_claim_move(struct hst_cache *cache, const struct hst_claim *from, const struct hst_component *component, hst_claim_move_fn move, void *context,
                   struct hst_claim **ret_claim, struct hst_error *err);
/** One that the hoistd before had, with these regions, one for each that the record names; it is charged, and its types are not known yet.
 * *ret_claim owned by the caller. HST_E_NOMEM */
int hst_claim_restore(struct hst_cache *cache, const struct hst_record_claim *record, struct hst_region *const *regions, struct hst_claim **ret_claim,
                      struct hst_error *err);
/** The claim of a residency; NULL while it is set aside. */
struct hst_claim *hst_claim_of(const struct hst_residency *residency);
/** The region of a file that its own is read from. */
const struct hst_region *hst_claim_source(const struct hst_claim *claim, const struct hst_file_id *id);
/** The descriptor of a region in which it has bytes. */
int hst_claim_fd(const struct hst_claim *claim, uint32_t region);
/** What taking it would charge now. */
uint64_t hst_claim_cost(const struct hst_claim *claim);
/** Name what is its own. HST_E_NOMEM, and then nothing was named. */
int hst_claim_take(struct hst_claim *claim, struct hst_error *err);
/** Its files and memory are open and filled: make segments and places. */
int hst_claim_publish(struct hst_claim *claim, struct hst_error *err);
/** Keep it. @return claim */
struct hst_claim *hst_claim_ref(struct hst_claim *claim);
/** Bytes of it that nothing else names. */
uint64_t hst_claim_exclusive(const struct hst_claim *claim);
/** What taking all of these would charge now: what several of them name, once. UINT64_MAX without memory to count it. */
uint64_t hst_claim_cost_together(struct hst_claim *const *claims, size_t count);
/** Is this tensor of the component brought in from its file? Else its twin is there. */
bool hst_claim_reads(const struct hst_claim *claim, size_t tensor);
/** Told of bytes of a file. */
typedef void (*hst_claim_read_fn)(void *context, const struct hst_file_id *file, uint64_t offset, uint64_t size_bytes);
/** Tell `fn` of all that filling it reads from files, file by file. */
void hst_claim_each_read(const struct hst_claim *claim, const struct hst_component *component, hst_claim_read_fn fn, void *context);
/** Bytes of all that. */
uint64_t hst_claim_read_bytes(const struct hst_claim *claim, const struct hst_component *component);
/** Of these, once filled as stored: bytes that were in the page cache before hoist came. */
uint64_t hst_claim_warm_bytes(const struct hst_claim *claim);
/** Bytes that these claims name, each once. 0 also without memory to count them. */
uint64_t hst_claim_union(struct hst_claim *const *claims, size_t count);
/** Bytes that would go back to the kernel with these claims: what nothing else names, as far as it can be given back in part. 0 also without
 * memory to count them. */
uint64_t hst_claim_freed(struct hst_claim *const *claims, size_t count);
/** Name what is its own without charging it, while it is planned: what it is going to need is not freed by a victim. HST_E_NOMEM, and then nothing was
 * named. Undone by hst_claim_forgo. */
int hst_claim_presume(struct hst_claim *claim, struct hst_error *err);
/** Undo hst_claim_presume. */
void hst_claim_forgo(struct hst_claim *claim);
/** Is the region one of the claim's, named, or read from? */
bool hst_claim_names(const struct hst_claim *claim, const struct hst_region *region);
/** Do the two name bytes in common, beyond the page in which one ends and the other begins? */
bool hst_claim_meets(const struct hst_claim *a, const struct hst_claim *b);
/** Does it name or read a file that somebody writes? */
bool hst_claim_is_broken(const struct hst_claim *claim);
/** Is every page of files that it holds in place locked? */
bool hst_claim_is_locked(const struct hst_claim *claim);
#endif
