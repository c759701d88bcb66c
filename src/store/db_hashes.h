#ifndef HST_STORE_DB_HASHES_H
#define HST_STORE_DB_HASHES_H
/** @file
 * What was hashed, over a restart: a row for each file, found by what the file system says of it, and a row for each model with the digest
 * of its content, which stays when the files are gone. */
#include "os/file.h"
#include "store/db.h"

/** Hashes of a file. Bytes are borrowed; NULL = none. */
struct hst_db_hash {
    uint64_t device;        /**< of the file, as all until ctime_ns */
    uint64_t inode;         /**< see device */
    uint64_t size_bytes;    /**< see device */
    int64_t mtime_ns;       /**< see device */
    int64_t ctime_ns;       /**< see device */
    uint32_t crc32;         /**< of the file */
    uint64_t data_bytes;    /**< of its tensors */
    const uint8_t *sha256;  /**< 32 bytes */
    const uint8_t *tensors; /**< 32 bytes, or NULL */
    const uint8_t *blake3;  /**< 32 bytes, or NULL */
    const uint8_t *autov1;  /**< 4 bytes */
    const uint8_t *sketch;  /**< 16 bytes */
    const uint8_t *each;    /**< 16 bytes a tensor; only written */
    size_t each_bytes;      /**< of each */
};

/** Content of a model. Bytes are borrowed. */
struct hst_db_content {
    const char *id;            /**< model id */
    uint64_t data_bytes;       /**< of its tensors */
    uint64_t tensor_count;     /**< tensors */
    uint64_t since_generation; /**< first generation with this content */
    const uint8_t *digest;     /**< 32 bytes */
    const uint8_t *sketch;     /**< 16 bytes */
};

/** Called for each row; a negative result ends the reading and is its result. */
typedef int (*hst_db_hash_fn)(void *context, const struct hst_db_hash *row);
/** As hst_db_hash_fn. */
typedef int (*hst_db_content_fn)(void *context, const struct hst_db_content *row);

/** Read the hashes of every file, without those of its tensors. */
int hst_db_each_hash(struct hst_db *db, hst_db_hash_fn fn, void *context, struct hst_error *err);
/** Write hashes of files in one transaction; a file with the same device and inode is replaced. */
int hst_db_put_hashes(struct hst_db *db, const struct hst_db_hash *rows, size_t count, struct hst_error *err);
/** The key with which tensors are hashed, a random one that is made with the database. */
int hst_db_hash_key(struct hst_db *db, uint64_t *ret_key, struct hst_error *err);
/** Read the hashes of the tensors of this very file (all of its identity equal): *ret_each owned by the caller, NULL (and 0) when there are none. */
int hst_db_hash_each(struct hst_db *db, const struct hst_file_id *id, uint8_t **ret_each, size_t *ret_bytes, struct hst_error *err);
/** Read the contents of every model. */
int hst_db_each_content(struct hst_db *db, hst_db_content_fn fn, void *context, struct hst_error *err);
/** Write contents in one transaction. */
int hst_db_put_contents(struct hst_db *db, const struct hst_db_content *rows, size_t count, struct hst_error *err);
#endif
