#include "os/file.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/syscall.h>

enum { PAGE = 4096 }; /* what O_DIRECT is aligned to */
enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

static const struct {
    int errno_value, status;
} errnos[] = {
    {ENOENT, HST_E_FILE_MISSING}, {ENOTDIR, HST_E_FILE_MISSING}, {ESTALE, HST_E_FILE_MISSING}, {EACCES, HST_E_PERMISSION},
    {EPERM, HST_E_PERMISSION},    {EROFS, HST_E_PERMISSION},     {ENOSPC, HST_E_NO_SPACE},     {EDQUOT, HST_E_NO_SPACE},
    {ENOMEM, HST_E_NOMEM},        {ELOOP, HST_E_INVALID_FILE},   {EXDEV, HST_E_INVALID_FILE},  {ENXIO, HST_E_INVALID_FILE}, /* a socket */
};

int hst_file_errno(struct hst_error *err, int errno_value, const char *what, const char *path)
{
    int status = HST_E_IO;
    for (size_t i = 0; i < sizeof errnos / sizeof errnos[0]; i++)
        if (errnos[i].errno_value == errno_value) status = errnos[i].status;
    const char *reason = status == HST_E_INVALID_FILE ? "path: " : ""; /* a link that leads out, or round in a circle: a verdict, which has a reason */
    return hst_error_set(err, status, "%scannot %s %s: %s", reason, what, path, strerror(errno_value));
}

static int64_t ns_of(struct timespec time)
{
    return (int64_t)((uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec);
}

struct hst_file_id hst_file_id_of(const struct stat *st)
{
    return (struct hst_file_id){.device = st->st_dev,
                                .inode = st->st_ino,
                                .size_bytes = (uint64_t)st->st_size,
                                .mtime_ns = ns_of(st->st_mtim),
                                .ctime_ns = ns_of(st->st_ctim)};
}

static int identify(int fd, const char *path, struct hst_file_id *ret_id, struct hst_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0) return hst_file_errno(err, errno, "read the status of", path);
    if (!S_ISREG(st.st_mode)) return hst_error_set(err, HST_E_INVALID_FILE, "not_regular: %s is no regular file", path);
    *ret_id = hst_file_id_of(&st);
    return HST_OK;
}

int hst_file_identify(int fd, struct hst_file_id *ret_id, struct hst_error *err)
{
    return identify(fd, "the file", ret_id, err);
}

/* Takes over `opened` (an fd, or -1 with errno set). */
static int finish_open(int opened, const char *path, struct hst_file_id *ret_id, struct hst_error *err)
{
    HST_AUTO(hst_closep) int fd = opened;
    if (fd < 0) return hst_file_errno(err, errno, "open", path);
    HST_TRY(identify(fd, path, ret_id, err));
    return hst_steal_fd(&fd);
}

int hst_file_open(const char *path, struct hst_file_id *ret_id, struct hst_error *err)
{
    return finish_open(open(path, OPEN_FLAGS), path, ret_id, err);
}

/* Without openat2 (seccomp profiles of old containers): one component after the other, links refused. */
static int open_step_by_step(int dir_fd, const char *path)
{
    HST_AUTO(hst_closep) int at = dup(dir_fd);
    const char *rest = path;
    for (const char *slash; at >= 0 && (slash = strchr(rest, '/')); rest = slash + 1) {
        char part[256];
        if ((size_t)(slash - rest) >= sizeof part) return errno = ENAMETOOLONG, -1;
        snprintf(part, sizeof part, "%.*s", (int)(slash - rest), rest);
        int next = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        hst_closep(&at);
        at = next;
    }
    return at < 0 ? -1 : openat(at, rest, OPEN_FLAGS | O_NOFOLLOW);
}

static bool leaves_folder(const char *path)
{
    if (path[0] == '/' || path[0] == '\0') return true;
    for (const char *at = path; at != NULL; at = strchr(at, '/')) {
        at += *at == '/';
        if (strcmp(at, "..") == 0 || strncmp(at, "../", 3) == 0) return true;
    }
    return false;
}

