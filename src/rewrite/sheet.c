#include "rewrite/sheet.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "formats/json_edit.h"
#include "formats/limits.h"
#include "formats/safetensors.h"

#include <endian.h>
#include <string.h>

enum { LENGTH_BYTES = 8 };

/* The component that owns the tensors of a run, or NULL. */
static const struct hst_component *owner_of(const struct hst_model *model, const struct hst_tensor_run *run)
{
    return run->component == HST_NO_COMPONENT ? NULL : &model->components[run->component];
}

static bool takes(const struct hst_sheet_wish *wish, const struct hst_tensor_run *run)
{
    return wish->taken == NULL || (run->component != HST_NO_COMPONENT && wish->taken[run->component]);
}

static size_t count_tensors(const struct hst_sheet_wish *wish)
{
    size_t count = 0;
    for (size_t i = 0; i < wish->model->file_count; i++)
        for (size_t j = 0; j < wish->model->files[i].run_count; j++)
            count += takes(wish, &wish->model->files[i].runs[j]) ? wish->model->files[i].runs[j].count : 0;
    return count;
}

static int make_row(const struct hst_sheet_wish *wish, const struct hst_component *component, const struct hst_tensor *tensor, struct hst_sheet_row *row, struct hst_error *err)
{
    struct hst_convert_wish rule = {.dtype = wish->dtype, .role = component != NULL ? component->role : NULL, .named = wish->taken != NULL, .scaled = wish->model->storage != NULL,
                                    .level = wish->level, .device = {.has_bf16 = true, .has_fp8 = true}};
    row->tensor = tensor;
    row->choice = hst_convert_choose(&rule, &(struct hst_convert_tensor){tensor->name, tensor->dtype, tensor->rank});
    const char *name = hst_dtype_info(row->choice.dtype)->name;
    if (hst_dtype_parse(name, strlen(name)) == 0) return hst_error_set(err, HST_E_INCOMPATIBLE, "a safetensors file cannot hold %s, which is %s", tensor->name, name);
    row->size_bytes = tensor->size_bytes;
    bool fits = row->choice.dtype == tensor->dtype || hst_dtype_bytes(row->choice.dtype, tensor->elements, &row->size_bytes);
    return fits ? HST_OK : hst_error_set(err, HST_E_LIMIT_EXCEEDED, "%s is too large", tensor->name);
}

/* The tensors of a file that are taken. */
static int add_file(const struct hst_sheet_wish *wish, uint32_t index, struct hst_sheet *sheet, struct hst_error *err)
{
    const struct hst_model_file *file = &wish->model->files[index];
    size_t at = 0;
    for (size_t i = 0; i < file->run_count; at += file->runs[i++].count) {
        if (!takes(wish, &file->runs[i])) continue;
        if (!file->raw) return hst_error_set(err, HST_E_INCOMPATIBLE, "the weights of %s do not lie in it as in memory", file->path);
        for (size_t j = at; j < at + file->runs[i].count; j++) {
            sheet->rows[sheet->count].file = index;
            HST_TRY(make_row(wish, owner_of(wish->model, &file->runs[i]), &file->table->tensors[j], &sheet->rows[sheet->count++], err));
        }
    }
    return HST_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct hst_sheet_row *one = a, *other = b;
    if (one->choice.dtype != other->choice.dtype) return one->choice.dtype > other->choice.dtype ? -1 : 1;
    return strcmp(one->tensor->name, other->tensor->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_names(const struct hst_sheet *sheet, struct hst_error *err)
{
    HST_AUTO(hst_freep) const char **names = calloc(sheet->count + 1, sizeof *names);
    if (names == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < sheet->count; i++)
        names[i] = sheet->rows[i].tensor->name;
    qsort(names, sheet->count, sizeof *names, by_name);
    for (size_t i = 1; i < sheet->count; i++)
        if (strcmp(names[i - 1], names[i]) == 0) return hst_error_set(err, HST_E_INCOMPATIBLE, "two tensors are called %s: convert one component at a time", names[i]);
    return HST_OK;
}

/* Components that lie in folders of their own are read by programs that look for them there. */
static int check_folder(const struct hst_sheet_wish *wish, struct hst_error *err)
{
    size_t taken = 0;
    for (size_t i = 0; i < wish->model->component_count; i++)
        taken += wish->taken == NULL || wish->taken[i];
    if (taken < 2 || strcmp(wish->model->path, wish->model->files[0].path) == 0) return HST_OK;
    return hst_error_set(err, HST_E_INCOMPATIBLE, "%s is a folder of components: convert one component at a time", wish->model->path);
}

static int place(struct hst_sheet *sheet, struct hst_error *err)
{
    qsort(sheet->rows, sheet->count, sizeof sheet->rows[0], by_place);
    for (size_t i = 0; i < sheet->count; i++) {
        sheet->rows[i].offset = sheet->data_bytes;
        if (!hst_checked_add(sheet->data_bytes, sheet->rows[i].size_bytes, &sheet->data_bytes) || sheet->data_bytes > INT64_MAX)
            return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "the file would be too large");
        sheet->source_bytes += sheet->rows[i].tensor->size_bytes;
    }
    return HST_OK;
}

int hst_sheet_make(const struct hst_sheet_wish *wish, struct hst_sheet *ret_sheet, struct hst_error *err)
{
    HST_AUTO(hst_sheet_fini) struct hst_sheet sheet = {0};
    HST_TRY(check_folder(wish, err));
    sheet.rows = calloc(count_tensors(wish) + 1, sizeof *sheet.rows);
    if (sheet.rows == NULL) return hst_error_nomem(err);
    for (uint32_t i = 0; i < wish->model->file_count; i++)
        HST_TRY(add_file(wish, i, &sheet, err));
    HST_TRY(check_names(&sheet, err));
    HST_TRY(place(&sheet, err));
    *ret_sheet = sheet;
    sheet.rows = NULL;
    return HST_OK;
}

/* Is the key to be written as the old file has it? */
static bool is_kept(const char *key, const struct hst_sheet_word *words, size_t count)
{
    static const char *const hashes[] = {"modelspec.hash_sha256", "sshs_model_hash", "sshs_legacy_hash"};
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++)
        if (strcmp(hashes[i], key) == 0) return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i].key, key) == 0) return false;
    return true;
}

