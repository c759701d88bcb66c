#ifndef HST_OS_RINGS_H
#define HST_OS_RINGS_H
/** @file
 * Reading past the page cache with a deep queue: io_uring, a ring for every thread that reads at a time. A read is cut into blocks that are under
 * way together, and the memory they go to is touched before they are asked for. What a ring cannot do, or not any more, hst_file_read_past does:
 * where the kernel has no io_uring, or forbids it, reading is slower and nothing else. */
#include "base/error.h"

/** A pool of rings. */
struct hst_rings;

/** Make a pool for up to `count` threads at a time. HST_E_PERMISSION or HST_E_IO with the reason where there is no
 * io_uring, HST_E_NOMEM. */
int hst_rings_new(unsigned count, struct hst_rings **ret_rings, struct hst_error *err);
/** Free it; nobody reads any more. NULL is fine. */
void hst_rings_free(struct hst_rings *rings);
/** Read `length` bytes at `offset` of a descriptor from hst_file_reopen_direct into `buffer`, which has room for whole pages; offset and buffer are
 * page-aligned. `rings` NULL = without io_uring. When it fails, some of the bytes may have been read, and none is on its way any more. Any thread.
 * @return 0, HST_E_TRUNCATED or HST_E_IO */
int hst_rings_read(struct hst_rings *rings, int direct_fd, uint64_t offset, void *buffer, size_t length);
#endif
