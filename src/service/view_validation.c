#include "service/jsonx.h"
#include "service/view.h"

static json_t *names(const struct hst_names *names)
{
    return hst_jsonx_texts((const char *const *)names->texts, names->kept);
}

static json_t *structure_of(const struct hst_validation *validation)
{
    size_t tensors = 0;
    const struct hst_model *model = validation->model;
    for (size_t i = 0; model != NULL && i < model->component_count; i++)
        tensors += model->components[i].tensor_count;
    json_t *details = json_pack("{s:o, s:o}", "tensors", hst_jsonx_size(tensors), "size_bytes", hst_jsonx_size(model != NULL ? model->size_bytes : 0));
    if (validation->problem.status < 0) json_object_set_new(details, "problem", hst_view_problem(&validation->problem));
    return details;
}

static json_t *completeness_of(const struct hst_validation *validation)
{
    const struct hst_halves *halves = &validation->halves;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "components", hst_jsonx_size(validation->model != NULL ? validation->model->component_count : 0), "missing_files",
                     names(&validation->missing_files), "pairs", hst_jsonx_size(halves->pairs), "missing_halves", hst_jsonx_size(halves->missing.count),
                     "missing_half_names", names(&halves->missing), "unequal_pair_names", names(&halves->unequal));
}

static json_t *values_of_component(const struct hst_component *component, const struct hst_component_values *values)
{
    json_t *view = json_pack("{s:s, s:o, s:o, s:o, s:o}", "component_id", component->id, "nan", hst_jsonx_size(values->nan), "infinite", hst_jsonx_size(values->infinite),
                             "zero_tensors", hst_jsonx_size(values->zero.count), "zero_weights", hst_jsonx_size(values->zero_weights.count));
    json_object_set_new(view, "scanned_bytes", hst_jsonx_size(values->scanned_bytes));
    json_object_set_new(view, "undecoded_bytes", hst_jsonx_size(values->undecoded_bytes));
    json_object_set_new(view, "nan_tensors", names(&values->with_nan));
    json_object_set_new(view, "infinite_tensors", names(&values->with_infinity));
    json_object_set_new(view, "zero_weight_tensors", names(&values->zero_weights));
    return view;
}

static json_t *values_of(const struct hst_validation *validation)
{
    json_t *components = json_array();
    const struct hst_component_values *values = validation->reading.values;
    for (size_t i = 0; values != NULL && i < validation->model->component_count; i++)
        json_array_append_new(components, values_of_component(&validation->model->components[i], &values[i]));
    return json_pack("{s:o}", "components", components);
}

static json_t *hashes_of(const struct hst_validation *validation)
{
    json_t *hashes = json_array();
    for (size_t i = 0; i < validation->reading.stated_count; i++) {
        const struct hst_stated *stated = &validation->reading.stated[i];
        json_array_append_new(hashes, json_pack("{s:s, s:o, s:s, s:s, s:s, s:b}", "stated_by", stated->where, "path",
                                                hst_jsonx_text(validation->model->files[stated->file].path), "covers", stated->of_tensors ? "tensors" : "file", "stated",
                                                stated->stated, "found", stated->found, "agrees", hst_stated_agrees(stated)));
    }
    return json_pack("{s:o}", "hashes", hashes);
}

static json_t *checks_of(const struct hst_validation *validation)
{
    static json_t *(*const details[])(const struct hst_validation *) = {structure_of, completeness_of, values_of, hashes_of};
    json_t *checks = json_array();
    for (int i = 0; i < HST_CHECK_COUNT; i++) {
        const struct hst_check *check = &validation->checks[i];
        json_array_append_new(checks, json_pack("{s:s, s:s, s:o, s:o}", "check", hst_check_name((enum hst_check_kind)i), "state", hst_check_state_name(check->state), "text",
                                                hst_jsonx_text(check->text), "details", details[i](validation)));
    }
    return checks;
}

static json_t *files_of(const struct hst_model *model)
{
    json_t *files = json_array();
    for (size_t i = 0; model != NULL && i < model->file_count; i++)
        json_array_append_new(files, json_pack("{s:o, s:o}", "path", hst_jsonx_text(model->files[i].path), "size_bytes", hst_jsonx_size(model->files[i].id.size_bytes)));
    return files;
}

json_t *hst_view_validation(const struct hst_validation *validation)
{
    return json_pack("{s:b, s:b, s:o, s:o, s:o, s:o}", "valid", hst_validation_is_valid(validation), "deep", validation->deep, "checks", checks_of(validation), "files",
                     files_of(validation->model), "duration_ms", hst_jsonx_ms(validation->duration_ms), "bytes_read", hst_jsonx_size(validation->reading.bytes_read));
}