/* Is the folder one of REPO/snapshots, beside REPO/blobs? */
static bool is_snapshot(int dir_fd)
{
    struct stat parent, snapshots, blobs;
    return fstatat(dir_fd, "..", &parent, 0) == 0 && fstatat(dir_fd, "../../snapshots", &snapshots, AT_SYMLINK_NOFOLLOW) == 0 &&
           parent.st_ino == snapshots.st_ino && parent.st_dev == snapshots.st_dev && fstatat(dir_fd, "../../blobs", &blobs, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(blobs.st_mode);
}

/* The folder of `path`, reached without any link; *ret_name = the last part. */
static int open_parent(int dir_fd, const char *path, const char **ret_name)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    const char *slash = strrchr(path, '/');
    char parent[4096] = ".";
    if (slash != NULL && snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path) >= (int)sizeof parent) return -1;
    *ret_name = slash != NULL ? slash + 1 : path;
    if (slash == NULL) return openat(dir_fd, parent, (int)how.flags);
    return (int)syscall(SYS_openat2, dir_fd, parent, &how, sizeof how);
}

/* "../../blobs/NAME", with one more "../" for each folder of `path`. @return "blobs/NAME", or NULL */
static const char *blob_of(const char *path, const char *target)
{
    size_t up = 2;
    for (const char *slash = path; (slash = strchr(slash, '/')); slash++)
        up++;
    for (; up > 0 && strncmp(target, "../", 3) == 0; up--)
        target += 3;
    bool is_blob = up == 0 && strncmp(target, "blobs/", 6) == 0 && strchr(target + 6, '/') == NULL && target[6] != '.';
    return is_blob ? target : NULL;
}

/* A link of a snapshot to a blob of its repository. @return fd, or -1 with errno EXDEV */
static int open_blob(int dir_fd, const char *path)
{
    char target[512];
    const char *name;
    HST_AUTO(hst_closep) int parent = is_snapshot(dir_fd) ? open_parent(dir_fd, path, &name) : -1;
    ssize_t length = parent >= 0 ? readlinkat(parent, name, target, sizeof target - 1) : -1;
    errno = EXDEV;
    if (length < 0) return -1;
    target[length] = '\0';
    const char *blob = blob_of(path, target);
    if (blob == NULL) return -1;
    HST_AUTO(hst_closep) int repository = openat(dir_fd, "../..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return repository < 0 ? -1 : openat(repository, blob, OPEN_FLAGS | O_NOFOLLOW);
}

static int open_inside(int dir_fd, const char *path)
{
    struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) fd = open_step_by_step(dir_fd, path);
    return fd < 0 && (errno == EXDEV || errno == ELOOP) ? open_blob(dir_fd, path) : fd;
}

int hst_file_open_beneath(int dir_fd, const char *path, struct hst_file_id *ret_id, struct hst_error *err)
{
    int fd = leaves_folder(path) ? (errno = EXDEV, -1) : open_inside(dir_fd, path);
    if (fd < 0 && errno == EXDEV) return hst_error_set(err, HST_E_INVALID_FILE, "path: %s leads out of its folder", path);
    return finish_open(fd, path, ret_id, err);
}

bool hst_file_is_readable(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_WRONLY;
}

void hst_file_remove(const char *path)
{
    unlink(path);
}

bool hst_file_id_equal(const struct hst_file_id *a, const struct hst_file_id *b)
{
    return a->device == b->device && a->inode == b->inode && a->size_bytes == b->size_bytes && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns;
}

int hst_file_read_at(int fd, uint64_t offset, void *buffer, size_t length, struct hst_error *err)
{
    for (size_t done = 0; done < length;) {
        ssize_t got = pread(fd, (char *)buffer + done, length - done, (off_t)(offset + done));
        if (got == 0) return hst_error_at(err, HST_E_TRUNCATED, offset + done, "truncated: the file ends too early");
        if (got < 0 && errno != EINTR) return hst_file_errno(err, errno, "read", "the file");
        if (got > 0) done += (size_t)got;
    }
    return HST_OK;
}

int hst_file_slurp(int fd, uint64_t offset, uint64_t length, char **ret_bytes, struct hst_error *err)
{
    HST_AUTO(hst_freep) char *bytes = malloc(length + 1);
    if (bytes == NULL) return hst_error_nomem(err);
    HST_TRY(hst_file_read_at(fd, offset, bytes, length, err));
    bytes[length] = '\0';
    *ret_bytes = hst_steal(&bytes);
    return HST_OK;
}

