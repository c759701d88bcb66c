#ifndef HST_OS_FILE_H
#define HST_OS_FILE_H
/** @file
 * Files as hoist reads them: opened without blocking and without following a swap, read with pread, identified by what the
 * kernel says about the open fd. */
#include "base/error.h"

/** What identifies the content of a file as far as the file system tells. */
struct hst_file_id {
    uint64_t device;     /**< st_dev */
    uint64_t inode;      /**< st_ino */
    uint64_t size_bytes; /**< st_size */
    int64_t mtime_ns;    /**< st_mtim in ns since 1970 */
    int64_t ctime_ns;    /**< st_ctim in ns since 1970 */
};

struct stat;
/** The identity in a struct stat (os/ alone). */
struct hst_file_id hst_file_id_of(const struct stat *st);

/** Open a regular file for reading (O_RDONLY|O_CLOEXEC|O_NONBLOCK|O_NOCTTY, then S_ISREG).
 * @return fd >= 0, owned by the caller; HST_E_FILE_MISSING, HST_E_PERMISSION, HST_E_INVALID_FILE (not a regular file), HST_E_IO */
int hst_file_open(const char *path, struct hst_file_id *ret_id, struct hst_error *err);

/** hst_file_open relative to a directory fd; no component of `path` may be `..`, absolute or a link that leaves `dir_fd`
 * (openat2 RESOLVE_BENEATH, with a checked fallback where the kernel lacks it). One kind of link may: where dir_fd is REPO/snapshots/REVISION, as
 * huggingface_hub lays out its cache, links that lead straight to a file in REPO/blobs. */
int hst_file_open_beneath(int dir_fd, const char *path, struct hst_file_id *ret_id, struct hst_error *err);

/** Identify an open file. */
int hst_file_identify(int fd, struct hst_file_id *ret_id, struct hst_error *err);

/** May the content be read through this fd (not O_PATH, not write-only)? */
bool hst_file_is_readable(int fd);

/** Are the two the same content as far as the file system tells (all fields equal)? */
bool hst_file_id_equal(const struct hst_file_id *a, const struct hst_file_id *b);

/** Read exactly `length` bytes at `offset`; EINTR and short reads are retried. HST_E_TRUNCATED at end of file, HST_E_IO. */
int hst_file_read_at(int fd, uint64_t offset, void *buffer, size_t length, struct hst_error *err);

/** Read `length` bytes at `offset` into new memory (owned by the caller), with a NUL behind them. The caller has checked the length. */
int hst_file_slurp(int fd, uint64_t offset, uint64_t length, char **ret_bytes, struct hst_error *err);

/** Where the file's data ends and nothing but a hole follows, which reads as zeros; its size when none does, or the file system does not tell. */
uint64_t hst_file_hole_at_end(int fd, uint64_t size_bytes);

/** Another descriptor of the same file that reads past the page cache (O_DIRECT), owned by the caller; -1 where that is not possible. */
int hst_file_reopen_direct(int fd);

/** Read `length` bytes at a page-aligned `offset` into page-aligned memory through such a descriptor; up to a page beyond `length` may be
 * written. HST_E_IO where the file system does not do it (then read as usual), HST_E_TRUNCATED at end of file. */
int hst_file_read_past(int direct_fd, uint64_t offset, void *buffer, size_t length);

/** Read those of `length` bytes at `offset` that are in memory already, up to the first that is not; waits for no disk. @return how many; 0 too where the
 * file system does not tell (tmpfs before Linux 6.6) */
size_t hst_file_read_cached(int fd, uint64_t offset, void *buffer, size_t length);

/** Write all bytes to an fd; EINTR and short writes are retried. HST_E_NO_SPACE or HST_E_IO. */
int hst_file_write_all(int fd, const void *bytes, size_t length, struct hst_error *err);

/** Begin to bring these bytes of a file that is being written to the disk, so that little is left for its fsync. */
void hst_file_write_back(int fd, uint64_t offset, uint64_t length);
/** And wait until they are there. Errors are left to fsync. */
void hst_file_write_back_wait(int fd, uint64_t offset, uint64_t length);

/** Write a whole file atomically: temporary name in the same folder, fsync, rename. */
int hst_file_replace(const char *path, const void *bytes, size_t length, struct hst_error *err);

/** Does something lie there, and may it be written? */
bool hst_file_is_writable(const char *path);

/** Move a file out of the way: to the first of PATH.SUFFIX-1, PATH.SUFFIX-2, ... that is free. */
int hst_file_set_aside(const char *path, const char *suffix, struct hst_error *err);

/** Remove a file; one that is not there is fine. */
void hst_file_remove(const char *path);

/** Make the folder and its parents with `mode`; existing is fine. */
int hst_file_mkdirs(const char *path, unsigned mode, struct hst_error *err);

/** Translate errno of a failed call on `path` into a status and message. Only os/ calls it. @return the status */
int hst_file_errno(struct hst_error *err, int errno_value, const char *what, const char *path);
#endif
