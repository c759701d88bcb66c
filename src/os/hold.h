#ifndef HST_OS_HOLD_H
#define HST_OS_HOLD_H
/** @file
 * Memory of the kernel that hoist holds without touching it: ranges of a file's page cache, mapped and locked. The bytes are never
 * read through the mapping, so a truncated file cannot raise SIGBUS here; the kernel fills and locks the pages. */
#include "base/error.h"

/** A mapped range of a file. */
struct hst_hold {
    void *address;       /**< of the mapping; NULL = none */
    uint64_t size_bytes; /**< of the mapping, a multiple of the page size */
};

/** Bytes of a page. */
uint64_t hst_hold_page_size(void);
/** Map `size_bytes` of the file at `offset` (both page-aligned), shared and read-only; touches nothing. */
int hst_hold_map(int fd, uint64_t offset, uint64_t size_bytes, struct hst_hold *ret_hold, struct hst_error *err);
/** Bring a piece in from disk and lock it; when locking is not permitted, only bring it in and set *ret_locked = false. Any thread.
 * HST_E_FILE_CHANGED when the file is shorter than the piece. */
int hst_hold_fill(const struct hst_hold *hold, uint64_t offset, uint64_t size_bytes, bool *ret_locked, struct hst_error *err);
/** Another descriptor of the same open file, owned by the caller; -1 when there are no more. */
int hst_hold_dup(int fd);
/** Bring a range in again, in pieces, until *cancel. Any thread. HST_E_CANCELLED, HST_E_FILE_CHANGED, HST_E_IO. */
int hst_hold_fetch(int fd, uint64_t offset, uint64_t size_bytes, const _Atomic(bool) *cancel);
/** Lock a piece whose pages are there (others are brought in); false when that is not permitted or the file is shorter: then some of it may be locked. Any
 * thread. */
bool hst_hold_lock(const struct hst_hold *hold, uint64_t offset, uint64_t size_bytes);
/** Unlock a piece, locked or not. Any thread. */
void hst_hold_unlock_range(const struct hst_hold *hold, uint64_t offset, uint64_t size_bytes);
/** Unlock all of it; the pages stay in the page cache as long as the kernel likes. */
void hst_hold_unlock(const struct hst_hold *hold);
/** Unlock a range, and take it out of our page tables: the kernel drops no page that is mapped. */
void hst_hold_let_go(const struct hst_hold *hold, uint64_t offset, uint64_t size_bytes);
/** Unlock and unmap; harmless on an empty one. */
void hst_hold_unmap(struct hst_hold *hold);
/** Tell the kernel that the pages of this range of the file are not needed any more. */
void hst_hold_drop(int fd, uint64_t offset, uint64_t size_bytes);
/** How many bytes of the range are in the page cache now (cachestat, or mincore where the kernel has none). */
uint64_t hst_hold_resident(int fd, uint64_t offset, uint64_t size_bytes);
#endif
