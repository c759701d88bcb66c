#include "os/hold.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "os/file.h"
#include "os/place.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif
#ifndef SYS_cachestat
#define SYS_cachestat 451 /* Linux 6.5 */
#endif

#define FETCH_BYTES UINT64_C(16777216) /* between two looks at a cancel flag */

uint64_t hst_hold_page_size(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

int hst_hold_map(int fd, uint64_t offset, uint64_t size_bytes, struct hst_hold *ret_hold, struct hst_error *err)
{
    void *address = hst_place_map(fd, offset, size_bytes, PROT_READ, MAP_SHARED);
    if (address == NULL) return hst_file_errno(err, errno, "map", "the file");
    (void)madvise(address, size_bytes, MADV_HUGEPAGE); /* pages that are read from now on come in huge folios, where the file system has them */
    *ret_hold = (struct hst_hold){address, size_bytes};
    return HST_OK;
}

static int populate(void *piece, uint64_t size_bytes, struct hst_error *err)
{
    int result = -1;
    do {
        result = madvise(piece, size_bytes, MADV_POPULATE_READ);
    } while (result < 0 && errno == EINTR);
    if (result == 0) return HST_OK;
    if (errno == EFAULT) return hst_error_set(err, HST_E_FILE_CHANGED, "the file became shorter while it was read");
    return hst_file_errno(err, errno, "read", "the file");
}

int hst_hold_fill(const struct hst_hold *hold, uint64_t offset, uint64_t size_bytes, bool *ret_locked, struct hst_error *err)
{
    char *piece = (char *)hold->address + offset;
    if (mlock(piece, size_bytes) == 0) return HST_OK;
    *ret_locked = false;
    return populate(piece, size_bytes, err);
}

int hst_hold_dup(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

int hst_hold_fetch(int fd, uint64_t offset, uint64_t size_bytes, const _Atomic(bool) *cancel)
{
    struct hst_hold hold = {0};
    HST_TRY(hst_hold_map(fd, offset, size_bytes, &hold, NULL));
    int status = HST_OK;
    for (uint64_t at = 0; status == HST_OK && at < size_bytes; at += FETCH_BYTES)
        status = *cancel ? HST_E_CANCELLED : populate((char *)hold.address + at, hst_min_u64(FETCH_BYTES, size_bytes - at), NULL);
    hst_hold_unmap(&hold);
    return status;
}

bool hst_hold_lock(const struct hst_hold *hold, uint64_t offset, uint64_t size_bytes)
{
    return mlock((char *)hold->address + offset, size_bytes) == 0;
}

void hst_hold_unlock_range(const struct hst_hold *hold, uint64_t offset, uint64_t size_bytes)
{
    munlock((char *)hold->address + offset, size_bytes);
}

void hst_hold_unlock(const struct hst_hold *hold)
{
    if (hold->address != NULL) hst_hold_unlock_range(hold, 0, hold->size_bytes);
}

void hst_hold_let_go(const struct hst_hold *hold, uint64_t offset, uint64_t size_bytes)
{
    if (hold->address == NULL) return;
    hst_hold_unlock_range(hold, offset, size_bytes);
    madvise((char *)hold->address + offset, size_bytes, MADV_DONTNEED);
}

void hst_hold_unmap(struct hst_hold *hold)
{
    if (hold->address != NULL) munmap(hold->address, hold->size_bytes);
    *hold = (struct hst_hold){0};
}

void hst_hold_drop(int fd, uint64_t offset, uint64_t size_bytes)
{
    posix_fadvise(fd, (off_t)offset, (off_t)size_bytes, POSIX_FADV_DONTNEED);
}

/* Without cachestat: ask page by page. Counts nothing when memory is short, which only makes the next fill read again. */
static uint64_t count_by_mincore(int fd, uint64_t offset, uint64_t size_bytes)
{
    uint64_t page = hst_hold_page_size(), pages = (size_bytes + page - 1) / page, resident = 0;
    struct hst_hold hold = {0};
    HST_AUTO(hst_freep) unsigned char *bits = malloc(pages);
    if (bits == NULL || hst_hold_map(fd, offset, size_bytes, &hold, NULL) < 0) return 0;
    if (mincore(hold.address, size_bytes, bits) == 0)
        for (uint64_t i = 0; i < pages; i++)
            resident += bits[i] & 1;
    hst_hold_unmap(&hold);
    return resident * page;
}

uint64_t hst_hold_resident(int fd, uint64_t offset, uint64_t size_bytes)
{
    struct {
        uint64_t offset, length;
    } range = {offset, size_bytes};
    struct {
        uint64_t cached, dirty, writeback, evicted, recently_evicted;
    } found = {0};
    if (syscall(SYS_cachestat, fd, &range, &found, 0) == 0) return found.cached * hst_hold_page_size();
    return count_by_mincore(fd, offset, size_bytes);
}
