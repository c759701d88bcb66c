#include "model/externals.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "model/reread.h"
#include "os/folder.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { CHUNK = 1 << 20, SHA1_BYTES = 20 };

/* What opening it gave, as a verdict on the model: the file alone does not say that it belongs to one. */
static int judge_open(int status, const struct hst_external *external, struct hst_error *err)
{
    if (status == HST_E_FILE_MISSING) return hst_error_set(err, HST_E_INCOMPLETE_MODEL, "set: the external data '%.64s' is missing", external->location);
    if (status == HST_E_INVALID_FILE)
        return hst_error_set(err, HST_E_INVALID_FILE, "path: the external data '%.64s' leads out of its folder, or is not a regular file", external->location);
    return status;
}

static int check_size(const struct hst_external *external, const struct hst_file_id *id, struct hst_error *err)
{
    bool fits = external->exact ? id->size_bytes == external->least_bytes : id->size_bytes >= external->least_bytes;
    if (fits) return HST_OK;
    return hst_error_set(err, id->size_bytes < external->least_bytes ? HST_E_TRUNCATED : HST_E_INVALID_FILE,
                         "size: the external data '%.64s' has %llu bytes; its tensors end at %llu", external->location, (unsigned long long)id->size_bytes,
                         (unsigned long long)external->least_bytes);
}

/* Where the external data of a file is looked for. */
struct place {
    int dir_fd;         /* beneath this one */
    const char *below;  /* in this folder of it, "" or with a slash at its end */
    const char *folder; /* of the model file, with a slash at its end */
    uint32_t header;    /* the model file */
};

static int open_external(const struct place *place, const struct hst_external *external, struct hst_model_file *file, struct hst_error *err)
{
    char path[8192];
    snprintf(path, sizeof path, "%s%s", place->below, external->location);
    HST_AUTO(hst_closep) int fd = hst_file_open_beneath(place->dir_fd, path, &file->id, err);
    if (fd < 0) return judge_open(fd, external, err);
    file->fstype = hst_fstype_of(fd);
    return check_size(external, &file->id, err);
}

/* The file is one of the model even when it cannot be opened: whoever sees that the model has external data looks at it again. */
static int add(struct hst_model *model, const struct place *place, struct hst_external *external, struct hst_error *err)
{
    char path[8192];
    struct hst_model_file *file;
    snprintf(path, sizeof path, "%s%s", place->folder, external->location);
    HST_TRY(hst_draft_add_file(model, path, &file, err));
    file->raw = true;
    file->header = place->header;
    file->table = hst_steal(&external->table);
    HST_TRY(hst_draft_text(&file->sha1, external->sha1, err));
    HST_TRY(open_external(place, external, file, err));
    file->table->file_size_bytes = file->id.size_bytes;
    return HST_OK;
}

/* The path without its last part, with the slash at its end; "" when there is none. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strndup(path, slash != NULL ? (size_t)(slash - path) + 1 : 0);
}

static int add_all(struct hst_model *model, const struct place *place, struct hst_error *err)
{
    const struct hst_tensor_table *table = model->files[place->header].table;
    for (size_t i = 0; i < table->external_count; i++)
        HST_TRY(add(model, place, &table->externals[i], err));
    return HST_OK;
}

int hst_externals_open(struct hst_model *model, uint32_t file, int dir_fd, const char *path, struct hst_error *err)
{
    if (model->files[file].table->external_count == 0) return HST_OK;
    HST_AUTO(hst_freep) char *folder = folder_of(model->files[file].path);
    HST_AUTO(hst_freep) char *below = folder_of(path);
    if (folder == NULL || below == NULL) return hst_error_nomem(err);
    if (dir_fd >= 0) return add_all(model, &(struct place){dir_fd, below, folder, file}, err);
    HST_AUTO(hst_closep) int opened = hst_folder_open(folder[0] != '\0' ? folder : ".", err);
    return opened < 0 ? opened : add_all(model, &(struct place){opened, "", folder, file}, err);
}

/* ---- checksums ---- */

static int digest(int fd, uint64_t size_bytes, EVP_MD_CTX *hash, uint8_t *chunk, struct hst_error *err)
{
    for (uint64_t at = 0; at < size_bytes; at += CHUNK) {
        size_t length = (size_t)hst_min_u64(CHUNK, size_bytes - at);
        HST_TRY(hst_file_read_at(fd, at, chunk, length, err));
        if (EVP_DigestUpdate(hash, chunk, length) != 1) return hst_error_nomem(err);
    }
    return HST_OK;
}

static void free_hash(EVP_MD_CTX **hash)
{
    EVP_MD_CTX_free(*hash);
}

/* The SHA-1 of the file as text. */
static int hash_file(const struct hst_model_file *file, char out[2 * SHA1_BYTES + 1], struct hst_error *err)
{
    struct hst_file_id id;
    uint8_t raw[SHA1_BYTES];
    HST_AUTO(free_hash) EVP_MD_CTX *hash = EVP_MD_CTX_new();
    HST_AUTO(hst_freep) uint8_t *chunk = malloc(CHUNK);
    if (hash == NULL || chunk == NULL || EVP_DigestInit_ex(hash, EVP_sha1(), NULL) != 1) return hst_error_nomem(err);
    HST_AUTO(hst_closep) int fd = hst_reread_open(file, err);
    if (fd < 0) return fd;
    HST_TRY(digest(fd, file->id.size_bytes, hash, chunk, err));
    if (EVP_DigestFinal_ex(hash, raw, NULL) != 1) return hst_error_nomem(err);
    HST_TRY(hst_file_identify(fd, &id, err));
    if (!hst_file_id_equal(&id, &file->id)) return hst_error_set(err, HST_E_FILE_CHANGED, "%s changed while it was verified", file->path);
    hst_hex(raw, sizeof raw, out);
    return HST_OK;
}

int hst_externals_verify(const struct hst_model *model, struct hst_error *err)
{
    char found[2 * SHA1_BYTES + 1];
    for (size_t i = 0; i < model->file_count; i++) {
        const struct hst_model_file *file = &model->files[i];
        if (file->sha1 == NULL) continue;
        HST_TRY(hash_file(file, found, err));
        if (strcmp(found, file->sha1) != 0)
            return hst_error_set(err, HST_E_INVALID_FILE, "checksum: the SHA-1 of '%.64s' is %s, not %s", hst_path_name(file->path), found, file->sha1);
    }
    return HST_OK;
}
