#ifndef HST_OS_MEMFD_H
#define HST_OS_MEMFD_H
/** @file
 * Anonymous files in RAM that are handed to other processes: sealed, so that nobody can shrink, grow or write them through a new
 * mapping. Without seals a read-only descriptor can be reopened for writing through /proc/self/fd (measured). */
#include "base/error.h"

/** A file in RAM, and the owner's writable mapping of it. */
struct hst_memfd {
    int fd;              /**< -1 = none */
    int write_fd;        /**< through which it can be written; 0 = there is none: of a sealed one nobody has such a descriptor */
    void *address;       /**< writable, for the owner alone; read-only where a sealed one was taken over */
    uint64_t size_bytes; /**< of both */
    bool huge;           /**< made of huge pages as far as the kernel has them */
};

/** Make one of `size_bytes` (a multiple of the page size): asks for huge pages before the first touch, reserves all of it, and
 * seals SHRINK, GROW, FUTURE_WRITE and SEAL. HST_E_OUT_OF_RAM when the kernel has not enough. */
int hst_memfd_new(const char *name, uint64_t size_bytes, bool want_huge, struct hst_memfd *ret_memfd, struct hst_error *err);
/** Make a small sealed one with these bytes. @return fd, owned by the caller */
int hst_memfd_from_bytes(const char *name, const void *bytes, uint64_t size_bytes, struct hst_error *err);
/** The error of shared memory that the kernel did not give (os/ alone): HST_E_OUT_OF_RAM with the figure, or HST_E_IO. @return the status */
int hst_memfd_refuse(struct hst_error *err, int errno_value, uint64_t size_bytes);
/** Take over what another process of the same owner has made: by hst_memfd_new (`write_fd` 0) or by hst_tmpfs_file. Both descriptors are taken over when it
 * succeeds. HST_E_PROTOCOL when they are not what such a file has: its size, its seals, twice the same file. */
int hst_memfd_adopt(int fd, int write_fd, uint64_t size_bytes, bool huge, struct hst_memfd *ret_memfd, struct hst_error *err);
/** Give the pages of a range back to the kernel: they read as zeros from then on. @return was it done? Sealed ones refuse */
bool hst_memfd_punch(const struct hst_memfd *memfd, uint64_t offset, uint64_t size_bytes);
/** Unmap and close; harmless on an empty one. */
void hst_memfd_fini(struct hst_memfd *memfd);
#endif
