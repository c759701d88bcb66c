#ifndef HST_OS_FILELEASE_H
#define HST_OS_FILELEASE_H
/** @file
 * Read leases on files (fcntl F_SETLEASE): before anybody opens the file for writing or truncates it, the kernel raises SIGIO here and
 * lets the writer wait until the lease is let go (at most /proc/sys/fs/lease-break-time). Local file systems only. */
#include <stdbool.h>

/** Take a read lease on a file opened read-only. @return false when it is not to be had (other file system, an open writer) */
bool hst_filelease_take(int fd);
/** Is somebody waiting to write? True also when the lease is gone already. */
bool hst_filelease_broken(int fd);
/** Let go: a waiting writer goes on. */
void hst_filelease_release(int fd);
#endif
