#include "catalog/metadata_collect.h"

#include "base/cleanup.h"
#include "catalog/limits.h"
#include "model/parser.h"
#include "catalog/sidecar.h"
#include "os/folder.h"

#include <stdio.h>
#include <string.h>

/* The key with the name of its tool before it. */
static int hint(struct hst_model *model, const struct hst_metadata_entry *entry, struct hst_error *err)
{
    char key[512];
    bool short_enough = entry->value != NULL && strlen(entry->value) <= HST_METADATA_HINT_MAX;
    int length = snprintf(key, sizeof key, "%s.%s", hst_metadata_source_name(entry->source), entry->key);
    if (!short_enough || length >= (int)sizeof key) return HST_OK;
    return hst_draft_hint(model, entry->source == HST_METADATA_USER ? HST_HINT_USER : HST_HINT_SIDECAR, key, entry->value, err);
}

static int give_hints(struct hst_model *model, struct hst_error *err)
{
    for (size_t i = 0; i < model->metadata.count; i++)
        HST_TRY(hint(model, &model->metadata.entries[i], err));
    return HST_OK;
}

int hst_metadata_collect_user(struct hst_model *model, const struct hst_override_list *said, struct hst_error *err)
{
    if (said != NULL) HST_TRY(hst_override_words(said, &model->metadata, err));
    return give_hints(model, err);
}

int hst_metadata_collect(struct hst_model *model, bool is_folder, const struct hst_override_list *said, struct hst_error *err)
{
    if (said != NULL) HST_TRY(hst_override_words(said, &model->metadata, err));
    HST_TRY(hst_sidecar_read(model->path, is_folder ? NULL : model->name, &model->metadata, err));
    return give_hints(model, err);
}

int hst_metadata_collect_files(struct hst_model *model, struct hst_error *err)
{
    HST_AUTO(hst_map_fini) struct hst_map seen = {0};
    for (size_t i = 0; i < model->file_count; i++)
        if (model->files[i].table != NULL) HST_TRY(hst_metadata_add_table(&model->metadata, model->files[i].table, &seen, err));
    return HST_OK;
}

/* Tables of the files, which must live until every key was seen. */
struct tables {
    struct hst_tensor_table **all;
    size_t count;
};

static void free_tables(struct tables *tables)
{
    for (size_t i = 0; i < tables->count; i++)
        hst_tensor_table_free(tables->all[i]);
    free(tables->all);
}

static int parse_again(const char *path, struct hst_tensor_table **ret_table, struct hst_error *err)
{
    const struct hst_format *format;
    struct hst_file_id id;
    HST_AUTO(hst_closep) int fd = hst_file_open(path, &id, err);
    if (fd < 0) return fd;
    return hst_parser_parse(fd, id.size_bytes, &format, ret_table, err);
}

/* A file that cannot be read now is a warning, too: the others still speak. */
static int hear_file_again(const char *path, struct tables *tables, struct hst_map *seen, struct hst_metadata_list *list, struct hst_error *err)
{
    struct hst_error why = {0};
    int status = parse_again(path, &tables->all[tables->count], &why);
    if (status < 0) return status == HST_E_NOMEM ? hst_error_nomem(err) : hst_metadata_warn(list, why.text, err);
    return hst_metadata_add_table(list, tables->all[tables->count++], seen, err);
}

int hst_metadata_collect_again(const struct hst_model *model, bool headers, const struct hst_override_list *said, struct hst_metadata_list *list, struct hst_error *err)
{
    HST_AUTO(hst_map_fini) struct hst_map seen = {0};
    HST_AUTO(free_tables) struct tables tables = {.all = calloc(model->file_count + 1, sizeof(struct hst_tensor_table *))};
    if (tables.all == NULL) return hst_error_nomem(err);
    HST_TRY(hst_override_words(said, list, err));
    HST_TRY(hst_sidecar_read(model->path, hst_folder_exists(model->path) ? NULL : model->name, list, err));
    for (size_t i = 0; headers && i < model->file_count; i++)
        if (model->files[i].header == i) HST_TRY(hear_file_again(model->files[i].path, &tables, &seen, list, err));
    return HST_OK;
}
