#include "model/draft.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "model/extents.h"
#include "model/externals.h"
#include "model/hub.h"
#include "model/layout.h"
#include "model/limits.h"
#include "model/parser.h"
#include "model/parts.h"
#include "model/slug.h"
#include "model/suffix.h"
#include "os/hold.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int hst_draft_text(char **member, const char *text, struct hst_error *err)
{
    char *copy = text != NULL ? strdup(text) : NULL;
    if (text != NULL && copy == NULL) return hst_error_nomem(err);
    free(*member);
    *member = copy;
    return HST_OK;
}

/* "some.model.safetensors" -> "some.model"; a folder keeps its whole name. */
void hst_draft_name(const char *path, char *out, size_t size)
{
    const char *base = hst_path_name(path);
    struct hst_parts parts;
    snprintf(out, size, "%s", base);
    const struct hst_suffix *suffix = hst_suffix_of(out);
    if (suffix != NULL) out[strlen(out) - strlen(suffix->text)] = '\0';
    if (hst_parts_of(base, &parts) && parts.at <= strlen(out)) out[parts.at - 1] = '\0'; /* the name of the whole */
}

static int set_texts(struct hst_model *model, const char *path, const char *format, struct hst_error *err)
{
    char name[256], slug[HST_SLUG_MAX + 1];
    struct hst_hub hub;
    const char *repository = hst_hub_name(path, &hub);
    hst_draft_name(path, name, sizeof name);
    if (repository != NULL) snprintf(name, sizeof name, "%s", repository);
    hst_slug_make(name, slug);
    HST_TRY(hst_draft_text(&model->path, path, err));
    HST_TRY(hst_draft_text(&model->name, name, err));
    HST_TRY(hst_draft_text(&model->id, slug, err));
    HST_TRY(hst_draft_text(&model->format, format, err));
    return hst_draft_text(&model->type, "other", err);
}

int hst_draft_new(const char *path, const char *format, struct hst_model **ret_model, struct hst_error *err)
{
    struct hst_model *model = calloc(1, sizeof *model);
    if (model == NULL) return hst_error_nomem(err);
    model->refs = 1;
    model->generation = 1;
    hst_metadata_init(&model->metadata, HST_METADATA_VALUE_MAX, HST_METADATA_MODEL_MAX);
    int status = set_texts(model, path, format, err);
    if (status < 0)
        hst_model_unref(model);
    else
        *ret_model = model;
    return status;
}

/* One more entry of `size` bytes in *array; doubling at powers of two. */
static int grow(void *array_pointer, size_t count, size_t size, struct hst_error *err)
{
    void **array = array_pointer;
    if (count > 0 && (count & (count - 1)) != 0) return HST_OK;
    void *grown = realloc(*array, (count ? count * 2 : 1) * size);
    if (grown == NULL) return hst_error_nomem(err);
    *array = grown;
    return HST_OK;
}

static int add_text(char ***texts, size_t *count, const char *text, struct hst_error *err)
{
    HST_TRY(grow(texts, *count, sizeof **texts, err));
    (*texts)[*count] = NULL;
    HST_TRY(hst_draft_text(&(*texts)[*count], text, err));
    ++*count;
    return HST_OK;
}

int hst_draft_evidence(struct hst_model *model, struct hst_error *err, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return add_text(&model->verdict.evidence, &model->verdict.evidence_count, text, err);
}

