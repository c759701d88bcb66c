#ifndef HST_OS_PLACE_H
#define HST_OS_PLACE_H
/** @file
 * Mappings placed so that huge pages fit: address and file offset are equal modulo 2 MiB. Where the page cache holds a file in folios
 * of that size (ext4 since Linux 6.16, XFS since 5.18, tmpfs with huge=), one page-table entry then maps 2 MiB: the page tables of a client grew
 * by 28 KiB instead of 1.7 MiB for 1 GiB (measured, Linux 6.18, ext4). Elsewhere it costs nothing. */
#include "base/error.h"

/** Bytes of a huge page: of a PMD, where pages have 4 KiB. */
#define HST_PLACE_HUGE_BYTES UINT64_C(2097152)

/** Map `size_bytes` of a file at `offset` (page-aligned) with mmap(2)'s `protection` and `flags`. @return address, or NULL with errno set */
void *hst_place_map(int fd, uint64_t offset, uint64_t size_bytes, int protection, int flags);
/** Memory that a file is read into past the page cache, in huge pages where the kernel has them: a disk then needs one entry for 2 MiB, not one for
 * 4 KiB (measured, 1 GiB by eight threads: 0.33 to 0.56 s instead of 0.7 to 0.86). Owned by the caller: free; NULL without memory. */
void *hst_place_room(uint64_t size_bytes);
#endif
