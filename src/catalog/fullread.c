/* A file is read in pieces, each from the first byte of a tensor or within one, so that its elements are whole and aligned in memory. What lies
 * between tensors is read only for a hash. Tensors that share bytes (several names of one storage) are read again, but hashed once. */
#include "catalog/fullread.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "catalog/halves.h"
#include "catalog/limits.h"
#include "model/reread.h"
#include "formats/values.h"
#include "os/hold.h"

#include <openssl/evp.h>
#include <stdio.h>

/* A file being read. */
struct reader {
    struct hst_fullread *reading;
    uint32_t file;
    int fd;
    uint64_t size_bytes;
    uint64_t hashed;       /* bytes from the file's start that were read in order */
    bool drop;             /* its pages were not in memory */
    EVP_MD_CTX *whole;     /* SHA-256 of the file, or NULL */
    EVP_MD_CTX *tensors;   /* SHA-256 of what follows the header, or NULL */
    uint8_t *buffer;       /* HST_FULLREAD_PIECE bytes */
};

static void free_reader(struct reader *reader)
{
    hst_closep(&reader->fd);
    EVP_MD_CTX_free(reader->whole);
    EVP_MD_CTX_free(reader->tensors);
    free(reader->buffer);
}

static int begin_hash(EVP_MD_CTX **ret_context, struct hst_error *err)
{
    if (*ret_context != NULL) return HST_OK;
    *ret_context = EVP_MD_CTX_new();
    if (*ret_context == NULL || EVP_DigestInit_ex(*ret_context, EVP_sha256(), NULL) != 1) return hst_error_nomem(err);
    return HST_OK;
}

/* Only the hashes that somebody states. */
static int begin_hashes(struct reader *reader, struct hst_error *err)
{
    const struct hst_fullread *reading = reader->reading;
    for (size_t i = 0; i < reading->stated_count; i++)
        if (reading->stated[i].file == reader->file) HST_TRY(begin_hash(reading->stated[i].of_tensors ? &reader->tensors : &reader->whole, err));
    return HST_OK;
}

static int open_reader(struct reader *reader, struct hst_error *err)
{
    const struct hst_model_file *file = &reader->reading->model->files[reader->file];
    reader->fd = hst_reread_open(file, err);
    if (reader->fd < 0) return reader->fd;
    reader->size_bytes = file->id.size_bytes;
    reader->drop = hst_hold_resident(reader->fd, 0, reader->size_bytes) < reader->size_bytes / 8;
    reader->buffer = aligned_alloc(HST_FULLREAD_ALIGNMENT, HST_FULLREAD_PIECE);
    if (reader->buffer == NULL) return hst_error_nomem(err);
    return begin_hashes(reader, err);
}

/* The part of the buffer that was not hashed yet; `offset` is where the buffer begins in the file. */
static void hash_piece(struct reader *reader, uint64_t offset, uint64_t length)
{
    uint64_t from = hst_max_u64(offset, reader->hashed), end = offset + length;
    uint64_t data = reader->reading->model->files[reader->file].table->data_offset;
    if (end <= from) return;
    if (reader->whole != NULL) EVP_DigestUpdate(reader->whole, reader->buffer + (from - offset), end - from);
    reader->hashed = end;
    from = hst_max_u64(from, data);
    if (reader->tensors != NULL && end > from) EVP_DigestUpdate(reader->tensors, reader->buffer + (from - offset), end - from);
}

static int read_piece(struct reader *reader, uint64_t offset, uint64_t length, struct hst_error *err)
{
    struct hst_fullread *reading = reader->reading;
    if (reading->cancel != NULL && *reading->cancel) return hst_error_set(err, HST_E_CANCELLED, "the validation was cancelled");
    HST_TRY(hst_file_read_at(reader->fd, offset, reader->buffer, length, err));
    hash_piece(reader, offset, length);
    reading->bytes_read += length;
    if (reader->drop) hst_hold_drop(reader->fd, offset, length);
    if (reading->progress != NULL) reading->progress(reading->context, reading->bytes_read, reading->model->size_bytes);
    return HST_OK;
}

/* Go on to a place in the file: what is on the way is read only if it is hashed. */
static int advance(struct reader *reader, uint64_t to, struct hst_error *err)
{
    bool hashes = reader->whole != NULL || reader->tensors != NULL;
    while (hashes && reader->hashed < to)
        HST_TRY(read_piece(reader, reader->hashed, hst_min_u64(to - reader->hashed, HST_FULLREAD_PIECE), err));
    return HST_OK;
}

static int count_values(struct reader *reader, const struct hst_tensor *tensor, struct hst_values *values, struct hst_error *err)
{
    HST_TRY(advance(reader, tensor->offset, err));
    for (uint64_t at = 0; at < tensor->size_bytes; at += HST_FULLREAD_PIECE) {
        uint64_t length = hst_min_u64(tensor->size_bytes - at, HST_FULLREAD_PIECE);
        HST_TRY(read_piece(reader, tensor->offset + at, length, err));
        hst_values_add(values, tensor->dtype, reader->buffer, length);
    }
    return HST_OK;
}

