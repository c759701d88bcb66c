/* Would it fit? Asked of the planner that loads ask, so that the two cannot differ. */
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/view_relations.h"

static uint64_t sum(const struct hst_plan_eviction *evictions, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += evictions[i].bytes;
    return bytes;
}

static json_t *view_success(const struct hst_plan *plan)
{
    size_t evictions = plan->ram_eviction_count + plan->device_eviction_count;
    uint64_t evicted = sum(plan->ram_evictions, plan->ram_eviction_count) + sum(plan->device_evictions, plan->device_eviction_count);
    return json_pack("{s:s, s:o, s:o, s:o, s:n}", "verdict", evictions > 0 ? "fits after evicting" : "fits", "required_bytes", hst_jsonx_size(plan->device_bytes), "ram_bytes",
                     hst_jsonx_size(plan->ram_bytes), "evicts_bytes", hst_jsonx_size(evicted), "reason");
}

/* Memory is what the question is about; any other failure is no answer to it. */
static json_t *view_failure(const struct hst_error *error)
{
    bool ram = error->status == HST_E_OUT_OF_RAM, memory = ram || error->status == HST_E_OUT_OF_DEVICE_MEMORY;
    json_t *bytes = memory ? hst_jsonx_size(error->required_bytes) : json_null();
    json_t *view = json_pack("{s:s?, s:o, s:o, s:o, s:o}", "verdict", memory ? "does not fit" : NULL, "required_bytes", ram ? json_null() : json_incref(bytes), "ram_bytes",
                             ram ? json_incref(bytes) : json_null(), "evicts_bytes", json_null(), "reason", hst_jsonx_text(error->text));
    json_decref(bytes);
    return view;
}

static json_t *try_request(const struct hst_service *service, const struct hst_load_request *request)
{
    struct hst_plan plan = {0};
    struct hst_error error = {0};
    json_t *view = hst_loader_plan(service->config.loader, request, &plan, &error) == HST_OK ? view_success(&plan) : view_failure(&error);
    hst_plan_fini(&plan);
    return view;
}

static json_t *each_component(const struct hst_service *service, struct hst_model *model, struct hst_device *device)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < model->component_count; i++) {
        const char *role = model->components[i].role;
        json_t *row = try_request(service, &(struct hst_load_request){.model = model, .roles = &role, .role_count = 1, .device = device});
        json_object_set_new(row, "component_id", json_string(model->components[i].id));
        json_array_append_new(rows, row);
    }
    return rows;
}

/* Together with what was chosen of other models; null when something is missing. */
static json_t *with_needs(const struct hst_service *service, struct hst_model *model, const struct hst_dependencies *dependencies, struct hst_device *device)
{
    struct hst_component *also[HST_NEEDS_MAX];
    size_t count = 0;
    if (!hst_dependencies_complete(dependencies)) return json_null();
    for (size_t i = 0; i < dependencies->count; i++)
        if (dependencies->items[i].own == NULL) also[count++] = dependencies->items[i].candidates[0].component;
    return try_request(service, &(struct hst_load_request){.model = model, .also = also, .also_count = count, .device = device});
}

json_t *hst_view_fit(const struct hst_service *service, struct hst_model *model, const struct hst_dependencies *dependencies)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < service->config.device_count; i++) {
        struct hst_device *device = service->config.devices[i];
        json_t *row = try_request(service, &(struct hst_load_request){.model = model, .device = device});
        json_object_set_new(row, "device_id", json_string(device->id));
        json_object_set_new(row, "budget_bytes", hst_jsonx_size(device->budget_bytes));
        json_object_set_new(row, "free_bytes", hst_jsonx_size(hst_device_available(device)));
        json_object_set_new(row, "evictable_bytes", hst_jsonx_size(hst_loader_evictable_bytes(service->config.loader, device)));
        json_object_set_new(row, "components", each_component(service, model, device));
        json_object_set_new(row, "with_needs", with_needs(service, model, dependencies, device));
        json_array_append_new(rows, row);
    }
    return rows;
}
