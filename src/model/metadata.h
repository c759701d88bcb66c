#ifndef HST_MODEL_METADATA_H
#define HST_MODEL_METADATA_H
/** @file
 * What is said about a model in words, by source: metadata of its files, sidecars, the user. Kept with the model within limits
 * (limits.h); a value over them is only named here, and read again from its file when somebody wants it. */
#include "base/error.h"
#include "base/map.h"

/** Who says it. */
enum hst_metadata_source {
    HST_METADATA_USER,         /**< the user, through hoist: kept in the catalog */
    HST_METADATA_SWARM,        /**< NAME.swarm.json, which hoist writes, too */
    HST_METADATA_A1111,        /**< NAME.json */
    HST_METADATA_LORA_MANAGER, /**< NAME.metadata.json */
    HST_METADATA_CM_INFO,      /**< NAME.cm-info.json */
    HST_METADATA_CIVITAI,      /**< NAME.civitai.info */
    HST_METADATA_CARD,         /**< README.md of the folder */
    HST_METADATA_CONFIG,       /**< config.json of the folder */
    HST_METADATA_TEXT,         /**< NAME.txt */
    HST_METADATA_HEADER,       /**< the model's own files */
    HST_METADATA_DERIVED,      /**< computed from one of the above */
    HST_METADATA_SOURCES,      /**< how many */
};

/** One thing said. */
struct hst_metadata_entry {
    enum hst_metadata_source source; /**< who says it */
    char *key;                       /**< as the source spells it; owned */
    char *value;                     /**< NULL = over the limits; in the memory of key */
};

/** An image that shows what the model does. */
struct hst_metadata_preview {
    char *path;               /**< absolute; owned; NULL = there is none */
    const char *content_type; /**< by its suffix; static */
};

/** All that is said. Zero-initialise (limits included: see hst_metadata_init), free with hst_metadata_fini. */
struct hst_metadata_list {
    struct hst_metadata_entry *entries; /**< owned */
    size_t count;            /**< of entries */
    char **warnings;         /**< sidecars that could not be read, and why; owned */
    size_t warning_count;    /**< of warnings */
    struct hst_metadata_preview preview; /**< the first that was found */
    size_t value_max;        /**< longest value that is kept */
    size_t room;             /**< bytes that may still be added */
    size_t left_out;         /**< entries for which there was no room */
};

struct hst_tensor_table;

/** Name of a source on the wire: "user", "header", "civitai", ... */
const char *hst_metadata_source_name(enum hst_metadata_source source);
/** Begin, with these limits. */
void hst_metadata_init(struct hst_metadata_list *list, size_t value_max, size_t room);
/** Add what a source says; a value over the limits is only named. */
int hst_metadata_add(struct hst_metadata_list *list, enum hst_metadata_source source, const char *key, const char *value, struct hst_error *err);
/** Add the metadata of a file that was parsed; keys in `seen` (which borrows from the table) are those of files before it, and left out. */
int hst_metadata_add_table(struct hst_metadata_list *list, const struct hst_tensor_table *table, struct hst_map *seen, struct hst_error *err);
/** Note that something could not be read. */
int hst_metadata_warn(struct hst_metadata_list *list, const char *text, struct hst_error *err);
/** What a source says under a key, or NULL. */
const char *hst_metadata_find(const struct hst_metadata_list *list, enum hst_metadata_source source, const char *key);
/** Take out the entries from number `count` on. */
void hst_metadata_cut(struct hst_metadata_list *list, size_t count);
/** Free what it holds. */
void hst_metadata_fini(struct hst_metadata_list *list);
#endif
