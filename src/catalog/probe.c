#include "catalog/probe.h"

#include "base/cleanup.h"
#include "catalog/catalog.h"
#include "model/externals.h"
#include "identify/families.h"
#include "identify/folders.h"
#include "model/hub.h"
#include "model/parts.h"
#include "model/pipeline.h"
#include "model/shards.h"
#include "catalog/split.h"
#include "catalog/metadata_collect.h"
#include "os/folder.h"

#include <string.h>

/* No two parts may hold a tensor of one name. */
static int check_names(const struct hst_model *model, struct hst_error *err)
{
    HST_AUTO(hst_map_fini) struct hst_map names = {0};
    for (size_t file = 0; model->file_count > 1 && file < model->file_count; file++) { /* within one file, its format has checked it */
        const struct hst_tensor_table *table = model->files[file].table;
        for (size_t i = 0; i < table->count; i++) {
            const char *name = table->tensors[i].name;
            if (hst_map_get_str(&names, name) != NULL) return hst_error_set(err, HST_E_INVALID_FILE, "set: two parts hold a tensor %.100s", name);
            if (hst_map_put_str(&names, name, &table->tensors[i]) < 0) return hst_error_nomem(err);
        }
    }
    return HST_OK;
}

/* Put every tensor of a file into its component. */
static int split_file(struct hst_model *model, uint32_t file, struct hst_error *err)
{
    const struct hst_tensor_table *table = model->files[file].table;
    const char *main_role = hst_families_main_role(model);
    for (size_t i = 0; i < table->count; i++) {
        struct hst_component *component;
        const char *name = table->tensors[i].name, *role = hst_families_role_of(model, name);
        HST_TRY(hst_draft_component(model, role != NULL ? role : main_role, &component, err));
        HST_TRY(hst_draft_tensor(component, file, &table->tensors[i], err));
    }
    return HST_OK;
}

static int split(struct hst_model *model, struct hst_error *err)
{
    HST_TRY(check_names(model, err));
    for (uint32_t file = 0; file < model->file_count; file++)
        HST_TRY(split_file(model, file, err));
    bool pipeline = model->component_count > 1 && strcmp(model->type, "diffusion_model") == 0;
    return pipeline ? hst_draft_text(&model->type, "checkpoint", err) : HST_OK;
}

static int judge(struct hst_model *model, uint32_t first_file, struct hst_error *err)
{
    HST_AUTO(hst_keys_fini) struct hst_keys keys = {0};
    for (size_t i = first_file; i < model->file_count; i++)
        HST_TRY(hst_keys_add(&keys, model->files[i].table, err));
    return hst_families_judge(model, &keys, model->files[first_file].table, err);
}

/* A file in huggingface_hub's cache is opened as one of its snapshot: its links may lead to the blobs of its repository, and nowhere else. */
static int open_file(struct hst_model *model, const char *path, uint32_t *ret_file, struct hst_error *err)
{
    struct hst_hub hub;
    if (!hst_hub_of(path, &hub)) return hst_draft_file(model, -1, NULL, path, ret_file, err);
    HST_AUTO(hst_freep) char *snapshot = strndup(path, hub.snapshot);
    if (snapshot == NULL) return hst_error_nomem(err);
    HST_AUTO(hst_closep) int dir_fd = hst_folder_open(snapshot, err);
    return dir_fd < 0 ? dir_fd : hst_draft_file(model, dir_fd, snapshot, hub.rest, ret_file, err);
}

/* The file, or every file of a model that lies in parts. */
static int open_parts(struct hst_model *model, const char *path, struct hst_error *err)
{
    struct hst_parts parts;
    uint32_t file;
    if (!hst_parts_of(path, &parts)) return open_file(model, path, &file, err);
    HST_AUTO(hst_freep) char *part = strdup(path);
    if (part == NULL) return hst_error_nomem(err);
    for (unsigned number = 1; number <= parts.count; number++) {
        hst_parts_name(path, &parts, number, part);
        int status = open_file(model, part, &file, err);
        if (status == HST_E_FILE_MISSING) return hst_error_set(err, HST_E_INCOMPLETE_MODEL, "set: part %u of %u is missing", number, parts.count);
        HST_TRY(status);
    }
    return HST_OK;
}

static int read_file(struct hst_model *model, const char *path, struct hst_error *err)
{
    HST_TRY(open_parts(model, path, err));
    HST_TRY(hst_split_check(model, err));
    HST_TRY(hst_draft_text(&model->format, model->files[0].table->format, err));
    int verdict = judge(model, 0, err);
    if (verdict < 0 && verdict != HST_E_INCOMPLETE_MODEL) return verdict;
    HST_TRY(split(model, err));
    return verdict;
}

/* What went wrong with the content makes an invalid model; what went wrong outside of it is an error. */
static bool is_verdict(int status)
{
    return strcmp(hst_status_info(status)->category, "format") == 0;
}

/* Make what reading the model gave a verdict on it, or an error. */
static int settle(struct hst_model *model, int status, const struct hst_error *why, struct hst_error *err)
{
    if (status < 0 && !is_verdict(status)) {
        if (err != NULL) *err = *why;
        return status;
    }
    if (status < 0) hst_draft_invalid(model, why);
    return HST_OK;
}

