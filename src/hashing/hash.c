#include "hashing/hash.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "hashing/limits.h"
#include "hashing/pass.h"
#include "os/file.h"

#include <openssl/evp.h>
#include <string.h>
#include <xxhash.h>
#include <zlib.h>

/* AutoV1 looks at these bytes alone. */
#define WINDOW_BEGIN UINT64_C(0x100000)
#define WINDOW_END UINT64_C(0x110000)

static uint64_t tensor_key;

void hst_hash_set_key(uint64_t key)
{
    tensor_key = key;
}

struct hst_hash {
    const struct hst_tensor_table *table; /* borrowed; NULL = none */
    /* One half. */
    uint64_t file_offset;                 /* bytes added */
    EVP_MD_CTX *file, *window;
    uint32_t crc32;
    bool file_failed;
    /* The other half. */
    uint64_t data_offset;                 /* bytes added */
    uint64_t data_begin;                  /* where the tensors hash begins; UINT64_MAX = there is none */
    EVP_MD_CTX *tensors;
    bool data_failed;
    struct hst_blake3 *blake3;            /* NULL = no library */
    XXH3_state_t *tensor, *sketch;        /* of the tensor that is being read; of them all */
    size_t at;                            /* that tensor, or the next */
    uint64_t covered;                     /* end of the last one */
    uint64_t data_bytes;
    uint8_t *each;                        /* as hst_hash_take_each gives it */
};

static EVP_MD_CTX *new_sha256(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1) return context;
    EVP_MD_CTX_free(context);
    return NULL;
}

static bool make_parts(struct hst_hash *hash)
{
    hash->file = new_sha256();
    hash->tensors = new_sha256();
    hash->window = new_sha256();
    hash->blake3 = hst_blake3_new();
    hash->tensor = XXH3_createState();
    hash->sketch = XXH3_createState();
    hash->each = hash->table != NULL ? calloc(hash->table->count + 1, HST_XXH128_BYTES) : NULL;
    return hash->file != NULL && hash->tensors != NULL && hash->window != NULL && hash->tensor != NULL && hash->sketch != NULL &&
           (hash->table == NULL || hash->each != NULL);
}

int hst_hash_new(const struct hst_tensor_table *table, struct hst_hash **ret_hash, struct hst_error *err)
{
    struct hst_hash *hash = calloc(1, sizeof *hash);
    if (hash == NULL) return hst_error_nomem(err);
    hash->table = table;
    hash->data_begin = table != NULL && strcmp(table->format, "safetensors") == 0 ? table->data_offset : UINT64_MAX;
    if (!make_parts(hash)) {
        hst_hash_free(hash);
        return hst_error_nomem(err);
    }
    XXH3_128bits_reset_withSeed(hash->tensor, tensor_key);
    XXH3_128bits_reset(hash->sketch);
    *ret_hash = hash;
    return HST_OK;
}

/* The next bytes of the file, at `offset`. */
struct span {
    const uint8_t *bytes;
    uint64_t offset;
    uint64_t length;
};

/* What of them lies between two offsets; length 0 = nothing. */
static struct span part_of(const struct span *span, uint64_t begin, uint64_t end)
{
    uint64_t first = hst_max_u64(begin, span->offset), last = hst_min_u64(end, span->offset + span->length);
    if (first >= last) return (struct span){0};
    return (struct span){span->bytes + (first - span->offset), first, last - first};
}

/* @return did it fail? */
static bool add_sha256(EVP_MD_CTX *context, struct span part)
{
    return part.length > 0 && EVP_DigestUpdate(context, part.bytes, part.length) != 1;
}

static void add_xxh3(XXH3_state_t *state, struct span part)
{
    if (part.length > 0) XXH3_128bits_update(state, part.bytes, part.length);
}

