#include "os/folder.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

_Static_assert(HST_FOLDER_HERE == AT_FDCWD, "paths as openat takes them");

int hst_folder_open(const char *path, struct hst_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    return fd >= 0 ? fd : hst_file_errno(err, errno, "open the folder", path);
}

bool hst_folder_identify(const char *path, struct hst_folder_id *ret_id)
{
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) return false;
    *ret_id = (struct hst_folder_id){st.st_dev, st.st_ino};
    return true;
}

bool hst_folder_exists(const char *path)
{
    struct hst_folder_id id;
    return hst_folder_identify(path, &id);
}

bool hst_folder_has(int dir_fd, const char *name)
{
    return faccessat(dir_fd, name, F_OK, 0) == 0;
}

static enum hst_entry_kind kind_of_mode(mode_t mode)
{
    if (S_ISREG(mode)) return HST_ENTRY_FILE;
    if (S_ISDIR(mode)) return HST_ENTRY_FOLDER;
    return S_ISLNK(mode) ? HST_ENTRY_LINK : HST_ENTRY_OTHER;
}

/* Some file systems do not tell the kind in the listing. */
static enum hst_entry_kind kind_of(int dir_fd, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN) return kind_of_mode((mode_t)DTTOIF(entry->d_type));
    return fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? kind_of_mode(st.st_mode) : HST_ENTRY_OTHER;
}

static void close_listing(DIR **dir)
{
    if (*dir != NULL) closedir(*dir);
}

int hst_folder_list(int dir_fd, hst_entry_fn fn, void *context, struct hst_error *err)
{
    int copy = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
    HST_AUTO(close_listing) DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (dir == NULL) {
        int error = errno;
        hst_closep(&copy);
        return hst_file_errno(err, error, "list", "the folder");
    }
    rewinddir(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        HST_TRY(fn(context, entry->d_name, kind_of(dir_fd, entry)));
    }
    return HST_OK;
}

bool hst_folder_stat(int dir_fd, const char *name, struct hst_file_id *ret_id)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, 0) < 0 || !S_ISREG(st.st_mode)) return false;
    *ret_id = hst_file_id_of(&st);
    return true;
}

char *hst_folder_real_path(const char *path)
{
    return realpath(path, NULL);
}
