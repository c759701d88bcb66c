#include "os/memfd.h"

#include "base/cleanup.h"
#include "os/file.h"
#include "os/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

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

/* Sealed by us: nobody can shrink or write it. */
static bool is_sealed(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & SEALS) == SEALS;
}

/* One to read and one to write the same file. */
static bool is_pair(int fd, int write_fd, const struct stat *st)
{
    struct stat other;
    return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY && (fcntl(write_fd, F_GETFL) & O_ACCMODE) == O_RDWR && fstat(write_fd, &other) == 0 &&
           st->st_dev == other.st_dev && st->st_ino == other.st_ino;
}

static bool is_ours(int fd, int write_fd, uint64_t size_bytes)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || size_bytes == 0 || (uint64_t)st.st_size != size_bytes) return false;
    return write_fd > 0 ? is_pair(fd, write_fd, &st) : is_sealed(fd);
}

int hst_memfd_adopt(int fd, int write_fd, uint64_t size_bytes, bool huge, struct hst_memfd *ret_memfd, struct hst_error *err)
{
    if (!is_ours(fd, write_fd, size_bytes)) return hst_error_set(err, HST_E_PROTOCOL, "this is no memory that hoist has made");
    int protection = write_fd > 0 ? PROT_READ | PROT_WRITE : PROT_READ;
    void *address = hst_place_map(write_fd > 0 ? write_fd : fd, 0, size_bytes, protection, MAP_SHARED);
    if (address == NULL) return hst_file_errno(err, errno, "map", "memory that was kept");
    *ret_memfd = (struct hst_memfd){fd, write_fd, address, size_bytes, huge};
    return HST_OK;
}

bool hst_memfd_punch(const struct hst_memfd *memfd, uint64_t offset, uint64_t size_bytes)
{
    return madvise((char *)memfd->address + offset, size_bytes, MADV_REMOVE) == 0;
}

void hst_memfd_fini(struct hst_memfd *memfd)
{
    if (memfd->address != NULL) munmap(memfd->address, memfd->size_bytes);
    if (memfd->fd >= 0) close(memfd->fd);
    if (memfd->write_fd > 0) close(memfd->write_fd);
    *memfd = (struct hst_memfd){.fd = -1};
}
