#ifndef HST_OS_FOLDER_H
#define HST_OS_FOLDER_H
/** @file
 * Folders: opened, asked, listed. */
#include "os/file.h"

/** Kinds of entries. */
enum hst_entry_kind {
    HST_ENTRY_FILE,   /**< a regular file */
    HST_ENTRY_FOLDER, /**< a folder */
    HST_ENTRY_LINK,   /**< a symbolic link */
    HST_ENTRY_OTHER,  /**< a pipe, socket, device */
};

/** Called for each entry but "." and ".."; a negative result ends the listing and is its result. */
typedef int (*hst_entry_fn)(void *context, const char *name, enum hst_entry_kind kind);

/** In place of a folder's descriptor: names are paths from the working directory, or absolute. */
#define HST_FOLDER_HERE (-100)

/** Open a folder for reading. @return fd owned by the caller; HST_E_FILE_MISSING, HST_E_PERMISSION */
int hst_folder_open(const char *path, struct hst_error *err);
/** Is there a folder at this path? */
bool hst_folder_exists(const char *path);
/** Is there anything of this name in the folder? */
bool hst_folder_has(int dir_fd, const char *name);
/** List an open folder; its position is used, so one listing at a time. */
int hst_folder_list(int dir_fd, hst_entry_fn fn, void *context, struct hst_error *err);
/** What identifies a folder. */
struct hst_folder_id {
    uint64_t device; /**< st_dev */
    uint64_t inode;  /**< st_ino */
};
/** Identify the folder at a path, links followed. @return false when there is none */
bool hst_folder_identify(const char *path, struct hst_folder_id *ret_id);
/** Identify a file of a folder, links followed. @return false when it is not there or no regular file */
bool hst_folder_stat(int dir_fd, const char *name, struct hst_file_id *ret_id);
/** Absolute path without links; owned by the caller; NULL when there is none. */
char *hst_folder_real_path(const char *path);
#endif
