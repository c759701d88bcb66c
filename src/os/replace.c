#include "os/replace.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MODES = 07777, BUFFER_BYTES = 1 << 20 };
static const uint64_t piece_bytes = UINT64_C(64) << 20; /* between two questions whether to go on */

/* The folder of a path, as a text of its own. */
static int folder_of(const char *path, char out[4096], struct hst_error *err)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash != NULL ? (size_t)(slash - path) : 0;
    if (length + 64 > 4096) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "the path is too long");
    snprintf(out, 4096, "%.*s", slash == path ? 1 : (int)length, slash != NULL ? path : ".");
    if (slash == NULL) strcpy(out, ".");
    return HST_OK;
}

/* A file without a name, or with a hidden one where that is not possible. */
static int make_file(struct hst_replace *replace, const char *folder, struct hst_error *err)
{
    replace->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (replace->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL)) {
        snprintf(replace->temporary, sizeof replace->temporary, "%.4000s/.hoist-XXXXXX", folder);
        replace->fd = mkostemp(replace->temporary, O_CLOEXEC);
        if (replace->fd < 0) replace->temporary[0] = '\0';
    }
    replace->open = replace->fd >= 0;
    return replace->open ? HST_OK : hst_file_errno(err, errno, "write in", folder);
}

/* Mode and owner of the old file, or of its neighbour. A set-id bit is never carried over to another owner. */
static int take_after(const struct hst_replace *replace, const struct stat *old, struct hst_error *err)
{
    bool owned = fchown(replace->fd, old->st_uid, old->st_gid) == 0;
    mode_t mode = old->st_mode & (owned ? MODES : 0777);
    return fchmod(replace->fd, mode) == 0 ? HST_OK : hst_file_errno(err, errno, "set the mode of", replace->path);
}

int hst_replace_begin(struct hst_replace *replace, const char *path, const char *like, struct hst_error *err)
{
    struct stat old;
    char folder[4096];
    *replace = (struct hst_replace){.fd = -1, .path = path};
    HST_TRY(folder_of(path, folder, err));
    bool present = lstat(path, &old) == 0;
    if (present && S_ISLNK(old.st_mode)) return hst_error_set(err, HST_E_INCOMPATIBLE, "%s is a link to a file that others may share", path);
    if (present && !S_ISREG(old.st_mode)) return hst_error_set(err, HST_E_INVALID_FILE, "%s is not a regular file", path);
    if (!present && stat(like, &old) < 0) return hst_file_errno(err, errno, "read the status of", like);
    if (!present) old.st_mode &= 0666;
    HST_TRY(make_file(replace, folder, err));
    return take_after(replace, &old, err);
}

/* One piece by the kernel itself. @return bytes, 0 at the end of the source, -1 with errno */
static ssize_t copy_in_kernel(int from, uint64_t offset, int to, size_t length)
{
    off_t at = (off_t)offset;
    ssize_t copied;
    do
        copied = copy_file_range(from, &at, to, NULL, length, 0);
    while (copied < 0 && errno == EINTR);
    return copied;
}

static int copy_by_hand(int from, uint64_t offset, int to, uint64_t length, struct hst_error *err)
{
    HST_AUTO(hst_freep) char *buffer = malloc(BUFFER_BYTES);
    if (buffer == NULL) return hst_error_nomem(err);
    for (uint64_t done = 0; done < length;) {
        size_t piece = length - done < BUFFER_BYTES ? (size_t)(length - done) : BUFFER_BYTES;
        HST_TRY(hst_file_read_at(from, offset + done, buffer, piece, err));
        HST_TRY(hst_file_write_all(to, buffer, piece, err));
        done += piece;
    }
    return HST_OK;
}

/* A piece; *ret_done = how much of it. */
static int copy_piece(int from, uint64_t offset, int to, uint64_t length, uint64_t *ret_done, struct hst_error *err)
{
    ssize_t copied = copy_in_kernel(from, offset, to, (size_t)length);
    *ret_done = copied > 0 ? (uint64_t)copied : length;
    if (copied > 0) return HST_OK;
    if (copied < 0 && (errno == ENOSPC || errno == EDQUOT)) return hst_file_errno(err, errno, "write", "the file");
    return copy_by_hand(from, offset, to, length, err); /* not possible here, or the end: reading by hand says which */
}

int hst_replace_add_from(struct hst_replace *replace, int from_fd, uint64_t offset, uint64_t length, hst_replace_go_fn go, void *context,
                         struct hst_error *err)
{
    for (uint64_t done = 0, piece; done < length; done += piece) {
        if (!go(context)) return hst_error_set(err, HST_E_SHUTTING_DOWN, "the daemon is stopping");
        piece = length - done < piece_bytes ? length - done : piece_bytes;
        HST_TRY(copy_piece(from_fd, offset + done, replace->fd, piece, &piece, err));
    }
    return HST_OK;
}

/* A name for the file that has none: the first hidden one that is free. */
static int give_name(struct hst_replace *replace, const char *folder, struct hst_error *err)
{
    char self[40];
    snprintf(self, sizeof self, "/proc/self/fd/%d", replace->fd);
    for (unsigned number = 0; replace->temporary[0] == '\0'; number++) {
        char name[4096];
        snprintf(name, sizeof name, "%.4000s/.hoist-%d-%u", folder, (int)getpid(), number);
        if (linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0)
            strcpy(replace->temporary, name);
        else if (errno != EEXIST)
            return hst_file_errno(err, errno, "write in", folder);
    }
    return HST_OK;
}

static void sync_folder(const char *folder)
{
    HST_AUTO(hst_closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) (void)fsync(fd);
}

int hst_replace_commit(struct hst_replace *replace, struct hst_error *err)
{
    char folder[4096];
    HST_TRY(folder_of(replace->path, folder, err));
    if (fsync(replace->fd) < 0) return hst_file_errno(err, errno, "write", replace->path);
    HST_TRY(give_name(replace, folder, err));
    if (rename(replace->temporary, replace->path) < 0) return hst_file_errno(err, errno, "replace", replace->path);
    replace->temporary[0] = '\0';
    sync_folder(folder);
    return HST_OK;
}

void hst_replace_fini(struct hst_replace *replace)
{
    if (!replace->open) return;
    if (replace->temporary[0] != '\0') unlink(replace->temporary);
    hst_closep(&replace->fd);
    replace->open = false;
}
