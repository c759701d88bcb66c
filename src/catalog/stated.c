#include "catalog/stated.h"

#include "base/cleanup.h"
#include "os/folder.h"

#include <ctype.h>
#include <string.h>

/* Keys of metadata that state a SHA-256 of what follows the header. */
static const char *const keys[] = {"modelspec.hash_sha256", "sshs_model_hash"};
enum { KEYS = sizeof keys / sizeof keys[0] };

/* "0xABC..." or "abc..." of a SHA-256 into lower case. @return is it one? */
static bool read_digits(const char *text, char out[HST_STATED_DIGITS + 1])
{
    if (strncmp(text, "0x", 2) == 0) text += 2;
    if (strlen(text) != HST_STATED_DIGITS) return false;
    for (size_t i = 0; i < HST_STATED_DIGITS; i++) {
        if (!isxdigit((unsigned char)text[i])) return false;
        out[i] = (char)tolower((unsigned char)text[i]);
    }
    out[HST_STATED_DIGITS] = '\0';
    return true;
}

/* ".../blobs/SHA256" is where Hugging Face keeps large files; the name of a small one is shorter. */
static bool read_blob_name(const char *path, char out[HST_STATED_DIGITS + 1])
{
    HST_AUTO(hst_freep) char *real = hst_folder_real_path(path);
    char *slash = real != NULL ? strrchr(real, '/') : NULL;
    if (slash == NULL || !read_digits(slash + 1, out)) return false;
    *slash = '\0';
    const char *folder = strrchr(real, '/');
    return folder != NULL && strcmp(folder, "/blobs") == 0;
}

static void collect_file(const struct hst_model *model, uint32_t file, struct hst_stated *list, size_t *count)
{
    const struct hst_tensor_table *table = model->files[file].table;
    for (size_t i = 0; table != NULL && i < KEYS; i++) {
        const char *text = hst_tensor_table_metadata(table, keys[i]);
        struct hst_stated stated = {.where = keys[i], .file = file, .of_tensors = true};
        if (text != NULL && read_digits(text, stated.stated)) list[(*count)++] = stated;
    }
    struct hst_stated blob = {.where = "name of the blob", .file = file};
    if (read_blob_name(model->files[file].path, blob.stated)) list[(*count)++] = blob;
}

int hst_stated_collect(const struct hst_model *model, struct hst_stated **ret_list, size_t *ret_count, struct hst_error *err)
{
    struct hst_stated *list = calloc(model->file_count * (KEYS + 1) + 1, sizeof *list);
    if (list == NULL) return hst_error_nomem(err);
    *ret_count = 0;
    for (uint32_t i = 0; i < model->file_count; i++)
        collect_file(model, i, list, ret_count);
    *ret_list = list;
    return HST_OK;
}

bool hst_stated_agrees(const struct hst_stated *stated)
{
    return strcmp(stated->stated, stated->found) == 0;
}
