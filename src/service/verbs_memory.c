#include "os/meminfo.h"
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/select.h"
#include "service/verbs.h"
#include "service/view.h"

static json_t *list_devices(const struct hst_service *service)
{
    json_t *devices = json_array();
    for (size_t i = 0; i < service->config.device_count; i++)
        json_array_append_new(devices, hst_view_device_memory(service, service->config.devices[i]));
    return devices;
}

static int show_devices(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    const struct hst_service_cards *cards = &call->service->config.cards;
    (void)err;
    *ret_data = json_pack("{s:o, s:{s:o, s:o, s:s?}}", "devices", list_devices(call->service), "cards", "found", hst_jsonx_size(cards->found), "used",
                          hst_jsonx_size(cards->used), "why", cards->why[0] != '\0' ? cards->why : NULL);
    return HST_OK;
}

static int show_status(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    struct hst_device *device;
    if (call->params[0] != NULL) {
        HST_TRY(hst_select_device(call->service, call->params[0], &device, err));
        *ret_data = hst_view_device_memory(call->service, device);
        return HST_OK;
    }
    json_t *ram = json_pack("{s:o, s:o}", "machine_total_bytes", hst_jsonx_size(hst_meminfo_total_bytes()), "machine_free_bytes",
                            hst_jsonx_size(hst_meminfo_headroom_bytes()));
    hst_view_cache_totals(call->service, ram);
    const struct hst_shortage shortage = hst_loader_shortage(call->service->config.loader);
    *ret_data = json_pack("{s:o, s:o, s:o}", "ram", ram, "devices", list_devices(call->service), "pressure", hst_view_shortage(&shortage));
    return HST_OK;
}

static void add_ram(const struct hst_service *service, json_t *list)
{
    size_t cursor = 0;
    for (struct hst_residency *held; (held = hst_cache_next(service->config.cache, &cursor));)
        json_array_append_new(list, json_pack("{s:s, s:s, s:n, s:o, s:s, s:s?, s:b, s:i, s:i}", "component_id", held->component->id, "tier", "ram",
                                              "device_id", "bytes",
                                              hst_jsonx_size(held->state == HST_RESIDENCY_SUSPENDED ? 0 : held->charged_bytes), "state",
                                              hst_view_ram_state(held), "backing",
                                              held->state == HST_RESIDENCY_CACHED ? hst_backing_name(held->backing) : NULL, "pinned", held->pinned,
                                              "leases", (int)held->leases, "devices", (int)held->device_refs));
}

/* What is on a device that only references RAM has no bytes of its own. */
static void add_devices(const struct hst_service *service, json_t *list)
{
    size_t cursor = 0;
    for (struct hst_loaded *loaded; (loaded = hst_loader_next_loaded(service->config.loader, &cursor));)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o, s:s, s:b, s:b, s:o}", "component_id", loaded->component->id, "tier", "device",
                                              "device_id", loaded->device->id, "bytes", hst_jsonx_size(loaded->device_bytes), "state", "loaded",
                                              "pinned", loaded->pinned, "references_ram", loaded->device->ops->references_ram, "since",
                                              hst_jsonx_time(loaded->since_wall_ns)));
}

static int show_allocations(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    json_t *list = json_array();
    (void)err;
    add_ram(call->service, list);
    add_devices(call->service, list);
    *ret_data = json_pack("{s:o, s:o}", "total_allocations", hst_jsonx_size(json_array_size(list)), "allocations", list);
    return HST_OK;
}

const struct hst_route hst_verbs_memory[] = {
    {"GET", "/api/memory/status", NULL, show_status},
    {"GET", "/api/memory/status/{device_id}", NULL, show_status},
    {"GET", "/api/memory/allocations", NULL, show_allocations},
    {"GET", "/api/device/list", NULL, show_devices},
    {NULL, NULL, NULL, NULL},
};
