#include "model/pipeline.h"

#include "base/cleanup.h"
#include "model/shards.h"
#include "formats/limits.h"

#include <string.h>

/* Parts of a pipeline that have no weights. */
static const char *const weightless[] = {"tokenizer", "scheduler", "feature_extractor", "processor", "image_processor"};

static bool has_weights(const struct hst_pipeline_part *part)
{
    for (size_t i = 0; i < sizeof weightless / sizeof weightless[0]; i++)
        if (strstr(part->role, weightless[i]) != NULL) return false;
    return part->class_name != NULL;
}

static bool is_main(const char *role)
{
    return strcmp(role, "unet") == 0 || strcmp(role, "transformer") == 0;
}

static int read_parts(struct hst_model *model, int dir_fd, const struct hst_pipeline_index *index, uint32_t *ret_main_file, struct hst_error *err)
{
    uint32_t main_file = UINT32_MAX;
    /* The main component is read last, so that its files are the last ones: from main_file to the end. */
    for (int last = 0; last < 2; last++)
        for (size_t i = 0; i < index->count; i++) {
            const struct hst_pipeline_part *part = &index->parts[i];
            if (is_main(part->role) != (last == 1) || !has_weights(part)) continue;
            if (last == 1 && main_file == UINT32_MAX) main_file = (uint32_t)model->file_count;
            HST_TRY(hst_shards_read(model, dir_fd, part->role, part->role, err));
        }
    *ret_main_file = main_file;
    return HST_OK;
}

static int add_hint(struct hst_model *model, const char *key, const char *value, struct hst_error *err)
{
    return value != NULL ? hst_draft_hint(model, HST_HINT_SIDECAR, key, value, err) : HST_OK;
}

int hst_pipeline_add_hints(struct hst_model *model, const struct hst_model_config *config, struct hst_error *err)
{
    HST_TRY(add_hint(model, "_class_name", config->class_name, err));
    HST_TRY(add_hint(model, "scaling_factor", config->scaling_factor, err));
    return add_hint(model, "prediction_type", config->prediction_type, err);
}

/* What the scheduler is set to; one that is missing or broken harms nothing. */
static int read_scheduler(struct hst_model *model, int dir_fd, struct hst_error *err)
{
    struct hst_model_config config = {0};
    if (hst_pipeline_read_config(dir_fd, "scheduler/scheduler_config.json", &config, NULL) < 0) return HST_OK;
    int status = add_hint(model, "prediction_type", config.prediction_type, err);
    hst_model_config_fini(&config);
    return status;
}

int hst_pipeline_read(struct hst_model *model, int dir_fd, uint32_t *ret_main_file, struct hst_error *err)
{
    HST_AUTO(hst_freep) char *bytes = NULL;
    size_t length;
    struct hst_pipeline_index index;
    HST_TRY(hst_shards_slurp(dir_fd, "model_index.json", HST_CONFIG_MAX, &bytes, &length, err));
    HST_TRY(hst_pipeline_index_parse(bytes, length, &index, err));
    int status = read_parts(model, dir_fd, &index, ret_main_file, err);
    if (status == HST_OK && index.class_name != NULL) status = hst_draft_evidence(model, err, "model_index.json names %s", index.class_name);
    if (status == HST_OK) status = add_hint(model, "_class_name", index.class_name, err);
    if (status == HST_OK) status = read_scheduler(model, dir_fd, err);
    if (status == HST_OK && model->component_count == 0) status = hst_error_set(err, HST_E_INCOMPLETE_MODEL, "incomplete: the pipeline has no component with weights");
    hst_pipeline_index_fini(&index);
    return status;
}

int hst_pipeline_read_config(int dir_fd, const char *path, struct hst_model_config *ret_config, struct hst_error *err)
{
    HST_AUTO(hst_freep) char *bytes = NULL;
    size_t length;
    HST_TRY(hst_shards_slurp(dir_fd, path, HST_CONFIG_MAX, &bytes, &length, err));
    return hst_model_config_parse(bytes, length, ret_config, err);
}

int hst_pipeline_use_config(struct hst_model *model, const struct hst_model_config *config, struct hst_error *err)
{
    if (config->has_code) HST_TRY(hst_draft_evidence(model, err, "config.json names code of its own, which hoist never runs"));
    bool language = strcmp(model->type, "llm") == 0 || strcmp(model->type, "other") == 0;
    if (config->model_type == NULL || !language) return HST_OK;
    HST_TRY(hst_draft_text(&model->type, "llm", err));
    HST_TRY(hst_draft_evidence(model, err, "config.json names the architecture %s", config->model_type));
    if (model->verdict.confidence <= 0) model->verdict.confidence = 0.8;
    return hst_draft_text(&model->family, config->model_type, err);
}
