#ifndef HST_CATALOG_WALK_H
#define HST_CATALOG_WALK_H
/** @file
 * Finding what may be a model below folders: reads listings and file status, no content. Several threads walk together. */
#include "os/file.h"
#include "os/watch.h"

/** What keeps a file from being read, as far as the walk sees. */
enum hst_candidate_trouble {
    HST_CANDIDATE_GOOD,       /**< nothing */
    HST_CANDIDATE_BROKEN,     /**< a link that leads nowhere */
    HST_CANDIDATE_UNFINISHED, /**< it is being downloaded */
};

/** A file or folder that may be a model. */
struct hst_candidate {
    char *path;           /**< absolute; owned */
    bool is_folder;       /**< a model folder (hst_probe_is_model_folder) */
    bool by_link;         /**< a file that a link leads to */
    enum hst_candidate_trouble trouble; /**< why not to read it */
    uint64_t device;      /**< of the file, or of one file of the folder */
    uint64_t inode;       /**< as device */
    uint64_t fingerprint; /**< of device, inode, size and mtime of every file: the same after a move */
    uint64_t stamp;       /**< of every ctime: what a restored mtime cannot hide */
    uint64_t sidecars;    /**< of what lies beside it and speaks of it: its change makes no new content */
    int64_t newest_ns;    /**< latest mtime */
};

/** A folder that could not be read, and what lies below it was not seen. */
struct hst_unread {
    char *path;             /**< owned */
    struct hst_error error; /**< why */
};

/** How to walk. Borrowed while the walk lives. */
struct hst_walk_config {
    const char *const *roots;  /**< folders */
    size_t root_count;         /**< of roots */
    bool stay_inside;          /**< follow no links but those of huggingface_hub's cache */
    struct hst_watch *watch;   /**< watches each folder before it is listed; or NULL */
    size_t most_folders;       /**< 0 = HST_WALK_FOLDERS_MAX */
    size_t most_candidates;    /**< 0 = HST_WALK_CANDIDATES_MAX */
};

/** What a walk found so far, to be read while it runs. */
struct hst_walk_counts {
    uint64_t files;   /**< looked at */
    uint64_t folders; /**< listed */
    uint64_t errors;  /**< folders that could not be read, limits that were reached */
};

/** What a walk found. Valid when no thread walks any more. */
struct hst_walk_result {
    struct hst_candidate *candidates; /**< ordered by path after hst_walk_sort */
    size_t count;                     /**< of candidates */
    const struct hst_unread *unread;  /**< the first HST_WALK_UNREAD_MAX of them */
    size_t unread_count;              /**< of unread */
    bool is_whole;                    /**< nothing was left out because of a limit or of memory: what was not found is not there */
    struct hst_error error;           /**< the first that went wrong; status 0 = nothing */
    struct hst_error unwatched;       /**< why some folder that was listed is not watched; status 0 = each is */
};

/** A walk. */
struct hst_walk;

/** Get ready. *ret_walk is owned by the caller: hst_walk_free. */
int hst_walk_new(const struct hst_walk_config *config, struct hst_walk **ret_walk, struct hst_error *err);
/** Walk until all is walked or hst_walk_halt is called. From several threads at once, and again after a halt. Links are followed, each folder
 * is entered once, hidden folders are left out. */
void hst_walk_run(struct hst_walk *walk);
/** Add a file of a candidate to its fingerprint and stamp; the last one gives device and inode. */
void hst_walk_add_file(struct hst_candidate *candidate, const struct hst_file_id *id);
/** Make those that walk return soon (true), or let hst_walk_run go on (false). */
void hst_walk_halt(struct hst_walk *walk, bool halt);
/** How far it is. Any thread. */
struct hst_walk_counts hst_walk_counts(const struct hst_walk *walk);
/** All is walked: order what was found, and drop files that were found by their own name and by links, too. */
void hst_walk_sort(struct hst_walk *walk);
/** What was found; owned by the walk. */
struct hst_walk_result *hst_walk_result(struct hst_walk *walk);
/** Free. NULL is fine. */
void hst_walk_free(struct hst_walk *walk);
#endif
