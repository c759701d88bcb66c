#ifndef HST_CATALOG_HASHES_H
#define HST_CATALOG_HASHES_H
/** @file
 * The hashes that are known, by what the file system says of a file: a file that was written since has none. Loop thread only. */
#include "catalog/catalog.h"
#include "hashing/hash.h"

/** Hashes of this very file (all of its identity equal), or NULL. Valid until the next hash is put. */
const struct hst_hashes *hst_hashes_find(const struct hst_catalog *catalog, const struct hst_file_id *id);
/** A copy of the hashes of its tensors while they are not in the database yet; else NULL. *ret_each owned by the caller. HST_E_NOMEM. */
int hst_hashes_copy_each(const struct hst_catalog *catalog, const struct hst_file_id *id, uint8_t **ret_each, size_t *ret_bytes);
/** Why this file could not be hashed; HST_OK when it was, or was not tried. */
int hst_hashes_failure(const struct hst_catalog *catalog, const struct hst_file_id *id);
/** Note them, in place of older ones of the same inode. `each` (taken over, NULL = none) is as hst_hash_take_each gives it. */
int hst_hashes_put(struct hst_catalog *catalog, const struct hst_file_id *id, const struct hst_hashes *hashes, uint8_t *each, size_t each_bytes,
                   struct hst_error *err);
/** Note that it could not be hashed, until it changes or is asked for again. */
void hst_hashes_put_failure(struct hst_catalog *catalog, const struct hst_file_id *id, int status);
/** Forget that it could not be hashed. */
void hst_hashes_forget_failure(struct hst_catalog *catalog, const struct hst_file_id *id);
/** Read the database. */
int hst_hashes_recall(struct hst_catalog *catalog, struct hst_error *err);
/** Write on the executor what is not in the database yet, contents of models included; once more after that if need be. */
void hst_hashes_write(struct hst_catalog *catalog);
/** Free them. */
void hst_hashes_free_all(struct hst_catalog *catalog);
#endif