int hst_file_write_all(int fd, const void *bytes, size_t length, struct hst_error *err)
{
    for (size_t done = 0; done < length;) {
        ssize_t put = write(fd, (const char *)bytes + done, length - done);
        if (put < 0 && errno != EINTR) return hst_file_errno(err, errno, "write", "the file");
        if (put > 0) done += (size_t)put;
    }
    return HST_OK;
}

void hst_file_write_back(int fd, uint64_t offset, uint64_t length)
{
    (void)sync_file_range(fd, (off_t)offset, (off_t)length, SYNC_FILE_RANGE_WRITE);
}

void hst_file_write_back_wait(int fd, uint64_t offset, uint64_t length)
{
    (void)sync_file_range(fd, (off_t)offset, (off_t)length, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

int hst_file_replace(const char *path, const void *bytes, size_t length, struct hst_error *err)
{
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= (int)sizeof temporary)
        return hst_error_set(err, HST_E_INVALID_ARGUMENT, "the path is too long");
    HST_AUTO(hst_closep) int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) return hst_file_errno(err, errno, "write", path);
    int status = hst_file_write_all(fd, bytes, length, err);
    if (status == HST_OK && (fsync(fd) < 0 || rename(temporary, path) < 0)) status = hst_file_errno(err, errno, "replace", path);
    if (status < 0) unlink(temporary);
    return status;
}

static int make_folder(const char *path, unsigned mode, struct hst_error *err)
{
    struct stat st;
    if (mkdir(path, mode) == 0 || (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))) return HST_OK;
    return hst_file_errno(err, errno, "make the folder", path);
}

int hst_file_mkdirs(const char *path, unsigned mode, struct hst_error *err)
{
    char prefix[4096];
    if (snprintf(prefix, sizeof prefix, "%s", path) >= (int)sizeof prefix)
        return hst_error_set(err, HST_E_INVALID_ARGUMENT, "the path is too long");
    for (char *slash = strchr(prefix + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        HST_TRY(make_folder(prefix, mode, err));
        *slash = '/';
    }
    return make_folder(prefix, mode, err);
}

bool hst_file_is_writable(const char *path)
{
    return access(path, W_OK) == 0;
}

int hst_file_set_aside(const char *path, const char *suffix, struct hst_error *err)
{
    char aside[4096];
    for (unsigned i = 1;; i++) {
        if (snprintf(aside, sizeof aside, "%s.%s-%u", path, suffix, i) >= (int)sizeof aside)
            return hst_error_set(err, HST_E_INVALID_ARGUMENT, "the path is too long");
        if (renameat2(AT_FDCWD, path, AT_FDCWD, aside, RENAME_NOREPLACE) == 0) return HST_OK;
        if (errno != EEXIST) return hst_file_errno(err, errno, "set aside", path);
    }
}

uint64_t hst_file_hole_at_end(int fd, uint64_t size_bytes)
{
    off_t end = 0, hole = 0, data;
    while ((data = lseek(fd, end, SEEK_DATA)) >= 0 && (hole = lseek(fd, data, SEEK_HOLE)) > data)
        end = hole;
    return data < 0 && errno == ENXIO ? (uint64_t)end : size_bytes; /* no data behind `end` */
}

int hst_file_reopen_direct(int fd)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
}

int hst_file_read_past(int direct_fd, uint64_t offset, void *buffer, size_t length)
{
    for (size_t done = 0; done < length;) {
        size_t rounded = (length - done + PAGE - 1) / PAGE * PAGE;
        ssize_t got = pread(direct_fd, (char *)buffer + done, rounded, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return HST_E_IO;
        if (got == 0) return HST_E_TRUNCATED;
        done += (size_t)got;
        if (done < length && done % PAGE != 0) return HST_E_TRUNCATED; /* a short read that ends within a page: the file ends there */
    }
    return HST_OK;
}

size_t hst_file_read_cached(int fd, uint64_t offset, void *buffer, size_t length)
{
    const struct iovec piece = {buffer, length};
    ssize_t got = preadv2(fd, &piece, 1, (off_t)offset, RWF_NOWAIT);
    return got > 0 ? (size_t)got : 0;
}
