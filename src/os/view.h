#ifndef HST_OS_VIEW_H
#define HST_OS_VIEW_H
/** @file
 * A process's own view of a file or memfd: reads are shared with everyone, the first write to a page makes a private copy of it.
 * Nothing is populated or locked: a page costs nothing before it is touched. */
#include "base/error.h"

/** A mapped range. Zero-initialise; free with hst_view_unmap. */
struct hst_view {
    void *address;       /**< NULL = none */
    uint64_t size_bytes; /**< of the mapping */
};

/** Bytes of a file or memfd. */
int hst_view_size(int fd, uint64_t *ret_size_bytes, struct hst_error *err);
/** Map `size_bytes` at `offset` (page-aligned), private; writable = copy-on-write. HST_E_PROTOCOL when the file ends before the range does. */
int hst_view_map(int fd, uint64_t offset, uint64_t size_bytes, bool writable, struct hst_view *ret_view, struct hst_error *err);
/** Unmap; harmless on an empty one. */
void hst_view_unmap(struct hst_view *view);
#endif
