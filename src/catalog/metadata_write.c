#include "catalog/metadata_write.h"

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "catalog/sidecar.h"
#include "formats/json_edit.h"
#include "formats/limits.h"
#include "formats/retag.h"
#include "formats/safetensors.h"

#include <endian.h>
#include <string.h>

enum { LENGTH_BYTES = 8 };

/* The text of a sidecar; an empty one when there is none. */
static int read_sidecar(const char *path, struct hst_strbuf *out, struct hst_error *err)
{
    struct hst_file_id id;
    struct hst_error why = {0};
    HST_AUTO(hst_closep) int fd = hst_file_open(path, &id, &why);
    if (fd == HST_E_FILE_MISSING) return HST_OK;
    if (fd < 0) return hst_error_set(err, fd, "%s", why.text);
    if (id.size_bytes > HST_SIDECAR_MAX) return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "%s is too long to be a sidecar", path);
    HST_AUTO(hst_freep) char *bytes = NULL;
    HST_TRY(hst_file_slurp(fd, 0, id.size_bytes, &bytes, err));
    hst_strbuf_append(out, bytes, id.size_bytes);
    return hst_strbuf_ok(out) ? HST_OK : hst_error_nomem(err);
}

/* The first member of a new sidecar; those that follow are written in its manner. */
static void begin(struct hst_strbuf *text, const char *key, const char *value)
{
    hst_strbuf_puts(text, "{\n    ");
    hst_json_edit_quote(text, key);
    hst_strbuf_puts(text, ": ");
    hst_json_edit_quote(text, value);
    hst_strbuf_puts(text, "\n}\n");
}

/* Set one member of the text; JSON strings only, as ModelSpec wants it. */
static int set(struct hst_strbuf *text, const struct hst_override *word, struct hst_error *err)
{
    if (text->length > 0) return hst_json_edit_text(text, word->key, word->value, err);
    if (word->value != NULL) begin(text, word->key, word->value);
    return hst_strbuf_ok(text) ? HST_OK : hst_error_nomem(err);
}

static int set_all(struct hst_strbuf *text, const char *path, const struct hst_override_list *words, struct hst_error *err)
{
    struct hst_error why = {0};
    for (size_t i = 0; i < words->count; i++) {
        int status = set(text, &words->items[i], &why);
        if (status < 0) return hst_error_set(err, status, "%s is not changed: %s", path, why.text);
    }
    return HST_OK;
}

static int replace_whole(const char *path, const char *like, const struct hst_strbuf *text, struct hst_error *err)
{
    HST_AUTO(hst_replace_fini) struct hst_replace replace = {0};
    HST_TRY(hst_replace_begin(&replace, path, like, err));
    HST_TRY(hst_file_write_all(replace.fd, text->text, text->length, err));
    return hst_replace_commit(&replace, err);
}

int hst_metadata_write_sidecar(const struct hst_model *model, bool is_folder, const struct hst_override_list *words, struct hst_error *err)
{
    char path[HST_WALK_PATH_MAX];
    HST_AUTO(hst_strbuf_fini) struct hst_strbuf text = {0};
    if (!hst_sidecar_own(model->path, is_folder ? NULL : model->name, path)) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "the path is too long");
    HST_TRY(read_sidecar(path, &text, err));
    HST_TRY(set_all(&text, path, words, err));
    return text.length > 0 ? replace_whole(path, model->path, &text, err) : HST_OK;
}

/* The words about which the sidecar has something to say. */
static int keep_present(const struct hst_strbuf *text, const struct hst_override_list *words, struct hst_override_list *ret_present, struct hst_error *err)
{
    for (size_t i = 0; i < words->count; i++) {
        struct hst_json_span span;
        HST_TRY(hst_json_edit_find(text->text, text->length, words->items[i].key, &span, err));
        if (span.end > span.begin) HST_TRY(hst_override_set(ret_present, words->items[i].key, words->items[i].value, err));
    }
    return HST_OK;
}

