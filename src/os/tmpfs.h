#ifndef HST_OS_TMPFS_H
#define HST_OS_TMPFS_H
/** @file
 * A tmpfs of hoist's own, with huge pages, that is in nobody's file tree: made in a mount namespace that ends at once, and known by two
 * descriptors of its root, one to write and one through a read-only view. A file opened through the view cannot be made writable again, not
 * even by root through /proc (measured), so its descriptor may be handed out. Works for ordinary users where they may have user namespaces. */
#include "os/memfd.h"

/** The mount. */
struct hst_tmpfs {
    int write_dir; /**< root, for the owner; -1 = there is none */
    int read_dir;  /**< root, through the read-only view */
    _Atomic(uint64_t) next; /**< number of the next file */
};

/** Mount one that takes up to `size_bytes`. HST_E_PERMISSION or HST_E_IO where the kernel or its rules do not let us: use memfds then. */
int hst_tmpfs_new(uint64_t size_bytes, struct hst_tmpfs *ret_tmpfs, struct hst_error *err);
/** Make a file of `size_bytes` (a multiple of the page size) and reserve its memory: huge pages, and small ones for what is left at the end,
 * so that it takes what it says. *ret_memory: fd = read-only, for clients; write_fd and address = writable, for the owner. HST_E_OUT_OF_RAM when there
 * is not enough. Any thread. */
int hst_tmpfs_file(struct hst_tmpfs *tmpfs, uint64_t size_bytes, struct hst_memfd *ret_memory, struct hst_error *err);
/** Close; the memory of files goes with their last descriptor and mapping. Harmless on an empty one. */
void hst_tmpfs_fini(struct hst_tmpfs *tmpfs);
#endif
