#ifndef HST_CATALOG_CATALOG_H
#define HST_CATALOG_CATALOG_H
/** @file
 * Which models there are: scans folders in parallel, remembers them in SQLite, gives out immutable models.
 * Loop thread only; scanning, parsing and SQLite run on the executor and come back by callback. */
#include "model/model.h"
#include "os/exec.h"

/** The catalog. */
struct hst_catalog;
struct hst_db;

/** Figures of a scan. */
struct hst_scan_status {
    const char *state;       /**< idle running paused done cancelled */
    int64_t started_wall_ns; /**< 0 = never */
    double duration_ms;      /**< so far, or of the last scan */
    uint64_t files_seen;     /**< files looked at */
    uint64_t files_changed;  /**< models parsed because they were new or changed */
    uint64_t folders_seen;   /**< folders walked */
    uint64_t models_found;   /**< models known after (or so far in) this scan */
    uint64_t errors;         /**< roots or folders that could not be read, limits that were reached, files that could not be looked at */
    struct hst_error problem; /**< the first of these errors; status 0 = none */
    bool walked;             /**< all folders are walked: files_to_parse is known */
    uint64_t files_to_parse; /**< models to parse in this scan */
    uint64_t files_parsed;   /**< of these, parsed so far */
    bool watching;           /**< changes are seen as they happen, in every folder */
    struct hst_error unwatched; /**< why not; status 0 = nobody asked for it */
};

/** How changes are noticed without a scan that somebody asks for. */
enum hst_catalog_watching {
    HST_CATALOG_ASKED, /**< not at all */
    HST_CATALOG_POLL,  /**< by a scan every rescan_seconds */
    HST_CATALOG_WATCH, /**< as they happen, and by scans where that does not work */
};

/** What is hashed when. */
enum hst_hash_mode {
    HST_HASH_NEVER, /**< nothing */
    HST_HASH_ASKED, /**< what hst_catalog_hash asks for */
    HST_HASH_AUTO,  /**< every file, in the background */
};

/** How far hashing is, of a model or of all. */
struct hst_hash_status {
    const char *state;      /**< off idle queued running paused done failed */
    uint64_t files_total;   /**< files there are */
    uint64_t files_done;    /**< files whose hashes are known */
    uint64_t files_running; /**< files that are being hashed */
    uint64_t bytes_total;   /**< of the files */
    uint64_t bytes_done;    /**< hashed */
    uint64_t hashed_bytes;  /**< of all: bytes hashed since the start; else 0 */
    int failure;            /**< of a model: why its first file that failed did; else HST_OK */
};

/** News, on the loop thread. Every slot may be NULL. */
struct hst_catalog_listener {
    void (*changed)(void *context, struct hst_model *model, bool available); /**< a model appeared or changed (true), went missing (false) */
    void (*progress)(void *context, const struct hst_scan_status *status);   /**< at most every 100 ms, and at the end */
    void (*hashed)(void *context, struct hst_model *model);                  /**< the hashes of all its files are known */
    void (*hashing)(void *context, const struct hst_hash_status *status);    /**< at most every second, and at the end */
    void *context; /**< for all */
};

/** What the catalog needs. Strings are borrowed during hst_catalog_new only. */
struct hst_catalog_config {
    uv_loop_t *loop;             /**< results come back here */
    const char *const *roots;    /**< folders to scan */
    size_t root_count;           /**< of roots */
    const char *database;        /**< SQLite file; NULL = remember nothing */
    unsigned threads;            /**< that scan; 0 = 2 per core, at most 16 */
    enum hst_hash_mode hash;     /**< what is hashed */
    unsigned hash_quiet_ms;      /**< after a scan or a load until the background hashes */
    bool stay_inside;            /**< follow no links, but those of huggingface_hub's cache */
    enum hst_catalog_watching watch; /**< how changes are noticed */
    unsigned rescan_seconds;     /**< between scans where changes are not told; 0 = never */
    unsigned watch_most;         /**< folders to watch at most; 0 = as many as the kernel allows */
    void (*unwatched)(void *context, const struct hst_error *why); /**< told with the listener's context when folders cannot be watched; may be NULL */
    struct hst_catalog_listener listener; /**< news */
};