/* End a draft: `status` is what reading it gave. */
static int finish(struct hst_model *draft, int status, const struct hst_error *why, const struct hst_override_list *said, struct hst_model **ret_model, struct hst_error *err)
{
    HST_AUTO(hst_model_unrefp) struct hst_model *model = draft;
    HST_TRY(settle(model, status, why, err));
    if (said != NULL) HST_TRY(hst_override_apply(said, model, err));
    HST_TRY(hst_draft_finish(model, err));
    *ret_model = hst_steal(&model);
    return HST_OK;
}

bool hst_probe_is_model_folder(int dir_fd)
{
    if (hst_folder_has(dir_fd, "model_index.json")) return true;
    return hst_folder_has(dir_fd, "config.json") && hst_shards_has_weights(dir_fd);
}

/* A transformers model, or a component of diffusers alone: config.json beside weights. */
static int read_single(struct hst_model *model, int dir_fd, struct hst_error *err)
{
    struct hst_model_config config = {0};
    HST_TRY(hst_pipeline_read_config(dir_fd, "config.json", &config, err));
    int status = hst_draft_text(&model->format, config.class_name != NULL ? "diffusers" : "transformers", err);
    if (status == HST_OK) status = hst_shards_read(model, dir_fd, "", "weights", err);
    if (status == HST_OK) status = hst_pipeline_add_hints(model, &config, err);
    if (status == HST_OK) status = judge(model, 0, err);
    if (status == HST_OK) status = hst_pipeline_use_config(model, &config, err);
    if (status == HST_OK && model->component_count > 0)
        status = hst_draft_text(&model->components[0].role, hst_families_main_role(model), err);
    hst_model_config_fini(&config);
    return status;
}

static int read_pipeline(struct hst_model *model, int dir_fd, struct hst_error *err)
{
    uint32_t main_file;
    HST_TRY(hst_draft_text(&model->format, "diffusers", err));
    HST_TRY(hst_pipeline_read(model, dir_fd, &main_file, err));
    if (main_file < model->file_count) HST_TRY(judge(model, main_file, err));
    return hst_draft_text(&model->type, "checkpoint", err);
}

static int read_folder(struct hst_model *model, const char *path, struct hst_error *err)
{
    HST_AUTO(hst_closep) int dir_fd = hst_folder_open(path, err);
    if (dir_fd < 0) return dir_fd;
    if (hst_folder_has(dir_fd, "model_index.json")) return read_pipeline(model, dir_fd, err);
    if (hst_folder_has(dir_fd, "config.json")) return read_single(model, dir_fd, err);
    return hst_error_set(err, HST_E_UNKNOWN_FORMAT, "unknown: the folder is no model: it has neither model_index.json nor config.json");
}

/* Sidecars and headers of a broken file are heard, too: they say what it was. */
static int read_and_hear(struct hst_model *model, const char *path, const struct hst_probe_known *known, struct hst_error *err)
{
    HST_TRY(hst_folders_note(model, err));
    HST_TRY(known->alone ? hst_metadata_collect_user(model, known->said, err) : hst_metadata_collect(model, known->is_folder, known->said, err));
    int status = known->is_folder ? read_folder(model, path, err) : read_file(model, path, err);
    HST_TRY(hst_metadata_collect_files(model, status == HST_OK ? err : NULL));
    return status;
}

int hst_probe_known(const char *path, const struct hst_probe_known *known, struct hst_model **ret_model, struct hst_error *err)
{
    struct hst_model *model;
    struct hst_error why = {0};
    HST_TRY(hst_draft_new(path, known->is_folder ? "folder" : "unknown", &model, err));
    int status = read_and_hear(model, path, known, &why);
    return finish(model, status, &why, known->said, ret_model, err);
}

int hst_probe_file(const char *path, struct hst_model **ret_model, struct hst_error *err)
{
    return hst_probe_known(path, &(struct hst_probe_known){.is_folder = false}, ret_model, err);
}

int hst_probe_folder(const char *path, struct hst_model **ret_model, struct hst_error *err)
{
    return hst_probe_known(path, &(struct hst_probe_known){.is_folder = true}, ret_model, err);
}

/* What a scan leaves out, since it takes as long as reading the files. */
static int verify(struct hst_model *model, struct hst_error *err)
{
    struct hst_error why = {0};
    int status = model->state == HST_MODEL_OK ? hst_externals_verify(model, &why) : HST_OK;
    return settle(model, status, &why, err);
}

/* A download that asked for its room first and did not go on ends in a hole. */
static int look_for_hole(struct hst_model *model, const char *path, struct hst_error *err)
{
    struct hst_file_id id;
    HST_AUTO(hst_closep) int fd = hst_file_open(path, &id, NULL);
    uint64_t end = fd >= 0 ? hst_file_hole_at_end(fd, id.size_bytes) : 0;
    if (fd < 0 || id.size_bytes - end <= id.size_bytes / 2) return HST_OK;
    return hst_draft_warning(model, err, "zeros: nothing was ever written to the last %llu of %llu bytes: half downloaded?", (unsigned long long)(id.size_bytes - end),
                             (unsigned long long)id.size_bytes);
}

int hst_catalog_inspect(const char *path, struct hst_model **ret_model, struct hst_error *err)
{
    HST_AUTO(hst_model_unrefp) struct hst_model *model = NULL;
    HST_TRY(hst_folder_exists(path) ? hst_probe_folder(path, &model, err) : hst_probe_file(path, &model, err));
    HST_TRY(verify(model, err));
    for (size_t i = 0; i < model->file_count; i++)
        HST_TRY(look_for_hole(model, model->files[i].path, err));
    *ret_model = hst_steal(&model);
    return HST_OK;
}