/* Does the sketch, and a hash of its own, leave this tensor out? Those in order of their bytes, without overlaps, are in. */
static bool is_left_out(const struct hst_tensor *tensor, uint64_t covered)
{
    return tensor->offset < covered || tensor->size_bytes == 0;
}

static void end_tensor(struct hst_hash *hash, const struct hst_tensor *tensor)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(hash->tensor));
    memcpy(hash->each + hash->at * HST_XXH128_BYTES, &canonical, HST_XXH128_BYTES);
    XXH3_128bits_reset_withSeed(hash->tensor, tensor_key);
    hash->covered = tensor->offset + tensor->size_bytes;
    hash->data_bytes += tensor->size_bytes;
}

/* @return does the tensor end within these bytes? */
static bool add_to_tensor(struct hst_hash *hash, const struct hst_tensor *tensor, const struct span *span)
{
    uint64_t end = tensor->offset + tensor->size_bytes, span_end = span->offset + span->length;
    if (tensor->offset >= span_end) return false;
    if (tensor->offset >= span->offset) XXH3_128bits_update(hash->sketch, &tensor->size_bytes, sizeof tensor->size_bytes);
    add_xxh3(hash->sketch, part_of(span, tensor->offset, hst_min_u64(end, tensor->offset + HST_HASH_SKETCH_BYTES)));
    add_xxh3(hash->tensor, part_of(span, tensor->offset, end));
    if (end > span_end) return false;
    end_tensor(hash, tensor);
    return true;
}

static void add_to_tensors(struct hst_hash *hash, const struct span *span)
{
    for (; hash->table != NULL && hash->at < hash->table->count; hash->at++) {
        const struct hst_tensor *tensor = &hash->table->tensors[hash->at];
        if (!is_left_out(tensor, hash->covered) && !add_to_tensor(hash, tensor, span)) return;
    }
}

void hst_hash_update_file(struct hst_hash *hash, const uint8_t *bytes, size_t length)
{
    struct span span = {bytes, hash->file_offset, length};
    hash->file_failed |= add_sha256(hash->file, span);
    hash->file_failed |= add_sha256(hash->window, part_of(&span, WINDOW_BEGIN, WINDOW_END));
    hash->crc32 = (uint32_t)crc32_z(hash->crc32, bytes, length);
    hash->file_offset += length;
}

void hst_hash_update_data(struct hst_hash *hash, const uint8_t *bytes, size_t length)
{
    struct span span = {bytes, hash->data_offset, length};
    hash->data_failed |= add_sha256(hash->tensors, part_of(&span, hash->data_begin, UINT64_MAX));
    if (hash->blake3 != NULL) hst_blake3_update(hash->blake3, bytes, length);
    add_to_tensors(hash, &span);
    hash->data_offset += length;
}

void hst_hash_update(struct hst_hash *hash, const uint8_t *bytes, size_t length)
{
    hst_hash_update_file(hash, bytes, length);
    hst_hash_update_data(hash, bytes, length);
}

static void end_sha256(struct hst_hash *hash, EVP_MD_CTX *context, uint8_t *ret_digest, size_t length)
{
    uint8_t whole[HST_SHA256_BYTES] = {0};
    hash->file_failed |= EVP_DigestFinal_ex(context, whole, NULL) != 1;
    memcpy(ret_digest, whole, length);
}

static void end_sketch(const XXH3_state_t *state, uint8_t ret_sketch[HST_XXH128_BYTES])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    memcpy(ret_sketch, &canonical, HST_XXH128_BYTES);
}

