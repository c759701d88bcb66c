#ifndef HST_CATALOG_INTERNAL_H
#define HST_CATALOG_INTERNAL_H
/** @file
 * The private half of the catalog, shared by its files that keep entries, scans, hashes and what is said alone. */
#include "base/list.h"
#include "base/map.h"
#include "catalog/catalog.h"
#include "catalog/config.h"
#include "hashing/hash.h"
#include "catalog/hasher.h"
#include "model/override.h"
#include "catalog/walk.h"
#include "os/slices.h"
#include "store/db.h"

/** What a model's weights are (content.h). Begins with what is compared first. */
struct hst_content {
    uint64_t data_bytes;       /**< of its tensors */
    uint64_t tensor_count;     /**< tensors */
    uint64_t since_generation; /**< first generation that had them */
    uint8_t digest[HST_SHA256_BYTES]; /**< of its files */
    uint8_t sketch[HST_XXH128_BYTES]; /**< of its files */
    bool known;                /**< was it ever hashed? */
    bool current;              /**< is this the content of the model as it is now? */
    struct hst_list same;      /**< ring of entries with the same digest */
    struct hst_list dirty;     /**< in catalog->dirty_contents while it is not in the database */
};

/** A place in the catalog: an id, where its model is, and the model as it was last parsed. */
struct hst_entry {
    char *id;                /**< owned; never changes */
    char *path;              /**< owned; changes when the file moves */
    struct hst_model *model; /**< referenced; NULL until first parsed */
    uint64_t device;         /**< key of by_inode, with inode */
    uint64_t inode;          /**< of the file, or of one file of the folder */
    uint64_t fingerprint;    /**< as in struct hst_candidate */
    uint64_t stamp;          /**< as in struct hst_candidate; 0 = not known since start */
    uint64_t sidecars;       /**< as in struct hst_candidate */
    uint64_t generation;     /**< of the content */
    struct hst_override_list said; /**< by the user */
    struct hst_model_config config; /**< wished by the user */
    bool configuring;        /**< another wish is being written to the database */
    bool pinning;            /**< and it pins the model */
    unsigned long revision;  /**< counts what was written to its files or said of it through hoist */
    unsigned long settled;   /**< number of the scan during which that happened: what its walk saw may be older */
    bool annotating;         /**< something is being written to its files */
    unsigned long seen;      /**< number of the scan that saw it last */
    bool dirty;              /**< not yet written to the database */
    struct hst_content content; /**< its weights, as last hashed */
    struct hst_entry *next_vanished; /**< chain of catalog->vanished; valid while a scan runs */
};

/** Something to parse. */
struct hst_scan_task {
    struct hst_entry *entry;               /**< whose content it is */
    const struct hst_candidate *candidate; /**< of the walk */
    bool is_other;                         /**< not the content that was parsed last */
};

/** Steps of a scan, in their order. */
enum hst_scan_phase {
    HST_SCAN_NONE,  /**< no scan runs */
    HST_SCAN_WALK,  /**< threads walk */
    HST_SCAN_SORT,  /**< a thread puts in order what was found */
    HST_SCAN_KNOWN, /**< what is at known paths is matched */
    HST_SCAN_INDEX, /**< entries that were not seen are put in a map */
    HST_SCAN_NEW,   /**< what is at unknown paths is matched */
    HST_SCAN_PARSE, /**< threads parse what is new or changed */
    HST_SCAN_ADOPT, /**< what vanished and is found elsewhere gets its id */
    HST_SCAN_AGAIN, /**< and is parsed under it */
    HST_SCAN_GONE,  /**< what was not seen is marked */
    HST_SCAN_WRITE, /**< a thread writes the database */
    HST_SCAN_END,   /**< all is done */
};

/** A scan under way, and the figures of the last one. */
struct hst_scan {
    struct hst_scan_status status; /**< for people */
    uint64_t started_ns;       /**< when */
    uint64_t told_ns;          /**< progress was told last */
    unsigned long number;      /**< 1, 2, ... */
    enum hst_scan_phase phase; /**< which step */
    struct hst_walk *walk;     /**< owned; NULL when none runs */
    size_t at;                 /**< candidate, entry or task that comes next in this phase */
    struct hst_map unseen;     /**< entries by device and inode */
    struct hst_scan_task *tasks; /**< owned */
    size_t task_count;         /**< of tasks */
    size_t task_room;          /**< of tasks */
    struct hst_list parsed;    /**< batches that came back */
    size_t pending;            /**< jobs that have not come back */
    struct hst_list waiting;   /**< parsed models that may be vanished ones (scan.c) */
    bool paused;               /**< give out nothing more */
    bool cancelled;            /**< and never will */
    bool patient;              /**< nobody waits for it: what is being written can wait */
    bool unsettled;            /**< something has waited */
    bool unreadable;           /**< a file could not be read, which says nothing about its content */
};

struct hst_watcher;