static bool is_weight(const struct hst_tensor *tensor)
{
    const char *name = hst_dtype_info(tensor->dtype)->name;
    bool is_float = name[0] == 'F' || tensor->dtype == HST_DTYPE_BF16;
    return is_float && tensor->rank >= 2 && !hst_halves_is_up(tensor->name);
}

static int note(struct hst_component_values *sums, const struct hst_tensor *tensor, const struct hst_values *values, struct hst_error *err)
{
    *(hst_values_decodes(tensor->dtype) ? &sums->scanned_bytes : &sums->undecoded_bytes) += tensor->size_bytes;
    sums->nan += values->nan;
    sums->infinite += values->infinite;
    if (values->nan > 0) HST_TRY(hst_names_add(&sums->with_nan, tensor->name, err));
    if (values->infinite > 0) HST_TRY(hst_names_add(&sums->with_infinity, tensor->name, err));
    if (values->nonzero || values->nan > 0 || tensor->size_bytes == 0) return HST_OK;
    if (is_weight(tensor)) HST_TRY(hst_names_add(&sums->zero_weights, tensor->name, err));
    return hst_names_add(&sums->zero, tensor->name, err);
}

/* Tensors of a run of the table. *at moves on. */
static int read_run(struct reader *reader, const struct hst_tensor_run *run, size_t *at, struct hst_error *err)
{
    const struct hst_fullread *reading = reader->reading;
    const struct hst_tensor_table *table = reading->model->files[reader->file].table;
    for (size_t end = *at + run->count; *at < end; ++*at) {
        struct hst_values values = {0};
        if (run->component == HST_NO_COMPONENT) continue;
        HST_TRY(count_values(reader, &table->tensors[*at], &values, err));
        HST_TRY(note(&reading->values[run->component], &table->tensors[*at], &values, err));
    }
    return HST_OK;
}

static void end_hash(EVP_MD_CTX *context, char out[HST_STATED_DIGITS + 1])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (EVP_DigestFinal_ex(context, digest, &length) != 1) return;
    hst_hex(digest, length < HST_STATED_DIGITS / 2 ? length : HST_STATED_DIGITS / 2, out);
}

static void end_hashes(struct reader *reader)
{
    char whole[HST_STATED_DIGITS + 1] = "", tensors[HST_STATED_DIGITS + 1] = "";
    struct hst_fullread *reading = reader->reading;
    if (reader->whole != NULL) end_hash(reader->whole, whole);
    if (reader->tensors != NULL) end_hash(reader->tensors, tensors);
    for (size_t i = 0; i < reading->stated_count; i++)
        if (reading->stated[i].file == reader->file) snprintf(reading->stated[i].found, sizeof whole, "%s", reading->stated[i].of_tensors ? tensors : whole);
}

/* The file must be the one that was parsed to the end. */
static int end_reader(struct reader *reader, struct hst_error *err)
{
    const struct hst_model_file *file = &reader->reading->model->files[reader->file];
    struct hst_file_id id;
    HST_TRY(advance(reader, reader->size_bytes, err));
    end_hashes(reader);
    HST_TRY(hst_file_identify(reader->fd, &id, err));
    return hst_file_id_equal(&id, &file->id) ? HST_OK : hst_error_set(err, HST_E_FILE_CHANGED, "%s changed while it was read", file->path);
}

static int read_file(struct hst_fullread *reading, uint32_t index, struct hst_error *err)
{
    HST_AUTO(free_reader) struct reader reader = {.reading = reading, .file = index, .fd = -1};
    const struct hst_model_file *file = &reading->model->files[index];
    size_t at = 0;
    HST_TRY(open_reader(&reader, err));
    for (size_t i = 0; i < file->run_count; i++)
        HST_TRY(read_run(&reader, &file->runs[i], &at, err));
    return end_reader(&reader, err);
}

int hst_fullread_run(struct hst_fullread *reading, struct hst_error *err)
{
    reading->values = calloc(reading->model->component_count + 1, sizeof *reading->values);
    if (reading->values == NULL) return hst_error_nomem(err);
    HST_TRY(hst_stated_collect(reading->model, &reading->stated, &reading->stated_count, err));
    for (uint32_t i = 0; i < reading->model->file_count; i++)
        if (reading->model->files[i].table != NULL && reading->model->files[i].raw) HST_TRY(read_file(reading, i, err));
    return HST_OK;
}

void hst_fullread_fini(struct hst_fullread *reading)
{
    for (size_t i = 0; reading->values != NULL && i < reading->model->component_count; i++) {
        hst_names_fini(&reading->values[i].with_nan);
        hst_names_fini(&reading->values[i].with_infinity);
        hst_names_fini(&reading->values[i].zero);
        hst_names_fini(&reading->values[i].zero_weights);
    }
    free(reading->values);
    free(reading->stated);
}
