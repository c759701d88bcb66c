#ifndef HST_TESTS_FAULTS_H
#define HST_TESTS_FAULTS_H
/** @file
 * Fail the n-th allocation or system call of a scenario. A program that uses it is linked with --wrap for each of the functions
 * (tests/meson.build): what hoist calls comes here first. Calls of libraries outside are not touched. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/** What fails. */
enum fault_kind {
    FAULT_NONE,       /**< nothing */
    FAULT_ALLOCATION, /**< malloc and its kin: NULL */
    FAULT_CALL,       /**< system calls: -1 with EIO, or ENOMEM for memory */
    FAULT_RING,       /**< calls of io_uring: -EIO, or -ENOMEM for a new ring */
};

static _Atomic(int) fault_kind, fault_at, fault_seen;
static _Atomic(bool) fault_stays;

/** From here on, the `at`-th (from 1) of `kind` fails, once. */
static inline void faults_begin(enum fault_kind kind, int at)
{
    fault_seen = 0;
    fault_at = at;
    fault_stays = false;
    fault_kind = (int)kind;
}

/** From here on, the `at`-th of `kind` and all after it fail. */
static inline void faults_begin_for_good(enum fault_kind kind, int at)
{
    faults_begin(kind, at);
    fault_stays = true;
}

/** Nothing fails any more. @return did one fail? */
static inline bool faults_end(void)
{
    fault_kind = FAULT_NONE;
    return fault_seen >= fault_at;
}

static inline bool fault_hits(enum fault_kind kind)
{
    if (fault_kind != (int)kind) return false;
    int seen = ++fault_seen;
    return seen == fault_at || (fault_stays && seen > fault_at);
}

/* The function by its real name, and what stands in its place. */
#define FAULTY(kind, error, failure, type, name, parameters, arguments) \
    type __real_##name parameters;                                      \
    type __wrap_##name parameters;                                      \
    type __wrap_##name parameters                                       \
    {                                                                   \
        if (!fault_hits(kind)) return __real_##name arguments;          \
        errno = error;                                                  \
        return failure;                                                 \
    }

FAULTY(FAULT_ALLOCATION, ENOMEM, NULL, void *, malloc, (size_t size), (size))
FAULTY(FAULT_ALLOCATION, ENOMEM, NULL, void *, calloc, (size_t count, size_t size), (count, size))
FAULTY(FAULT_ALLOCATION, ENOMEM, NULL, void *, realloc, (void *old, size_t size), (old, size))
FAULTY(FAULT_ALLOCATION, ENOMEM, NULL, void *, reallocarray, (void *old, size_t count, size_t size), (old, count, size))
FAULTY(FAULT_ALLOCATION, ENOMEM, NULL, char *, strdup, (const char *text), (text))
FAULTY(FAULT_ALLOCATION, ENOMEM, NULL, char *, strndup, (const char *text, size_t length), (text, length))
FAULTY(FAULT_CALL, ENOMEM, MAP_FAILED, void *, mmap64, (void *address, size_t size, int protection, int flags, int fd, off_t offset), (address, size, protection, flags, fd, offset))
FAULTY(FAULT_CALL, ENOMEM, -1, int, memfd_create, (const char *name, unsigned flags), (name, flags))
FAULTY(FAULT_CALL, ENOSPC, -1, int, ftruncate64, (int fd, off_t size), (fd, size))
FAULTY(FAULT_CALL, EIO, -1, int, fstat64, (int fd, struct stat *st), (fd, st))
FAULTY(FAULT_CALL, EIO, -1, ssize_t, pread64, (int fd, void *bytes, size_t length, off_t offset), (fd, bytes, length, offset))
FAULTY(FAULT_CALL, ENOMEM, -1, int, mlock, (const void *address, size_t size), (address, size))
FAULTY(FAULT_CALL, ENOMEM, -1, int, madvise, (void *address, size_t size, int advice), (address, size, advice))
FAULTY(FAULT_CALL, EIO, -1, int, fsync, (int fd), (fd))
FAULTY(FAULT_CALL, ENOSPC, -1, int, rename, (const char *from, const char *to), (from, to))
FAULTY(FAULT_CALL, ENOSPC, -1, int, linkat, (int from_fd, const char *from, int to_fd, const char *to, int flags), (from_fd, from, to_fd, to, flags))
FAULTY(FAULT_CALL, ENOSPC, -1, ssize_t, copy_file_range, (int in, off64_t *in_at, int out, off64_t *out_at, size_t length, unsigned flags), (in, in_at, out, out_at, length, flags))
FAULTY(FAULT_CALL, ENOSPC, -1, ssize_t, write, (int fd, const void *bytes, size_t length), (fd, bytes, length))
FAULTY(FAULT_CALL, EMFILE, -1, int, pipe2, (int ends[2], int flags), (ends, flags))
FAULTY(FAULT_RING, ENOMEM, -ENOMEM, int, io_uring_queue_init, (unsigned entries, struct io_uring *ring, unsigned flags), (entries, ring, flags))
FAULTY(FAULT_RING, EIO, -EIO, int, io_uring_submit, (struct io_uring *ring), (ring))
FAULTY(FAULT_RING, EIO, -EIO, int, io_uring_submit_and_wait, (struct io_uring *ring, unsigned count), (ring, count))
#endif