/** Open the database, read what is known (files are checked at the first scan). *ret_catalog owned by the caller. */
int hst_catalog_new(const struct hst_catalog_config *config, struct hst_catalog **ret_catalog, struct hst_error *err);
/** Begin a scan of all roots; HST_E_BUSY when one is running. The end is told by listener.progress with state "done" or "cancelled". */
int hst_catalog_scan(struct hst_catalog *catalog, struct hst_error *err);
/** Hold the running scan up (true) or let it go on (false); what threads have begun, they end. No scan is fine. */
void hst_catalog_scan_pause(struct hst_catalog *catalog, bool paused);
/** End the running scan soon. What it has found stays, what it did not reach stays as it was. No scan is fine. */
void hst_catalog_scan_cancel(struct hst_catalog *catalog);
/** Figures of the running or the last scan. */
struct hst_scan_status hst_catalog_scan_status(const struct hst_catalog *catalog);
/** The model of this id (borrowed: ref it to keep it), or NULL. */
struct hst_model *hst_catalog_find(const struct hst_catalog *catalog, const char *id);
/** The model one of whose files is this one (device, inode, size and times equal), or NULL; *ret_file = which file. */
struct hst_model *hst_catalog_find_file(const struct hst_catalog *catalog, const struct hst_file_id *id, size_t *ret_file);
/** Models in order of their id: start with *cursor = 0. @return borrowed, NULL at the end */
struct hst_model *hst_catalog_next(const struct hst_catalog *catalog, size_t *cursor);
/** The folders that are scanned, as given; borrowed. */
const char *const *hst_catalog_roots(const struct hst_catalog *catalog, size_t *ret_count);
/** How many models. */
size_t hst_catalog_count(const struct hst_catalog *catalog);
/** Was what it remembered corrupt? It is set aside then, and ids are given anew. */
bool hst_catalog_was_corrupt(const struct hst_catalog *catalog);
/** Its database, for what else is remembered over a restart; NULL without one. Borrowed. */
struct hst_db *hst_catalog_database(const struct hst_catalog *catalog);
/** Hash this model now, before all others and not in the background; again when that failed. Known hashes stay. HST_E_FILE_MISSING. */
int hst_catalog_hash(struct hst_catalog *catalog, struct hst_model *model, struct hst_error *err);
/** The background, if there is one, takes care of this model before all others: it is in memory, where its equals are worth finding. */
void hst_catalog_hash_first(struct hst_catalog *catalog, struct hst_model *model);
/** Nobody waits for it any more: it has its turn in the background, if there is one. */
void hst_catalog_hash_cancel(struct hst_catalog *catalog, const struct hst_model *model);
/** Loads are under way: hash nothing until none is. */
void hst_catalog_hash_hold(struct hst_catalog *catalog, bool hold);
/** How far hashing is. */
struct hst_hash_status hst_catalog_hash_status(const struct hst_catalog *catalog);
/** How far hashing of one model is. */
struct hst_hash_status hst_catalog_hash_status_of(const struct hst_catalog *catalog, const struct hst_model *model);
/** The next model with the same weights after `previous` (NULL = the first), in no order; NULL at the end, and while hashes are unknown. */
struct hst_model *hst_catalog_next_duplicate(const struct hst_catalog *catalog, const struct hst_model *model, const struct hst_model *previous);
/** The digest by which duplicates are known (HST_SHA256_BYTES), or NULL while hashes are unknown: of one file its modelspec hash (its SHA-256
 * when it is no safetensors file); of several the SHA-256 over these digests, sorted. */
const uint8_t *hst_catalog_digest(const struct hst_catalog *catalog, const struct hst_model *model);
/** The first generation of this model that had the same weights: later ones changed header or place; 0 = not known. */
uint64_t hst_catalog_weights_since(const struct hst_catalog *catalog, const struct hst_model *model);
/** Stop scanning, write what is unwritten, free. NULL is fine. */
void hst_catalog_free(struct hst_catalog *catalog);

/** Scan without a catalog that stays: parse one file or folder and say what it is (hoist verify). *ret_model owned (unref).
 * A malformed file is a model in state invalid, not an error. Any thread. */
int hst_catalog_inspect(const char *path, struct hst_model **ret_model, struct hst_error *err);
#endif