/** The catalog. */
struct hst_catalog {
    struct hst_catalog_config config; /**< as given, roots apart */
    char **roots;             /**< owned copies */
    struct hst_exec *exec;    /**< threads that scan */
    unsigned threads;         /**< how many */
    struct hst_slices slices; /**< does the scan's work on the loop thread */
    struct hst_db *db;        /**< or NULL */
    struct hst_watcher *watcher; /**< or NULL */
    struct hst_map by_id;     /**< entries */
    struct hst_map by_path;   /**< entries */
    struct hst_map by_file;   /**< models by device and inode of each file */
    struct hst_entry **sorted; /**< owned array of all entries; NULL where one was dropped */
    size_t count;             /**< of sorted */
    size_t ordered;           /**< of sorted: those in order of their ids; the others are new */
    size_t room;              /**< of sorted */
    size_t models;            /**< entries that have a model */
    struct hst_scan scan;     /**< see there */
    struct hst_map hashes;    /**< records by device and inode (hashes.c) */
    struct hst_list dirty_hashes;   /**< of them, those not in the database */
    struct hst_list dirty_contents; /**< entries whose content is not in the database */
    bool writing_hashes;      /**< a job writes them */
    struct hst_map by_content; /**< an entry of each ring, by digest */
    struct hst_map vanished;  /**< while a scan runs: entries it has not seen, by bytes and number of tensors (adopt.c) */
    struct hst_hasher *hasher; /**< or NULL */
    bool stopping;            /**< being freed: start nothing */
    _Atomic(bool) halted;     /**< the same for jobs on the executor: end soon */
};

/** Bytes of a by_file key: device and inode, the first two words of struct hst_file_id. */
#define HST_FILE_KEY_BYTES (2 * sizeof(uint64_t))

/** A new entry; id NULL = made of the path's name. *ret_entry is owned by the catalog. */
int hst_entry_add(struct hst_catalog *catalog, const char *id, const char *path, struct hst_entry **ret_entry, struct hst_error *err);
/** Take out the entry at this place of `sorted` and free it; leaves NULL there until hst_entry_close_gaps. */
void hst_entry_drop(struct hst_catalog *catalog, size_t at);
/** Close the gaps that hst_entry_drop left. */
void hst_entry_close_gaps(struct hst_catalog *catalog);
/** Put new entries in their places in the order of ids. */
void hst_entry_order(struct hst_catalog *catalog);
/** Give it a new path. */
int hst_entry_move(struct hst_catalog *catalog, struct hst_entry *entry, const char *path, struct hst_error *err);
/** Replace its model (taken over), tell the listener. */
int hst_entry_publish(struct hst_catalog *catalog, struct hst_entry *entry, struct hst_model *model, struct hst_error *err);
/** Its files are gone, or cannot be reached: `why`. */
void hst_entry_missing(struct hst_catalog *catalog, struct hst_entry *entry, const struct hst_error *why);
/** Free entries and maps. */
void hst_entry_free_all(struct hst_catalog *catalog);

/** Is the candidate at a known path? Then match it; what is new or changed becomes a task. */
void hst_match_known(struct hst_catalog *catalog, const struct hst_candidate *candidate);
/** Match one at a path that is not known: it has moved there, or is new. */
void hst_match_new(struct hst_catalog *catalog, const struct hst_candidate *candidate);
/** What is there turned out to be this entry's: a task for it. */
void hst_match_again(struct hst_catalog *catalog, struct hst_entry *entry, const struct hst_candidate *candidate);

/** Read the database into entries in state missing. */
int hst_memory_recall(struct hst_catalog *catalog, struct hst_error *err);
/** Write those of the HST_MEMORY_ROWS entries from *at on that are dirty, on the executor, then done(catalog); *at moves on.
 * @return 1 = a job runs, 0 = none of them was dirty */
int hst_memory_write(struct hst_catalog *catalog, size_t *at, void (*done)(struct hst_catalog *catalog), struct hst_error *err);

/** Read the users' wishes into the entries. */
int hst_config_recall(struct hst_catalog *catalog, struct hst_error *err);

/** Do a little of the scan that runs (an hst_slices_fn). */
bool hst_scan_step(void *context);
/** The catalog is being freed: let the threads that walk return. */
void hst_scan_stop(struct hst_catalog *catalog);
/** Free what the scan holds; its threads are gone. */
void hst_scan_free(struct hst_catalog *catalog);
/** Scan because something changed, not because somebody asked. */
int hst_scan_patiently(struct hst_catalog *catalog, struct hst_error *err);

/** Begin to watch as the configuration says. *ret_watcher is owned by the caller: hst_watcher_free. */
int hst_watcher_new(struct hst_catalog *catalog, struct hst_watcher **ret_watcher, struct hst_error *err);
/** What watches folders, or NULL. */
struct hst_watch *hst_watcher_watch(const struct hst_watcher *watcher);
/** A scan begins: what changed before is seen by it. NULL is fine. */
void hst_watcher_scan_begins(struct hst_watcher *watcher);
/** It ended; `unwatched` says why some folder is not watched (status 0 = each is). NULL is fine. */
void hst_watcher_scan_ended(struct hst_watcher *watcher, const struct hst_error *unwatched);
/** Watch no more. NULL is fine. */
void hst_watcher_free(struct hst_watcher *watcher);
#endif
