#include "model/reread.h"

#include "base/cleanup.h"
#include "model/draft.h"
#include "model/layout.h"
#include "model/parser.h"

int hst_reread_new(struct hst_model *model, struct hst_reread **ret_reread, struct hst_error *err)
{
    struct hst_reread *reread = calloc(1, sizeof *reread);
    if (reread == NULL) return hst_error_nomem(err);
    reread->model = hst_model_ref(model);
    reread->checked = calloc(model->file_count + 1, sizeof *reread->checked);
    reread->wanted = calloc(model->file_count + 1, sizeof *reread->wanted);
    reread->tables = calloc(model->file_count + 1, sizeof(struct hst_tensor_table *));
    if (reread->checked == NULL || reread->wanted == NULL || reread->tables == NULL) {
        hst_reread_free(reread);
        return hst_error_nomem(err);
    }
    *ret_reread = reread;
    return HST_OK;
}

void hst_reread_want(struct hst_reread *reread, const struct hst_component *component)
{
    for (size_t i = 0; i < reread->model->file_count; i++) {
        if (!hst_layout_touches(component, i)) continue;
        reread->checked[i] = reread->checked[reread->model->files[i].header] = true;
        reread->wanted[i] = reread->wanted[i] || component->holders == 0;
    }
}

int hst_reread_open(const struct hst_model_file *file, struct hst_error *err)
{
    struct hst_file_id id;
    HST_AUTO(hst_closep) int fd = hst_file_open(file->path, &id, err);
    if (fd < 0) return fd;
    if (!hst_file_id_equal(&id, &file->id)) return hst_error_set(err, HST_E_FILE_CHANGED, "%s changed since it was scanned", file->path);
    return hst_steal_fd(&fd);
}

int hst_reread_check(const struct hst_model_file *file, int fd, struct hst_error *err)
{
    struct hst_file_id now;
    HST_TRY(hst_file_identify(fd, &now, err));
    return hst_file_id_equal(&now, &file->id) ? HST_OK : hst_error_set(err, HST_E_FILE_CHANGED, "%s changed while it was read", file->path);
}

/* The file after the last one whose tensors this one describes: its own, and those in external data right behind it. */
static size_t group_end(const struct hst_model *model, size_t header)
{
    size_t end = header + 1;
    while (end < model->file_count && model->files[end].header == header)
        end++;
    return end;
}

static bool wants_any(const struct hst_reread *reread, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++)
        if (reread->wanted[i]) return true;
    return false;
}

/* Read one file again; hand its table over, and those of its external data. */
static int read_group(struct hst_reread *reread, size_t header, size_t end, struct hst_error *err)
{
    const struct hst_model_file *files = reread->model->files;
    HST_AUTO(hst_closep) int fd = hst_reread_open(&files[header], err);
    if (fd < 0) return fd;
    HST_TRY(hst_draft_reread(&files[header], fd, &reread->tables[header], err));
    struct hst_tensor_table *table = reread->tables[header];
    for (size_t i = header + 1; i < end; i++) {
        if (i - header > table->external_count) return hst_error_set(err, HST_E_FILE_CHANGED, "%s is not as it was scanned", files[header].path);
        reread->tables[i] = hst_steal(&table->externals[i - header - 1].table);
        reread->tables[i]->file_size_bytes = files[i].id.size_bytes;
    }
    return HST_OK;
}

/* Is everything that was asked for what it was? */
static int check_all(const struct hst_reread *reread, struct hst_error *err)
{
    for (size_t i = 0; i < reread->model->file_count; i++) {
        HST_AUTO(hst_closep) int fd = reread->checked[i] ? hst_reread_open(&reread->model->files[i], err) : -1;
        if (reread->checked[i] && fd < 0) return fd;
    }
    return HST_OK;
}

int hst_reread_run(struct hst_reread *reread, struct hst_error *err)
{
    int status = check_all(reread, err);
    bool read = false;
    for (size_t i = 0, end; status == HST_OK && i < reread->model->file_count; i = end) {
        end = group_end(reread->model, i);
        if (!wants_any(reread, i, end)) continue;
        status = read_group(reread, i, end, err);
        read = true;
    }
    if (read) hst_parser_rest();
    return status;
}

void hst_reread_free(struct hst_reread *reread)
{
    if (reread == NULL) return;
    for (size_t i = 0; reread->tables != NULL && i < reread->model->file_count; i++)
        hst_tensor_table_free(reread->tables[i]);
    hst_model_unref(reread->model);
    free(reread->checked);
    free(reread->wanted);
    free(reread->tables);
    free(reread);
}
