#ifndef HST_CATALOG_INTERNAL_H
#define HST_CATALOG_INTERNAL_H
/** @file
 * The private half of the catalog, shared by its files that keep entries, scans, hashes and what is said alone. */
#include "base/list.h"
#include "base/map.h"
#include "catalog/catalog.h"
#include "catalog/hash.h"
#include "catalog/hasher.h"
#include "catalog/override.h"
#include "catalog/walk.h"
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
    unsigned long revision;  /**< counts what was written to its files or said of it through hoist */
    unsigned long settled;   /**< number of the scan during which that happened: what its walk saw may be older */
    bool annotating;         /**< something is being written to its files */
    unsigned long seen;      /**< number of the scan that saw it last */
    bool dirty;              /**< not yet written to the database */
    struct hst_content content; /**< its weights, as last hashed */
    struct hst_entry *next_vanished; /**< chain of catalog->vanished; valid while a scan runs */
};

/** A scan under way, and the figures of the last one. */
struct hst_scan {
    struct hst_scan_status status; /**< for people */
    uint64_t started_ns;     /**< when */
    uint64_t told_ns;        /**< progress was told last */
    unsigned long number;    /**< 1, 2, ... */
    struct hst_walk *walks;  /**< one a root; owned while it runs */
    size_t pending;          /**< jobs that have not come back */
    struct hst_list waiting; /**< parsed models that may be vanished ones (scan.c) */
};

/** The catalog. */
struct hst_catalog {
    struct hst_catalog_config config; /**< as given, roots apart */
    char **roots;             /**< owned copies */
    struct hst_exec *exec;    /**< threads that scan */
    struct hst_db *db;        /**< or NULL */
    struct hst_map by_id;     /**< entries */
    struct hst_map by_path;   /**< entries */
    struct hst_map by_file;   /**< models by device and inode of each file */
    struct hst_entry **sorted; /**< owned array of all entries, by id */
    size_t count;             /**< of sorted */
    size_t room;              /**< of sorted */
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
/** Take it out and free it. */
void hst_entry_remove(struct hst_catalog *catalog, struct hst_entry *entry);
/** Give it a new path. */
int hst_entry_move(struct hst_catalog *catalog, struct hst_entry *entry, const char *path, struct hst_error *err);
/** Replace its model (taken over), tell the listener. */
int hst_entry_publish(struct hst_catalog *catalog, struct hst_entry *entry, struct hst_model *model, struct hst_error *err);
/** Its files are gone. */
void hst_entry_missing(struct hst_catalog *catalog, struct hst_entry *entry);
/** Free entries and maps. */
void hst_entry_free_all(struct hst_catalog *catalog);

/** Read the database into entries in state missing. */
int hst_memory_recall(struct hst_catalog *catalog, struct hst_error *err);
/** Write the dirty entries on the executor, then done(catalog). */
int hst_memory_write(struct hst_catalog *catalog, void (*done)(struct hst_catalog *catalog), struct hst_error *err);
#endif
