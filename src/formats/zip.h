#ifndef HST_FORMATS_ZIP_H
#define HST_FORMATS_ZIP_H
/** @file
 * The directory of a zip archive (APPNOTE 6.3, with Zip64), for formats that keep their bytes in stored entries. Strict: an entry is where both its
 * headers say, and no two share a byte, so that no two readers see different archives. Nothing is unpacked. */
#include "formats/arena.h"
#include "formats/format.h"

/** A file in the archive. */
struct hst_zip_entry {
    const char *name;    /**< NUL-ended, without NUL inside; in the arena */
    uint64_t offset;     /**< of its data in the archive */
    uint64_t size_bytes; /**< of its data */
};

/** The archive. */
struct hst_zip {
    struct hst_zip_entry *entries; /**< `count` of them, in order of their offset; in the arena */
    size_t count;                  /**< entries */
};

/** Read the directory into memory of `arena`. HST_E_INVALID_FILE, HST_E_TRUNCATED (no directory at the end), HST_E_LIMIT_EXCEEDED; an entry that
 * is compressed or encrypted is HST_E_INVALID_FILE. */
int hst_zip_read(const struct hst_source *source, struct hst_arena *arena, struct hst_zip *ret_zip, struct hst_error *err);
/** The entry whose name ends in `suffix`, or NULL. */
const struct hst_zip_entry *hst_zip_find_end(const struct hst_zip *zip, const char *suffix);
#endif
