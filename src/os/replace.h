#ifndef HST_OS_REPLACE_H
#define HST_OS_REPLACE_H
/** @file
 * A file that takes another's place at once: written beside it without a name, made durable, then renamed over it. Whoever has the
 * old one open or mapped keeps it whole; a crash at any moment leaves the old or the new one, and no litter where the file system
 * knows O_TMPFILE. The new one has the mode of the old one, its owner and group if the process may set them, and times of its own.
 * Extended attributes and other hard links stay with the old one. */
#include "os/file.h"

/** A replacement under way. Zero-initialise; free with hst_replace_fini. */
struct hst_replace {
    int fd;              /**< write here */
    bool open;           /**< private: fd is ours */
    const char *path;    /**< borrowed: what is replaced */
    char temporary[4096]; /**< private: name of the new file; "" while it has none */
};

/** Called before each piece of a long copy: may it go on? */
typedef bool (*hst_replace_go_fn)(void *context);

/** Begin. `path` may not exist; then `like` (a file beside it) gives mode and owner. A symbolic link is HST_E_INCOMPATIBLE: what
 * it leads to may be shared. HST_E_PERMISSION when the folder may not be written. */
int hst_replace_begin(struct hst_replace *replace, const char *path, const char *like, struct hst_error *err);
/** Add `length` bytes of another file at `offset`, without copying them where the file system can share blocks.
 * HST_E_SHUTTING_DOWN when `go` says no. */
int hst_replace_add_from(struct hst_replace *replace, int from_fd, uint64_t offset, uint64_t length, hst_replace_go_fn go, void *context,
                         struct hst_error *err);
/** Make it durable and put it in place. */
int hst_replace_commit(struct hst_replace *replace, struct hst_error *err);
/** Give up what was not committed. */
void hst_replace_fini(struct hst_replace *replace);
#endif