int hst_draft_warning(struct hst_model *model, struct hst_error *err, const char *format, ...)
{
    struct hst_error text = {0};
    char raw[HST_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    hst_error_set(&text, HST_E_INVALID_FILE, "%s", raw); /* as safe to show as a problem's text */
    return add_text(&model->warnings, &model->warning_count, text.text, err);
}

int hst_draft_needs_hint(struct hst_model *model, const char *hint, struct hst_error *err)
{
    return add_text(&model->verdict.needs_hint, &model->verdict.needs_hint_count, hint, err);
}

int hst_draft_hint(struct hst_model *model, enum hst_hint_source source, const char *key, const char *value, struct hst_error *err)
{
    HST_TRY(grow(&model->hints, model->hint_count, sizeof *model->hints, err));
    struct hst_hint *hint = &model->hints[model->hint_count++];
    *hint = (struct hst_hint){.source = source};
    HST_TRY(hst_draft_text(&hint->key, key, err));
    return hst_draft_text(&hint->value, value, err);
}

/* Parse the open file and check that it did not change meanwhile. */
static int parse(int fd, struct hst_model_file *file, struct hst_error *err)
{
    const struct hst_format *format;
    struct hst_file_id after;
    HST_TRY(hst_parser_parse(fd, file->id.size_bytes, &format, &file->table, err));
    file->raw = format->raw;
    file->fstype = hst_fstype_of(fd);
    HST_TRY(hst_file_identify(fd, &after, err));
    if (!hst_file_id_equal(&after, &file->id)) return hst_error_set(err, HST_E_FILE_CHANGED, "%s is being written", file->path);
    return HST_OK;
}

int hst_draft_add_file(struct hst_model *model, const char *path, struct hst_model_file **ret_file, struct hst_error *err)
{
    HST_TRY(grow(&model->files, model->file_count, sizeof *model->files, err));
    struct hst_model_file *file = &model->files[model->file_count];
    *file = (struct hst_model_file){.header = (uint32_t)model->file_count};
    HST_TRY(hst_draft_text(&file->path, path, err));
    model->file_count++;
    *ret_file = file;
    return HST_OK;
}

/* The suffix is no evidence, but one that says something else than the content is worth a word; and a pickle in the disguise of a format that
 * cannot carry code is refused. */
static int check_suffix(struct hst_model *model, const struct hst_model_file *file, struct hst_error *err)
{
    const struct hst_suffix *suffix = hst_suffix_of(file->path);
    const char *format = file->table->format;
    if (suffix == NULL || strcmp(suffix->format, format) == 0) return HST_OK;
    if (strcmp(format, "torch") == 0) return hst_error_set(err, HST_E_INVALID_FILE, "suffix: it is a pickle of PyTorch under a name that ends in %s: rename it", suffix->text);
    return hst_draft_warning(model, err, "suffix: it is a %s file under a name that ends in %s", format, suffix->text);
}

static int take_warnings(struct hst_model *model, const struct hst_model_file *file, struct hst_error *err)
{
    for (size_t i = 0; i < file->table->warning_count; i++)
        HST_TRY(hst_draft_warning(model, err, "%s", file->table->warnings[i]));
    return check_suffix(model, file, err);
}

int hst_draft_file(struct hst_model *model, int dir_fd, const char *folder, const char *path, uint32_t *ret_file, struct hst_error *err)
{
    char full[4096];
    struct hst_model_file *file;
    snprintf(full, sizeof full, "%s%s%s", dir_fd >= 0 ? folder : "", dir_fd >= 0 ? "/" : "", path);
    HST_TRY(hst_draft_add_file(model, full, &file, err));
    HST_AUTO(hst_closep) int fd = dir_fd >= 0 ? hst_file_open_beneath(dir_fd, path, &file->id, err) : hst_file_open(path, &file->id, err);
    if (fd < 0) return fd;
    *ret_file = file->header;
    HST_TRY(parse(fd, file, err));
    HST_TRY(take_warnings(model, file, err));
    return hst_externals_open(model, *ret_file, dir_fd, path, err);
}

int hst_draft_reread(const struct hst_model_file *file, int fd, struct hst_tensor_table **ret_table, struct hst_error *err)
{
    struct hst_model_file again = {.path = file->path, .id = file->id};
    int status = parse(fd, &again, err);
    if (status < 0)
        hst_tensor_table_free(again.table);
    else
        *ret_table = again.table;
    return status;
}

int hst_draft_component(struct hst_model *model, const char *role, struct hst_component **ret_component, struct hst_error *err)
{
    struct hst_component *component = hst_model_component(model, role);
    if (component == NULL) {
        HST_TRY(grow(&model->components, model->component_count, sizeof *model->components, err));
        component = &model->components[model->component_count];
        *component = (struct hst_component){0};
        HST_TRY(hst_draft_text(&component->role, role, err));
        model->component_count++;
    }
    *ret_component = component;
    return HST_OK;
}

int hst_draft_tensor(struct hst_component *component, uint32_t file, const struct hst_tensor *tensor, struct hst_error *err)
{
    HST_TRY(grow(&component->tensors, component->tensor_count, sizeof *component->tensors, err));
    component->tensors[component->tensor_count++] = (struct hst_component_tensor){file, tensor};
    component->size_bytes += tensor->size_bytes;
    component->parameters += tensor->elements;
    return HST_OK;
}

int hst_draft_whole_file(struct hst_model *model, uint32_t file, const char *role, struct hst_error *err)
{
    struct hst_component *component;
    HST_TRY(hst_draft_component(model, role, &component, err));
    for (uint32_t i = file; i < model->file_count && model->files[i].header == file; i++)
        for (size_t j = 0; j < model->files[i].table->count; j++)
            HST_TRY(hst_draft_tensor(component, i, &model->files[i].table->tensors[j], err));
    return HST_OK;
}

/* Tensors by element type. */
struct census {
    struct hst_component_dtype rows[HST_DTYPE_ROWS];
    uint64_t total; /* bytes */
    size_t kinds;   /* rows that have tensors */
};

static void count_types(struct census *census, const struct hst_component *component)
{
    for (size_t i = 0; i < component->tensor_count; i++) {
        const struct hst_tensor *tensor = component->tensors[i].tensor;
        struct hst_component_dtype *row = &census->rows[hst_dtype_row(tensor->dtype)];
        census->kinds += row->tensor_count++ == 0;
        row->dtype = tensor->dtype;
        row->elements += tensor->elements;
        row->size_bytes += tensor->size_bytes;
        census->total += tensor->size_bytes;
    }
}

/* The type of at least nine tenths of the bytes; "mixed" without one, NULL without bytes. */
static const char *name_precision(const struct census *census)
{
    for (size_t row = 0; row < HST_DTYPE_ROWS; row++)
        if (census->total > 0 && census->rows[row].size_bytes >= census->total - census->total / 10) return hst_dtype_at(row)->precision;
    return census->total > 0 ? "mixed" : NULL;
}

/* Numbers that only a packer wrote are called by what it calls them. */
static const char *name_packed(const struct hst_model *model, const char *precision)
{
    static const char *const carriers[] = {"uint8", "int8", "int32", "mixed"};
    for (size_t i = 0; model->storage != NULL && precision != NULL && i < sizeof carriers / sizeof carriers[0]; i++)
        if (strcmp(precision, carriers[i]) == 0) return model->storage;
    return precision;
}

static int keep_types(struct hst_component *component, const struct census *census, struct hst_error *err)
{
    free(component->dtypes);
    component->dtype_count = 0;
    component->dtypes = calloc(census->kinds + 1, sizeof *component->dtypes);
    if (component->dtypes == NULL) return hst_error_nomem(err);
    for (size_t row = 0; row < HST_DTYPE_ROWS; row++)
        if (census->rows[row].tensor_count > 0) component->dtypes[component->dtype_count++] = census->rows[row];
    return HST_OK;
}

static int sum_up_component(struct hst_model *model, struct hst_component *component, struct hst_error *err)
{
    struct census census = {0};
    count_types(&census, component);
    component->model = model;
    component->precision = name_packed(model, name_precision(&census));
    component->ram_bytes = hst_extents_cost(component, hst_hold_page_size());
    model->parameters += component->parameters;
    return keep_types(component, &census, err);
}

static int sum_up(struct hst_model *model, struct hst_error *err)
{
    struct census whole = {0};
    model->parameters = 0;
    for (size_t i = 0; i < model->component_count; i++) {
        HST_TRY(sum_up_component(model, &model->components[i], err));
        count_types(&whole, &model->components[i]);
    }
    model->precision = name_packed(model, name_precision(&whole));
    model->size_bytes = 0;
    for (size_t i = 0; i < model->file_count; i++)
        model->size_bytes += model->files[i].id.size_bytes;
    return HST_OK;
}

int hst_draft_set_id(struct hst_model *model, const char *id, struct hst_error *err)
{
    HST_TRY(hst_draft_text(&model->id, id, err));
    for (size_t i = 0; i < model->component_count; i++) {
        char component_id[512];
        snprintf(component_id, sizeof component_id, "%s:%s", id, model->components[i].role);
        HST_TRY(hst_draft_text(&model->components[i].id, component_id, err));
    }
    return HST_OK;
}

int hst_draft_finish(struct hst_model *model, struct hst_error *err)
{
    HST_AUTO(hst_freep) char *id = strdup(model->id);
    if (id == NULL) return hst_error_nomem(err);
    HST_TRY(sum_up(model, err));
    HST_TRY(hst_layout_record(model, err));
    for (size_t i = 0; i < model->component_count; i++)
        model->components[i].interface = hst_interface_of(&model->components[i]);
    return hst_draft_set_id(model, id, err);
}

void hst_draft_invalid(struct hst_model *model, const struct hst_error *why)
{
    model->state = why->status == HST_E_UNSAFE_FILE ? HST_MODEL_UNSAFE : HST_MODEL_INVALID;
    model->problem = *why;
}
