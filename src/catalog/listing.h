#ifndef HST_CATALOG_LISTING_H
#define HST_CATALOG_LISTING_H
/** @file
 * What a folder holds that may concern the catalog: its folders, links, weights and JSON files. Other names are counted, not kept: a folder of a
 * million photographs costs no memory. */
#include "base/map.h"
#include "os/folder.h"

/** An entry. */
struct hst_listed {
    size_t name;              /**< offset into names */
    enum hst_entry_kind kind; /**< as listed */
};

/** A folder's entries. Zero-initialise, set files_seen and halt; free with hst_listing_fini. */
struct hst_listing {
    struct hst_listed *entries; /**< owned */
    size_t count;               /**< of entries */
    size_t room;                /**< private: of entries */
    char *names;                /**< owned; each with its NUL */
    size_t used;                /**< private: of names */
    size_t size;                /**< private: of names */
    bool has_json;              /**< one of them is a JSON file */
    bool has_marks;             /**< one of them marks a download (unfinished.h) */
    struct hst_map marks;       /**< private: how the file of a name is marked */
    _Atomic(uint64_t) *files_seen; /**< counts what is no folder; given by the caller */
    const _Atomic(bool) *halt;  /**< ends the listing when it becomes true; given by the caller */
};

/** May a change of this name concern the catalog? */
bool hst_listing_concerns(const char *name);
/** Could this file hold tensors or describe a model, by its name? */
bool hst_listing_is_part(const char *name);
/** List an open folder. HST_E_CANCELLED when it was halted. */
int hst_listing_read(struct hst_listing *listing, int dir_fd, struct hst_error *err);
/** Name of an entry. */
const char *hst_listing_name(const struct hst_listing *listing, size_t entry);
/** Is the file of this name being downloaded, by what lies beside it? `empty`: it holds nothing. */
bool hst_listing_is_unfinished(const struct hst_listing *listing, const char *name, bool empty);
/** Free what it holds. */
void hst_listing_fini(struct hst_listing *listing);
#endif
