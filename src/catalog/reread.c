#include "catalog/reread.h"

#include "base/cleanup.h"
#include "catalog/draft.h"
#include "catalog/layout.h"

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
        reread->checked[i] = true;
        reread->wanted[i] = reread->wanted[i] || component->holders == 0;
    }
}

static int read_file(const struct hst_model_file *file, bool wanted, struct hst_tensor_table **ret_table, struct hst_error *err)
{
    struct hst_file_id id;
    HST_AUTO(hst_closep) int fd = hst_file_open(file->path, &id, err);
    if (fd < 0) return fd;
    if (!hst_file_id_equal(&id, &file->id)) return hst_error_set(err, HST_E_FILE_CHANGED, "%s changed since it was scanned", file->path);
    return wanted ? hst_draft_reread(file, fd, ret_table, err) : HST_OK;
}

int hst_reread_run(struct hst_reread *reread, struct hst_error *err)
{
    for (size_t i = 0; i < reread->model->file_count; i++)
        if (reread->checked[i]) HST_TRY(read_file(&reread->model->files[i], reread->wanted[i], &reread->tables[i], err));
    return HST_OK;
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
