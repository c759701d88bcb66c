#include "model/layout.h"

#include "base/cleanup.h"

#include <assert.h>
#include <string.h>

/* The component of each tensor of a file's table, by its place in the table. */
static uint16_t *mark_owners(const struct hst_model *model, uint32_t file)
{
    const struct hst_tensor_table *table = model->files[file].table;
    uint16_t *owners = malloc((table->count + 1) * sizeof *owners);
    for (size_t i = 0; owners != NULL && i < table->count; i++)
        owners[i] = HST_NO_COMPONENT;
    for (size_t i = 0; owners != NULL && i < model->component_count; i++)
        for (size_t j = 0; j < model->components[i].tensor_count; j++) {
            const struct hst_component_tensor *row = &model->components[i].tensors[j];
            if (row->file == file) owners[row->tensor - table->tensors] = (uint16_t)i;
        }
    return owners;
}

/* Shorten the list of owners to runs. With NULL for the runs they are only counted. */
static size_t make_runs(const uint16_t *owners, size_t count, struct hst_tensor_run *runs)
{
    struct hst_tensor_run run = {0};
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        bool same = run.count > 0 && run.count < UINT16_MAX && owners[i] == run.component;
        run = (struct hst_tensor_run){owners[i], same ? run.count + 1 : 1};
        made += !same;
        if (runs != NULL) runs[made - 1] = run;
    }
    return made;
}

static int record_file(struct hst_model *model, uint32_t index, struct hst_error *err)
{
    struct hst_model_file *file = &model->files[index];
    if (file->table == NULL) return HST_OK;
    HST_AUTO(hst_freep) uint16_t *owners = mark_owners(model, index);
    if (owners == NULL) return hst_error_nomem(err);
    size_t count = make_runs(owners, file->table->count, NULL);
    file->runs = calloc(count + 1, sizeof *file->runs);
    if (file->runs == NULL) return hst_error_nomem(err);
    file->run_count = make_runs(owners, file->table->count, file->runs);
    return HST_OK;
}

static size_t index_of(const struct hst_component *component)
{
    return (size_t)(component - component->model->components);
}

bool hst_layout_touches(const struct hst_component *component, size_t file)
{
    const struct hst_model_file *in = &component->model->files[file];
    for (size_t i = 0; i < in->run_count; i++)
        if (in->runs[i].component == index_of(component)) return true;
    return false;
}

static bool touches_another(const struct hst_component *component, size_t file)
{
    for (size_t i = 0; i < component->model->file_count; i++)
        if (i != file && hst_layout_touches(component, i)) return true;
    return false;
}

bool hst_layout_is_whole(const struct hst_model *model, size_t file)
{
    const struct hst_model_file *in = &model->files[file];
    for (size_t i = 0; i < in->run_count; i++) {
        uint16_t component = in->runs[i].component;
        if (component == HST_NO_COMPONENT || touches_another(&model->components[component], file)) return false;
    }
    return true;
}

static void count_holders(struct hst_component *component)
{
    struct hst_model *model = component->model;
    for (size_t i = 0; i < model->file_count; i++)
        model->files[i].holders += hst_layout_touches(component, i);
    component->holders = 1;
}

int hst_layout_record(struct hst_model *model, struct hst_error *err)
{
    assert(model->component_count < HST_NO_COMPONENT); /* roles are from tables of ours, or HST_PARTS_MAX at most */
    for (uint32_t i = 0; i < model->file_count; i++)
        HST_TRY(record_file(model, i, err));
    for (size_t i = 0; i < model->component_count; i++)
        count_holders(&model->components[i]);
    return HST_OK;
}

/* Add the tensors of a file that belong to the component, as its runs say. @return are they those that were recorded? */
static bool collect(const struct hst_component *component, uint32_t file, struct hst_component_tensor *tensors, size_t *count)
{
    const struct hst_model_file *in = &component->model->files[file];
    size_t at = 0;
    for (size_t i = 0; in->table != NULL && i < in->run_count; at += in->runs[i++].count) {
        if (in->runs[i].count > in->table->count - at) return false;
        if (in->runs[i].component != index_of(component)) continue;
        for (size_t j = at; j < at + in->runs[i].count; j++)
            tensors[(*count)++] = (struct hst_component_tensor){file, &in->table->tensors[j]};
    }
    return in->table != NULL && at == in->table->count;
}

/* Every table it needs is there: make its list of tensors. The runs were made from that list, so its length is known. */
static int list_tensors(struct hst_component *component, struct hst_error *err)
{
    HST_AUTO(hst_freep) struct hst_component_tensor *tensors = calloc(component->tensor_count + 1, sizeof *tensors);
    size_t count = 0;
    if (tensors == NULL) return hst_error_nomem(err);
    for (uint32_t i = 0; i < component->model->file_count; i++)
        if (hst_layout_touches(component, i) && !collect(component, i, tensors, &count))
            return hst_error_set(err, HST_E_FILE_CHANGED, "%s is not as it was scanned", component->model->files[i].path);
    component->tensors = hst_steal(&tensors);
    return HST_OK;
}

/* Tables that no held component needs. */
static void drop_tables(struct hst_model *model)
{
    for (size_t i = 0; i < model->file_count; i++)
        if (model->files[i].holders == 0) {
            hst_tensor_table_free(hst_steal(&model->files[i].table));
            free(hst_steal(&model->files[i].hashes));
        }
}

int hst_layout_hold(struct hst_component *component, struct hst_reread *reread, struct hst_error *err)
{
    struct hst_model *model = component->model;
    if (component->holders > 0 || reread == NULL) {
        hst_layout_share(component);
        return HST_OK;
    }
    for (size_t i = 0; i < model->file_count; i++)
        if (model->files[i].table == NULL && hst_layout_touches(component, i)) model->files[i].table = hst_steal(&reread->tables[i]);
    int status = list_tensors(component, err);
    if (status < 0)
        drop_tables(model);
    else
        count_holders(component);
    return status;
}

void hst_layout_share(struct hst_component *component)
{
    assert(component->holders > 0);
    component->holders++;
}

void hst_layout_release(struct hst_component *component)
{
    struct hst_model *model = component->model;
    if (--component->holders > 0) return;
    free(hst_steal(&component->tensors));
    for (size_t i = 0; i < model->file_count; i++)
        model->files[i].holders -= hst_layout_touches(component, i);
    drop_tables(model);
}

void hst_layout_release_all(struct hst_model *model)
{
    for (size_t i = 0; i < model->component_count; i++)
        hst_layout_release(&model->components[i]);
    drop_tables(model);
}

void hst_layout_note_hashes(struct hst_model *model, size_t file, uint8_t *hashes, size_t count)
{
    struct hst_model_file *of = &model->files[file];
    bool fits = of->table != NULL && of->hashes == NULL && count == of->table->count;
    if (fits) of->hashes = hashes;
    if (!fits) free(hashes);
}

const uint8_t *hst_layout_hash(const struct hst_component *component, size_t tensor)
{
    static const uint8_t unknown[HST_TENSOR_HASH_BYTES];
    const struct hst_component_tensor *row = &component->tensors[tensor];
    const struct hst_model_file *file = &component->model->files[row->file];
    if (file->hashes == NULL) return NULL;
    const uint8_t *hash = file->hashes + (size_t)(row->tensor - file->table->tensors) * HST_TENSOR_HASH_BYTES;
    return memcmp(hash, unknown, sizeof unknown) != 0 ? hash : NULL;
}
