#include "base/cleanup.h"
#include "service/fields.h"
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/select.h"
#include "service/verbs.h"
#include "service/view.h"
#include "service/view_hash.h"

#include <string.h>

/* Which models are asked for. */
struct filter {
    const char *type;
    const char *family;
    const char *search;
    uint64_t limit;
    uint64_t offset;
};

static int read_filter(const struct hst_call *call, struct filter *ret_filter, struct hst_error *err)
{
    struct filter filter = {.type = call->params[0], .limit = UINT64_MAX};
    if (filter.type == NULL) HST_TRY(hst_fields_text(call, "type", &filter.type, err));
    HST_TRY(hst_select_check_type(filter.type, err));
    HST_TRY(hst_fields_text(call, "family", &filter.family, err));
    HST_TRY(hst_fields_text(call, "search", &filter.search, err));
    HST_TRY(hst_fields_number(call, "limit", UINT32_MAX, &filter.limit, err));
    HST_TRY(hst_fields_number(call, "offset", UINT32_MAX, &filter.offset, err));
    *ret_filter = filter;
    return HST_OK;
}

static bool contains(const char *text, const char *part)
{
    return text != NULL && strcasestr(text, part) != NULL;
}

static bool is_wanted(const char *wanted, const char *text)
{
    return wanted == NULL || (text != NULL && strcmp(wanted, text) == 0);
}

static bool passes(const struct filter *filter, const struct hst_model *model)
{
    if (!is_wanted(filter->type, model->type) || !is_wanted(filter->family, model->family)) return false;
    if (filter->search == NULL) return true;
    return contains(model->id, filter->search) || contains(model->name, filter->search) || contains(model->family, filter->search) ||
           contains(model->path, filter->search);
}

static void count_type(json_t *counts, const char *type)
{
    json_int_t count = json_integer_value(json_object_get(counts, type));
    json_object_set_new(counts, type, json_integer(count + 1));
}

static int list_models(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    struct filter filter;
    struct hst_catalog *catalog = call->service->config.catalog;
    struct hst_scan_status scan = hst_catalog_scan_status(catalog);
    HST_TRY(read_filter(call, &filter, err));
    json_t *models = json_array(), *counts = json_object();
    uint64_t matching = 0;
    size_t cursor = 0;
    for (struct hst_model *model; (model = hst_catalog_next(catalog, &cursor));) {
        count_type(counts, model->type);
        if (!passes(&filter, model)) continue;
        bool wanted = matching >= filter.offset && matching - filter.offset < filter.limit;
        if (wanted) json_array_append_new(models, hst_view_model(call->service, model));
        matching++;
    }
    *ret_data = json_pack("{s:o, s:o, s:o, s:o}", "models", models, "total_models", hst_jsonx_size(matching), "model_types", counts, "scan",
                          hst_view_scan(&scan));
    return HST_OK;
}

static int show_model(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    struct hst_model *model;
    HST_TRY(hst_select_model(call->service, call->params[0], &model, err));
    *ret_data = hst_view_model(call->service, model);
    json_object_set_new(*ret_data, "loads", hst_view_loads(call->service, model));
    return HST_OK;
}

static int list_components(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    const char *model_id = NULL;
    struct hst_catalog *catalog = call->service->config.catalog;
    HST_TRY(hst_fields_text(call, "model_id", &model_id, err));
    json_t *components = json_array();
    size_t cursor = 0;
    for (struct hst_model *model; (model = hst_catalog_next(catalog, &cursor));) {
        if (model_id != NULL && strcmp(model->id, model_id) != 0) continue;
        for (size_t i = 0; i < model->component_count; i++)
            if (call->params[0] == NULL || strcmp(call->params[0], model->components[i].role) == 0)
                json_array_append_new(components, hst_view_component(call->service, &model->components[i]));
    }
    *ret_data = json_pack("{s:o, s:o}", "total_components", hst_jsonx_size(json_array_size(components)), "components", components);
    return HST_OK;
}

static int show_scan(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    size_t root_count;
    const char *const *roots = hst_catalog_roots(call->service->config.catalog, &root_count);
    struct hst_scan_status scan = hst_catalog_scan_status(call->service->config.catalog);
    struct hst_hash_status hashing = hst_catalog_hash_status(call->service->config.catalog);
    (void)err;
    *ret_data = hst_view_scan(&scan);
    json_object_set_new(*ret_data, "roots", hst_jsonx_texts(roots, root_count));
    json_object_set_new(*ret_data, "hashing", hst_view_hashing(&hashing));
    return HST_OK;
}

/* One that runs may have passed what the caller means: it is followed by another. */
static int start_scan(const struct hst_call *call, struct hst_error *err)
{
    struct hst_catalog *catalog = call->service->config.catalog;
    int status = hst_catalog_scan(catalog, err);
    if (status != HST_E_BUSY) return status;
    call->service->scan_again = true;
    hst_catalog_scan_pause(catalog, false);
    return HST_OK;
}

static int pause_scan(const struct hst_call *call, struct hst_error *err)
{
    (void)err;
    hst_catalog_scan_pause(call->service->config.catalog, true);
    return HST_OK;
}

static int resume_scan(const struct hst_call *call, struct hst_error *err)
{
    (void)err;
    hst_catalog_scan_pause(call->service->config.catalog, false);
    return HST_OK;
}

static int cancel_scan(const struct hst_call *call, struct hst_error *err)
{
    (void)err;
    call->service->scan_again = false;
    hst_catalog_scan_cancel(call->service->config.catalog);
    return HST_OK;
}

static const struct {
    const char *name;
    int (*run)(const struct hst_call *call, struct hst_error *err);
} scan_actions[] = {{"start", start_scan}, {"pause", pause_scan}, {"resume", resume_scan}, {"cancel", cancel_scan}};

static int control_scan(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    static const char *const known[] = {"action", NULL};
    const char *action = "start";
    HST_TRY(hst_fields_check(call, known, err));
    HST_TRY(hst_fields_text(call, "action", &action, err));
    for (size_t i = 0; i < sizeof scan_actions / sizeof scan_actions[0]; i++) {
        if (strcmp(scan_actions[i].name, action != NULL ? action : "start") != 0) continue;
        HST_TRY(scan_actions[i].run(call, err));
        return show_scan(call, ret_data, err);
    }
    return hst_error_set(err, HST_E_INVALID_ARGUMENT, "a scan does not know the action '%s'; it can start, pause, resume, cancel", action);
}

const struct hst_route hst_verbs_catalog[] = {
    {"GET", "/api/model/available", NULL, list_models},
    {"GET", "/api/model/available/{model_type}", NULL, list_models},
    {"GET", "/api/models/{model_id}", NULL, show_model},
    {"GET", "/api/model/components", NULL, list_components},
    {"GET", "/api/model/components/{component_type}", NULL, list_components},
    {"GET", "/api/model/scan", NULL, show_scan},
    {"POST", "/api/model/scan", NULL, control_scan},
    {NULL, NULL, NULL, NULL},
};
