#ifndef HST_FORMATS_TENSORS_H
#define HST_FORMATS_TENSORS_H
/** @file
 * What every parser makes of a file: a table of tensors, and its metadata. Immutable once built. */
#include "base/error.h"
#include "formats/dtype.h"

/** A tensor of a file. */
struct hst_tensor {
    const char *name;      /**< UTF-8, NUL-ended, no NUL inside; owned by the table */
    const uint64_t *shape; /**< `rank` sizes; owned by the table */
    uint32_t rank;         /**< 0 = scalar */
    enum hst_dtype dtype;  /**< element type */
    uint64_t offset;       /**< of its first byte in the file */
    uint64_t size_bytes;   /**< of its data */
    uint64_t elements;     /**< product of the shape */
};

/** A string pair of a file's metadata. */
struct hst_metadata {
    const char *key;   /**< UTF-8, NUL-ended; owned by the table */
    const char *value; /**< UTF-8, NUL-ended; owned by the table */
};

struct hst_tensor_table;

/** Another file that holds the bytes of some of the tensors that a file describes (external data of ONNX). */
struct hst_external {
    const char *location;   /**< path below the folder of the file: relative, without empty, "." or ".." parts; owned by the describing table */
    const char *sha1;       /**< 40 lower-case hexadecimal digits that the SHA-1 of the file should have, or NULL; owned like location */
    uint64_t least_bytes;   /**< the file has at least this many: here its last tensor ends */
    bool exact;             /**< the file has exactly as many: a tensor reaches to its end */
    struct hst_tensor_table *table; /**< the tensors in it, their offsets counted in it; owned, may be taken */
};

/** A file may have so many warnings; a format has fewer kinds of them. */
#define HST_WARNINGS_MAX 4u

/** The table. */
struct hst_tensor_table {
    const char *format;            /**< name of the format that made it (static) */
    struct hst_tensor *tensors;    /**< `count` of them, in the order of the file's data */
    size_t count;                  /**< tensors */
    struct hst_metadata *metadata; /**< `metadata_count` pairs */
    size_t metadata_count;         /**< pairs */
    const char *warnings[HST_WARNINGS_MAX]; /**< what is odd and does no harm: sentences that begin with a word and a colon */
    size_t warning_count;          /**< of warnings */
    uint64_t data_offset;          /**< first byte of the data in the file */
    uint64_t file_size_bytes;      /**< of the whole file; 0 in the table of an external file, which the parser does not see */
    struct hst_external *externals; /**< files that hold the other tensors it describes; owned */
    size_t external_count;         /**< of externals */
    void *arena;                   /**< private to formats/ */
};

/** The tensor of this name, or NULL. Linear time: for a few look-ups. */
const struct hst_tensor *hst_tensor_table_find(const struct hst_tensor_table *table, const char *name);
/** The metadata value of this key, or NULL. */
const char *hst_tensor_table_metadata(const struct hst_tensor_table *table, const char *key);
/** Free it; NULL is fine. */
void hst_tensor_table_free(struct hst_tensor_table *table);
#endif