static void put_word(struct hst_strbuf *out, const char *key, const char *value)
{
    hst_strbuf_puts(out, out->text[out->length - 1] == '{' ? "" : ",");
    hst_json_edit_quote(out, key);
    hst_strbuf_puts(out, ":");
    hst_json_edit_quote(out, value);
}

/* Behind at least a "{": a failed buffer has no text to look at. */
static void put_words(struct hst_strbuf *out, const struct hst_tensor_table *table, const struct hst_sheet_word *words, size_t count)
{
    bool ours = table != NULL && strcmp(table->format, hst_safetensors_format.name) == 0;
    for (size_t i = 0; i < count && hst_strbuf_ok(out); i++)
        put_word(out, words[i].key, words[i].value);
    for (size_t i = 0; ours && i < table->metadata_count && hst_strbuf_ok(out); i++)
        if (is_kept(table->metadata[i].key, words, count)) put_word(out, table->metadata[i].key, table->metadata[i].value);
}

static void put_row(struct hst_strbuf *out, const struct hst_sheet_row *row)
{
    hst_strbuf_puts(out, ",");
    hst_json_edit_quote(out, row->tensor->name);
    hst_strbuf_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", hst_dtype_info(row->choice.dtype)->name);
    for (uint32_t i = 0; i < row->tensor->rank; i++)
        hst_strbuf_printf(out, i == 0 ? "%llu" : ",%llu", (unsigned long long)row->tensor->shape[i]);
    hst_strbuf_printf(out, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)row->offset, (unsigned long long)(row->offset + row->size_bytes));
}

int hst_sheet_head(const struct hst_sheet *sheet, const struct hst_model *model, const struct hst_sheet_word *words, size_t word_count, struct hst_strbuf *out, struct hst_error *err)
{
    uint64_t length = 0;
    hst_strbuf_append(out, &length, sizeof length);
    hst_strbuf_puts(out, "{\"__metadata__\":{");
    put_words(out, model->files[0].table, words, word_count);
    hst_strbuf_puts(out, "}");
    for (size_t i = 0; i < sheet->count; i++)
        put_row(out, &sheet->rows[i]);
    hst_strbuf_puts(out, "}");
    while (hst_strbuf_ok(out) && out->length % LENGTH_BYTES != 0)
        hst_strbuf_puts(out, " ");
    if (!hst_strbuf_ok(out)) return hst_error_nomem(err);
    length = htole64(out->length - LENGTH_BYTES);
    if (out->length - LENGTH_BYTES > HST_SAFETENSORS_HEADER_MAX) return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "the header would be longer than a header may be");
    memcpy(out->text, &length, sizeof length);
    return HST_OK;
}

void hst_sheet_fini(struct hst_sheet *sheet)
{
    free(sheet->rows);
    sheet->rows = NULL;
}
