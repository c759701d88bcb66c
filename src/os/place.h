#ifndef HST_OS_PLACE_H
#define HST_OS_PLACE_H
/** @file
 * Mappings placed so that huge pages fit: address and file offset are equal modulo 2 MiB. Where the page cache holds a file in folios
 * of that size (ext4 since Linux 6.16, XFS since 5.18, tmpfs with huge=), one page-table entry then maps 2 MiB: 1 GiB takes 60 KiB of page
 * tables instead of 2 MiB, and a first read of all of it half the time (measured). Elsewhere it costs nothing. */
#include "base/error.h"

/** Map `size_bytes` of a file at `offset` (page-aligned) with mmap(2)'s `protection` and `flags`. @return address, or NULL with errno set */
void *hst_place_map(int fd, uint64_t offset, uint64_t size_bytes, int protection, int flags);
#endif
