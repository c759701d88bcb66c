#ifndef HST_FORMATS_ZIP_H
#define HST_FORMATS_ZIP_H
/** @file
 * The directory of a zip archive (APPNOTE 6.3, with Zip64), for formats that keep their bytes in stored entries. Strict: an entry is where both its
 * headers say and is called what both say, the directory lies right before the end and no comment follows it, and no two entries share a byte, so
 * that no two readers see different archives. Nothing is unpacked. */
#include "formats/arena.h"
#include "formats/format.h"

/** A file in the archive. */
struct hst_zip_entry {
    const char *name;    /**< NUL-ended, without NUL inside; in the arena */
    uint64_t header;     /**< of its own header in the archive */
    uint64_t offset;     /**< of its data in the archive */
    uint64_t size_bytes; /**< of its data */
};

/** The archive. */
struct hst_zip {
    struct hst_zip_entry *entries; /**< `count` of them, in order of their offset; in the arena */
    size_t count;                  /**< entries */
    bool has_checksums;            /**< does any entry have a CRC-32 other than 0? */
};

/** Read the directory into memory of `arena`. HST_E_INVALID_FILE, HST_E_TRUNCATED (no directory at the end), HST_E_LIMIT_EXCEEDED; an entry that
 * is compressed, encrypted or a link, or whose name leads elsewhere, is HST_E_INVALID_FILE. */
int hst_zip_read(const struct hst_source *source, struct hst_arena *arena, struct hst_zip *ret_zip, struct hst_error *err);
/** The first entry from number `from` on whose name ends in `suffix`, or NULL. */
const struct hst_zip_entry *hst_zip_find_end(const struct hst_zip *zip, size_t from, const char *suffix);
#endif