int hst_metadata_write_sidecar_follow(const struct hst_model *model, bool is_folder, const struct hst_override_list *words, struct hst_error *err)
{
    char path[HST_WALK_PATH_MAX];
    HST_AUTO(hst_strbuf_fini) struct hst_strbuf text = {0};
    HST_AUTO(hst_override_fini) struct hst_override_list present = {0};
    if (!hst_sidecar_own(model->path, is_folder ? NULL : model->name, path)) return HST_OK;
    HST_TRY(read_sidecar(path, &text, err));
    if (text.length > 0) HST_TRY(keep_present(&text, words, &present, err));
    return present.count > 0 ? hst_metadata_write_sidecar(model, is_folder, &present, err) : HST_OK;
}

int hst_metadata_write_can_header(const struct hst_model *model, struct hst_error *err)
{
    bool one = model->file_count == 1 && model->state == HST_MODEL_OK && strcmp(model->files[0].path, model->path) == 0;
    if (one && strcmp(model->format, hst_safetensors_format.name) == 0) return HST_OK;
    return hst_error_set(err, HST_E_INCOMPATIBLE, "only the header of a single sound safetensors file can be written; the target \"sidecar\" is for every model");
}

/* The header as it stands, checked against the file once more: it may have changed since it was parsed. */
static int read_header(int fd, const struct hst_file_id *id, char **ret_header, uint64_t *ret_length, struct hst_error *err)
{
    uint64_t length;
    HST_TRY(hst_file_read_at(fd, 0, &length, LENGTH_BYTES, err));
    length = le64toh(length);
    if (length > HST_SAFETENSORS_HEADER_MAX || id->size_bytes < LENGTH_BYTES || length > id->size_bytes - LENGTH_BYTES)
        return hst_error_set(err, HST_E_INVALID_FILE, "the header does not fit into its file");
    *ret_length = length;
    return hst_file_slurp(fd, LENGTH_BYTES, length, ret_header, err);
}

static int make_head(const char *header, uint64_t length, const struct hst_override_list *words, struct hst_strbuf *out, struct hst_error *err)
{
    HST_AUTO(hst_freep) struct hst_retag_pair *pairs = calloc(words->count + 1, sizeof *pairs);
    if (pairs == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < words->count; i++)
        pairs[i] = (struct hst_retag_pair){words->items[i].key, words->items[i].value};
    return hst_retag_header(header, length, pairs, words->count, out, err);
}

static int check_unchanged(int fd, const struct hst_file_id *before, const char *path, struct hst_error *err)
{
    struct hst_file_id now;
    HST_TRY(hst_file_identify(fd, &now, err));
    return hst_file_id_equal(&now, before) ? HST_OK : hst_error_set(err, HST_E_FILE_CHANGED, "%s is being written by somebody else", path);
}

int hst_metadata_write_header(const struct hst_model *model, const struct hst_override_list *words, struct hst_metadata_write_leave leave, struct hst_error *err)
{
    const struct hst_model_file *file = &model->files[0];
    HST_AUTO(hst_replace_fini) struct hst_replace replace = {0};
    HST_AUTO(hst_strbuf_fini) struct hst_strbuf head = {0};
    HST_AUTO(hst_freep) char *header = NULL;
    struct hst_file_id id;
    uint64_t length = 0;
    HST_AUTO(hst_closep) int fd = hst_file_open(file->path, &id, err);
    if (fd < 0) return fd;
    HST_TRY(check_unchanged(fd, &file->id, file->path, err));
    HST_TRY(read_header(fd, &id, &header, &length, err));
    HST_TRY(make_head(header, length, words, &head, err));
    HST_TRY(hst_replace_begin(&replace, file->path, file->path, err));
    HST_TRY(hst_file_write_all(replace.fd, head.text, head.length, err));
    HST_TRY(hst_replace_add_from(&replace, fd, LENGTH_BYTES + length, id.size_bytes - LENGTH_BYTES - length, leave.go, leave.context, err));
    HST_TRY(check_unchanged(fd, &id, file->path, err));
    return hst_replace_commit(&replace, err);
}
