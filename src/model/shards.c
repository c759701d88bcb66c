#include "model/shards.h"

#include "base/cleanup.h"
#include "base/map.h"
#include "formats/folder.h"
#include "formats/limits.h"
#include "os/folder.h"

#include <stdio.h>
#include <string.h>

/* Names of weights, the preferred ones first. */
static const struct {
    const char *name;
    bool is_index;
    const char *variant;
} candidates[] = {
    {"diffusion_pytorch_model.safetensors.index.json", true, NULL}, {"diffusion_pytorch_model.safetensors", false, NULL},
    {"model.safetensors.index.json", true, NULL},                   {"model.safetensors", false, NULL},
    {"diffusion_pytorch_model.fp16.safetensors", false, "fp16"},    {"model.fp16.safetensors", false, "fp16"},
    {"pytorch_lora_weights.safetensors", false, NULL},
    /* Older ones that torch.save wrote. */
    {"pytorch_model.bin.index.json", true, NULL},                   {"pytorch_model.bin", false, NULL},
    {"diffusion_pytorch_model.bin", false, NULL},
    /* In a pipeline; in other folders each ONNX file is a model of its own. */
    {"model.onnx", false, NULL},
};
enum { CANDIDATES = sizeof candidates / sizeof candidates[0], OF_PIPELINES = 1 };

bool hst_shards_has_weights(int dir_fd)
{
    for (size_t i = 0; i < CANDIDATES - OF_PIPELINES; i++)
        if (hst_folder_has(dir_fd, candidates[i].name)) return true;
    return false;
}

static void join(char out[1024], const char *folder, const char *name)
{
    snprintf(out, 1024, "%s%s%s", folder, folder[0] != '\0' ? "/" : "", name);
}

int hst_shards_slurp(int dir_fd, const char *path, uint64_t limit, char **ret_bytes, size_t *ret_length, struct hst_error *err)
{
    struct hst_file_id id;
    HST_AUTO(hst_closep) int fd = hst_file_open_beneath(dir_fd, path, &id, err);
    if (fd < 0) return fd;
    if (id.size_bytes > limit) return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "limit: %s is longer than %llu bytes", path, (unsigned long long)limit);
    *ret_length = id.size_bytes;
    return hst_file_slurp(fd, 0, id.size_bytes, ret_bytes, err);
}

/* Everything the index says of this file must be in it, and everything in it must be in the index. */
static int check_shard(const struct hst_model *model, uint32_t file, const struct hst_shard_index *index, uint32_t number, struct hst_error *err)
{
    const struct hst_tensor_table *table = model->files[file].table;
    struct hst_map names = {0};
    int status = HST_OK;
    size_t expected = 0;
    for (size_t i = 0; status == HST_OK && i < table->count; i++)
        status = hst_map_put_str(&names, table->tensors[i].name, &table->tensors[i]);
    for (size_t i = 0; status == HST_OK && i < index->count; i++) {
        if (index->entries[i].file != number) continue;
        expected++;
        if (hst_map_get_str(&names, index->entries[i].tensor) == NULL)
            status = hst_error_set(err, HST_E_INCOMPLETE_MODEL, "set: %s lacks the tensor %.100s", index->files[number], index->entries[i].tensor);
    }
    hst_map_fini(&names);
    if (status == HST_OK && expected != table->count)
        status = hst_error_set(err, HST_E_INVALID_FILE, "set: %s holds tensors that its index does not name", index->files[number]);
    return status;
}

static int read_shard(struct hst_model *model, int dir_fd, const char *subfolder, const struct hst_shard_index *index, uint32_t number,
                      const char *role, struct hst_error *err)
{
    char path[1024];
    uint32_t file;
    join(path, subfolder, index->files[number]);
    int status = hst_draft_file(model, dir_fd, model->path, path, &file, err);
    if (status == HST_E_FILE_MISSING) return hst_error_set(err, HST_E_INCOMPLETE_MODEL, "set: the shard %s is missing", path);
    HST_TRY(status);
    HST_TRY(check_shard(model, file, index, number, err));
    return hst_draft_whole_file(model, file, role, err);
}

/* The index tells the bytes of all tensors. Nothing depends on it. */
static int check_total(struct hst_model *model, size_t first_file, uint64_t told, const char *path, struct hst_error *err)
{
    uint64_t total = 0;
    for (size_t file = first_file; file < model->file_count; file++)
        for (size_t i = 0; i < model->files[file].table->count; i++)
            total += model->files[file].table->tensors[i].size_bytes;
    if (told == 0 || told == total) return HST_OK;
    return hst_draft_warning(model, err, "total_size: %.64s tells of %llu bytes, and there are %llu", path, (unsigned long long)told, (unsigned long long)total);
}

static int read_index(struct hst_model *model, int dir_fd, const char *subfolder, const char *path, const char *role, struct hst_error *err)
{
    HST_AUTO(hst_freep) char *bytes = NULL;
    size_t length;
    struct hst_shard_index index;
    HST_TRY(hst_shards_slurp(dir_fd, path, HST_SHARD_INDEX_MAX, &bytes, &length, err));
    HST_TRY(hst_shard_index_parse(bytes, length, &index, err));
    int status = HST_OK;
    size_t first = model->file_count;
    for (uint32_t i = 0; status == HST_OK && i < index.file_count; i++)
        status = read_shard(model, dir_fd, subfolder, &index, i, role, err);
    if (status == HST_OK) status = check_total(model, first, index.total_size_bytes, path, err);
    hst_shard_index_fini(&index);
    return status;
}

static int read_whole(struct hst_model *model, int dir_fd, const char *path, const char *role, struct hst_error *err)
{
    uint32_t file;
    HST_TRY(hst_draft_file(model, dir_fd, model->path, path, &file, err));
    return hst_draft_whole_file(model, file, role, err);
}

int hst_shards_read(struct hst_model *model, int dir_fd, const char *subfolder, const char *role, struct hst_error *err)
{
    char path[1024];
    for (size_t i = 0; i < CANDIDATES; i++) {
        join(path, subfolder, candidates[i].name);
        if (!hst_folder_has(dir_fd, path)) continue;
        if (candidates[i].variant != NULL) HST_TRY(hst_draft_evidence(model, err, "%s has only the %s variant", role, candidates[i].variant));
        return candidates[i].is_index ? read_index(model, dir_fd, subfolder, path, role, err) : read_whole(model, dir_fd, path, role, err);
    }
    return hst_error_set(err, HST_E_INCOMPLETE_MODEL, "incomplete: %s%shas no weights hoist can read", subfolder, subfolder[0] != '\0' ? " " : "it ");
}
