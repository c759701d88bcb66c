#ifndef HST_HASHING_HASH_H
#define HST_HASHING_HASH_H
/** @file
 * What one reading of a file tells about its content: the hashes that other tools know models by, and one of each tensor. Bytes come in
 * order, in pieces of any length; nothing is opened here but by hst_hash_file. Any thread, one at a time. */
#include "hashing/blake3.h"
#include "formats/tensors.h"
#include <stdatomic.h>

/** Bytes of a SHA-256. */
#define HST_SHA256_BYTES 32u
/** Bytes of an XXH3-128. */
#define HST_XXH128_BYTES 16u

/** Hashes of a file. AutoV2 is the first five bytes of sha256, AutoV3 the first six of tensors. */
struct hst_hashes {
    uint8_t sha256[HST_SHA256_BYTES];  /**< of the file */
    bool has_tensors;                  /**< is it a safetensors file? */
    uint8_t tensors[HST_SHA256_BYTES]; /**< SHA-256 of what follows the header (modelspec.hash_sha256) */
    bool has_blake3;                   /**< is there a library for it? */
    uint8_t blake3[HST_BLAKE3_BYTES];  /**< of the file */
    uint8_t autov1[4];                 /**< first bytes of the SHA-256 of 64 KiB at 1 MiB, or of what there is of them */
    uint32_t crc32;                    /**< of the file */
    uint64_t data_bytes;               /**< of the tensors below */
    uint8_t sketch[HST_XXH128_BYTES];  /**< of every tensor's size and first bytes: equal content has equal sketches, and it is quickly read */
};

/** Key of the hashes of tensors from now on, 0 at first: with a secret one nobody can make a file whose tensor passes for another. Set it before
 * the first digest. */
void hst_hash_set_key(uint64_t key);

/** A digest under way. */
struct hst_hash;

/** Begin. `table` is what the file's parser made of it (borrowed until hst_hash_free), NULL when it is no model. *ret_hash owned by the caller. */
int hst_hash_new(const struct hst_tensor_table *table, struct hst_hash **ret_hash, struct hst_error *err);
/** Add the next bytes of the file. */
void hst_hash_update(struct hst_hash *hash, const uint8_t *bytes, size_t length);
/** One half of hst_hash_update: SHA-256, CRC-32 and AutoV1 of the file. Another thread may be in the other half meanwhile. */
void hst_hash_update_file(struct hst_hash *hash, const uint8_t *bytes, size_t length);
/** The other half: what follows the header, each tensor, BLAKE3. */
void hst_hash_update_data(struct hst_hash *hash, const uint8_t *bytes, size_t length);
/** The hashes, once every byte was added; no more may be added then. HST_E_INTERNAL when the library failed. */
int hst_hash_finish(struct hst_hash *hash, struct hst_hashes *ret_hashes, struct hst_error *err);
/** XXH3-128, keyed, of each tensor of the table, HST_XXH128_BYTES each, zeros for those that begin within another. Owned by the caller; NULL
 * without tensors. After hst_hash_finish. */
uint8_t *hst_hash_take_each(struct hst_hash *hash);
/** Free it. NULL is fine. */
void hst_hash_free(struct hst_hash *hash);

/** Hash an open file at once. `stop` (NULL = never) ends it with HST_E_CANCELLED. HST_E_FILE_CHANGED when it was written meanwhile. */
int hst_hash_file(int fd, const struct hst_tensor_table *table, const _Atomic(bool) *stop, struct hst_hashes *ret_hashes, struct hst_error *err);
/** Only the sketch of an open file, as hst_hashes has it: reads a page of each tensor. */
int hst_hash_sketch(int fd, const struct hst_tensor_table *table, uint8_t ret_sketch[HST_XXH128_BYTES], struct hst_error *err);
#endif
