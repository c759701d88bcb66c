#include "os/memfd.h"

#include "base/cleanup.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL };

int hst_memfd_refuse(struct hst_error *err, int error, uint64_t size_bytes)
{
    int status = error == ENOSPC || error == ENOMEM ? HST_E_OUT_OF_RAM : HST_E_IO;
    hst_error_set(err, status, "the kernel gives no %llu bytes of shared memory: %s", (unsigned long long)size_bytes, strerror(error));
    if (err != NULL) err->required_bytes = size_bytes;
    return status;
}

/* Map first and ask for huge pages before any page exists: fallocate before madvise yields no huge page at all (measured). */
static int map_and_reserve(struct hst_memfd *memfd, bool want_huge)
{
    void *address = mmap(NULL, memfd->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd->fd, 0);
    if (address == MAP_FAILED) return -1;
    memfd->address = address;
    memfd->huge = want_huge && madvise(address, memfd->size_bytes, MADV_HUGEPAGE) == 0;
    if (madvise(address, memfd->size_bytes, MADV_POPULATE_WRITE) == 0) return 0;
    return errno == EINVAL ? posix_fallocate(memfd->fd, 0, (off_t)memfd->size_bytes) : -1;
}

int hst_memfd_new(const char *name, uint64_t size_bytes, bool want_huge, struct hst_memfd *ret_memfd, struct hst_error *err)
{
    struct hst_memfd memfd = {.fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), .size_bytes = size_bytes};
    bool made = memfd.fd >= 0 && ftruncate(memfd.fd, (off_t)size_bytes) == 0 && map_and_reserve(&memfd, want_huge) == 0 &&
                fcntl(memfd.fd, F_ADD_SEALS, SEALS) == 0;
    if (!made) {
        int status = hst_memfd_refuse(err, errno, size_bytes);
        hst_memfd_fini(&memfd);
        return status;
    }
    *ret_memfd = memfd;
    return HST_OK;
}

int hst_memfd_from_bytes(const char *name, const void *bytes, uint64_t size_bytes, struct hst_error *err)
{
    HST_AUTO(hst_closep) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return hst_memfd_refuse(err, errno, size_bytes);
    HST_TRY(hst_file_write_all(fd, bytes, size_bytes, err));
    if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_WRITE) < 0) return hst_memfd_refuse(err, errno, size_bytes);
    return hst_steal_fd(&fd);
}

bool hst_memfd_punch(const struct hst_memfd *memfd, uint64_t offset, uint64_t size_bytes)
{
    return madvise((char *)memfd->address + offset, size_bytes, MADV_REMOVE) == 0;
}

void hst_memfd_fini(struct hst_memfd *memfd)
{
    if (memfd->address != NULL) munmap(memfd->address, memfd->size_bytes);
    if (memfd->fd >= 0) close(memfd->fd);
    *memfd = (struct hst_memfd){.fd = -1};
}
