#include "model/model.h"

#include <stdlib.h>
#include <string.h>

const char *hst_model_state_name(enum hst_model_state state)
{
    static const char *const names[] = {"ok", "invalid", "unsafe", "missing"};
    return names[state];
}

struct hst_model *hst_model_ref(struct hst_model *model)
{
    model->refs++;
    return model;
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

static void free_component(struct hst_component *component)
{
    free(component->id);
    free(component->role);
    free(component->tensors);
    free(component->dtypes);
    free_texts(component->depends_on, component->depends_on_count);
}

static void free_parts(struct hst_model *model)
{
    for (size_t i = 0; i < model->component_count; i++)
        free_component(&model->components[i]);
    for (size_t i = 0; i < model->file_count; i++) {
        hst_tensor_table_free(model->files[i].table);
        free(model->files[i].hashes);
        free(model->files[i].runs);
        free(model->files[i].path);
        free(model->files[i].sha1);
    }
    for (size_t i = 0; i < model->hint_count; i++) {
        free(model->hints[i].key);
        free(model->hints[i].value);
    }
    hst_metadata_fini(&model->metadata);
    free(model->components);
    free(model->files);
    free(model->hints);
}

void hst_model_unref(struct hst_model *model)
{
    if (model == NULL || --model->refs > 0) return;
    char *texts[] = {model->id, model->name, model->type, model->family, model->variant, model->format, model->path, model->verdict.runner_up};
    free_parts(model);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    free_texts(model->warnings, model->warning_count);
    free_texts(model->verdict.evidence, model->verdict.evidence_count);
    free_texts(model->verdict.needs_hint, model->verdict.needs_hint_count);
    free(model);
}

bool hst_model_has_externals(const struct hst_model *model)
{
    for (size_t i = 0; i < model->file_count; i++)
        if (model->files[i].header != i) return true;
    return false;
}

bool hst_model_has_same_files(const struct hst_model *model, const struct hst_model *before)
{
    if (model->file_count != before->file_count) return false;
    for (size_t i = 0; i < model->file_count; i++)
        if (!hst_file_id_equal(&model->files[i].id, &before->files[i].id)) return false;
    return true;
}

bool hst_model_is_same(const struct hst_model *model, const struct hst_model *before)
{
    return model->state == before->state && strcmp(model->problem.text, before->problem.text) == 0 && hst_model_has_same_files(model, before);
}

struct hst_component *hst_model_component(const struct hst_model *model, const char *role)
{
    for (size_t i = 0; i < model->component_count; i++)
        if (strcmp(model->components[i].role, role) == 0) return &model->components[i];
    return NULL;
}