int hst_hash_finish(struct hst_hash *hash, struct hst_hashes *ret_hashes, struct hst_error *err)
{
    struct hst_hashes hashes = {.crc32 = hash->crc32, .data_bytes = hash->data_bytes, .has_tensors = hash->data_begin != UINT64_MAX};
    end_sha256(hash, hash->file, hashes.sha256, sizeof hashes.sha256);
    end_sha256(hash, hash->window, hashes.autov1, sizeof hashes.autov1);
    if (hashes.has_tensors) end_sha256(hash, hash->tensors, hashes.tensors, sizeof hashes.tensors);
    hashes.has_blake3 = hash->blake3 != NULL;
    if (hashes.has_blake3) hst_blake3_finish(hash->blake3, hashes.blake3);
    end_sketch(hash->sketch, hashes.sketch);
    if (hash->file_failed || hash->data_failed) return hst_error_set(err, HST_E_INTERNAL, "the library of SHA-256 failed");
    *ret_hashes = hashes;
    return HST_OK;
}

uint8_t *hst_hash_take_each(struct hst_hash *hash)
{
    return hst_steal(&hash->each);
}

void hst_hash_free(struct hst_hash *hash)
{
    if (hash == NULL) return;
    EVP_MD_CTX_free(hash->file);
    EVP_MD_CTX_free(hash->tensors);
    EVP_MD_CTX_free(hash->window);
    XXH3_freeState(hash->tensor);
    XXH3_freeState(hash->sketch);
    free(hash->blake3);
    free(hash->each);
    free(hash);
}

static int hash_all(struct hst_hash *hash, struct hst_pass *pass, const _Atomic(bool) *stop, struct hst_error *err)
{
    HST_AUTO(hst_freep) uint8_t *piece = hst_pass_piece_new();
    if (piece == NULL) return hst_error_nomem(err);
    for (size_t length = 1; length > 0;) {
        if (stop != NULL && *stop) return hst_error_set(err, HST_E_CANCELLED, "hashing was cancelled");
        HST_TRY(hst_pass_next(pass, piece, &length, err));
        hst_hash_update(hash, piece, length);
    }
    return HST_OK;
}

int hst_hash_file(int fd, const struct hst_tensor_table *table, const _Atomic(bool) *stop, struct hst_hashes *ret_hashes, struct hst_error *err)
{
    struct hst_file_id before, after;
    struct hst_pass pass = {.direct_fd = -1};
    struct hst_hash *hash;
    HST_TRY(hst_file_identify(fd, &before, err));
    HST_TRY(hst_hash_new(table, &hash, err));
    hst_pass_init(&pass, fd, before.size_bytes);
    int status = hash_all(hash, &pass, stop, err);
    if (status == HST_OK) status = hst_file_identify(fd, &after, err);
    if (status == HST_OK && !hst_file_id_equal(&before, &after)) status = hst_error_set(err, HST_E_FILE_CHANGED, "the file was written while it was hashed");
    if (status == HST_OK) status = hst_hash_finish(hash, ret_hashes, err);
    hst_pass_fini(&pass);
    hst_hash_free(hash);
    return status;
}

int hst_hash_sketch(int fd, const struct hst_tensor_table *table, uint8_t ret_sketch[HST_XXH128_BYTES], struct hst_error *err)
{
    uint8_t bytes[HST_HASH_SKETCH_BYTES];
    uint64_t covered = 0;
    XXH3_state_t *state = XXH3_createState();
    int status = state != NULL ? HST_OK : hst_error_nomem(err);
    if (status == HST_OK) XXH3_128bits_reset(state);
    for (size_t i = 0; status == HST_OK && i < table->count; i++) {
        const struct hst_tensor *tensor = &table->tensors[i];
        size_t length = hst_min_u64(tensor->size_bytes, HST_HASH_SKETCH_BYTES);
        if (is_left_out(tensor, covered)) continue;
        covered = tensor->offset + tensor->size_bytes;
        status = hst_file_read_at(fd, tensor->offset, bytes, length, err);
        XXH3_128bits_update(state, &tensor->size_bytes, sizeof tensor->size_bytes);
        if (status == HST_OK) XXH3_128bits_update(state, bytes, length);
    }
    if (status == HST_OK) end_sketch(state, ret_sketch);
    XXH3_freeState(state);
    return status;
}
