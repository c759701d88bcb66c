#ifndef HST_CATALOG_WALK_H
#define HST_CATALOG_WALK_H
/** @file
 * Finding what may be a model below a folder: reads listings and file status, no content. Any thread. */
#include "os/file.h"

/** A file or folder that may be a model. */
struct hst_candidate {
    char *path;           /**< absolute; owned */
    bool is_folder;       /**< a model folder (hst_probe_is_model_folder) */
    uint64_t device;      /**< of the file, or of one file of the folder */
    uint64_t inode;       /**< as device */
    uint64_t fingerprint; /**< of device, inode, size and mtime of every file: the same after a move */
    uint64_t stamp;       /**< of every ctime: what a restored mtime cannot hide */
    uint64_t sidecars;    /**< of what lies beside it and speaks of it: its change makes no new content */
};

/** A walk below one root. Zero-initialise, set root, run, read, fini. */
struct hst_walk {
    char *root;                        /**< owned; made absolute by the walk */
    struct hst_candidate *candidates;  /**< owned; ordered by path */
    size_t count;                      /**< of candidates */
    size_t room;                       /**< private */
    _Atomic(uint64_t) files_seen;      /**< may be read while it runs */
    _Atomic(uint64_t) folders_seen;    /**< may be read while it runs */
    uint64_t errors;                   /**< folders that could not be read, the root included */
    struct hst_error error;            /**< the first of them */
};

/** Walk. Links are followed, each folder is entered once, hidden folders are left out. */
void hst_walk_run(struct hst_walk *walk);
/** Add a file of a candidate to its fingerprint and stamp; the last one gives device and inode. */
void hst_walk_add_file(struct hst_candidate *candidate, const struct hst_file_id *id);
/** Free what it holds. */
void hst_walk_fini(struct hst_walk *walk);
#endif
