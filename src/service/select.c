#include "service/select.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "service/fields.h"
#include "service/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const types[] = {"checkpoint", "diffusion_model", "lora", "controlnet", "t2i_adapter", "ip_adapter", "vae",
                                    "text_encoder", "clip_vision", "embedding", "upscaler", "llm", "other", NULL};

int hst_select_check_type(const char *type, struct hst_error *err)
{
    for (size_t i = 0; type != NULL && types[i] != NULL; i++)
        if (strcmp(types[i], type) == 0) return HST_OK;
    return type == NULL ? HST_OK : hst_error_set(err, HST_E_INVALID_ARGUMENT, "there is no model type '%s'; checkpoint, lora, vae and llm are usual", type);
}

int hst_select_model(const struct hst_service *service, const char *id, struct hst_model **ret_model, struct hst_error *err)
{
    struct hst_model *model = hst_catalog_find(service->config.catalog, id);
    if (model == NULL) return hst_error_set(err, HST_E_MODEL_NOT_FOUND, "no model has the id '%s'", id);
    *ret_model = model;
    return HST_OK;
}

int hst_select_component(const struct hst_service *service, const char *id, struct hst_component **ret_component, struct hst_error *err)
{
    struct hst_model *model;
    const char *colon = strrchr(id, ':');
    if (colon == NULL) return hst_error_set(err, HST_E_COMPONENT_NOT_FOUND, "'%s' is no component id; those are MODEL:ROLE", id);
    HST_AUTO(hst_freep) char *model_id = strndup(id, (size_t)(colon - id));
    if (model_id == NULL) return hst_error_nomem(err);
    HST_TRY(hst_select_model(service, model_id, &model, err));
    *ret_component = hst_model_component(model, colon + 1);
    if (*ret_component == NULL) return hst_error_set(err, HST_E_COMPONENT_NOT_FOUND, "%s has no component '%s'", model_id, colon + 1);
    return HST_OK;
}

/* Its id or its UUID, or a kind, of which it is the first; NULL is any. */
static bool is_called(const struct hst_device *device, const char *name)
{
    if (name == NULL) return true;
    const char *kind = strcmp(name, "cpu") == 0 ? "host" : name;
    return strcmp(device->id, name) == 0 || strcmp(device->ops->kind, kind) == 0 || (device->uuid[0] != '\0' && strcasecmp(device->uuid, name) == 0);
}

/* Is it a card that is asked for, and there is none? Then why. */
static const char *why_no_card(const struct hst_service_config *config, const char *id)
{
    static const char *const starts[] = {"cuda", "GPU-", "MIG-"};
    bool is_card = false;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        is_card = is_card || hst_starts_with(id, starts[i]);
    return is_card && config->cards.used == 0 ? config->cards.why : NULL;
}

static int no_such_device(const struct hst_service_config *config, const char *id, struct hst_error *err)
{
    HST_AUTO(hst_strbuf_fini) struct hst_strbuf there = {0};
    const char *why = why_no_card(config, id);
    for (size_t i = 0; i < config->device_count; i++)
        hst_strbuf_printf(&there, "%s%s", i > 0 ? ", " : "", config->devices[i]->id);
    if (!hst_strbuf_ok(&there)) return hst_error_nomem(err);
    return hst_error_set(err, HST_E_DEVICE_NOT_FOUND, "there is no device '%s' here, but %s%s%s", id, there.text, why != NULL ? "; no card is used: " : "", why != NULL ? why : "");
}

int hst_select_device(const struct hst_service *service, const char *id, struct hst_device **ret_device, struct hst_error *err)
{
    const struct hst_service_config *config = &service->config;
    for (size_t i = 0; i < config->device_count; i++) {
        if (!is_called(config->devices[i], id)) continue;
        *ret_device = config->devices[i];
        return HST_OK;
    }
    return no_such_device(config, id != NULL ? id : "", err);
}

int hst_select_call_device(const struct hst_call *call, const char *path_id, struct hst_device **ret_device, struct hst_error *err)
{
    const char *id = path_id;
    *ret_device = NULL;
    if (id == NULL) HST_TRY(hst_fields_text(call, "device_id", &id, err));
    return id != NULL ? hst_select_device(call->service, id, ret_device, err) : HST_OK;
}

static struct hst_selected *find(struct hst_selection *selection, const struct hst_model *model)
{
    for (size_t i = 0; i < selection->count; i++)
        if (selection->items[i].model == model) return &selection->items[i];
    return NULL;
}

static int add_model(struct hst_selection *selection, struct hst_model *model, struct hst_selected **ret_item, struct hst_error *err)
{
    struct hst_selected *item = find(selection, model);
    if (item == NULL) {
        struct hst_selected *grown = realloc(selection->items, (selection->count + 1) * sizeof *grown);
        if (grown == NULL) return hst_error_nomem(err);
        selection->items = grown;
        item = &grown[selection->count++];
        *item = (struct hst_selected){.model = model};
    }
    *ret_item = item;
    return HST_OK;
}

static bool has_role(const struct hst_selected *item, const char *role)
{
    for (size_t i = 0; i < item->role_count; i++)
        if (strcmp(item->roles[i], role) == 0) return true;
    return false;
}

static int add_component(struct hst_selection *selection, const struct hst_component *component, struct hst_error *err)
{
    struct hst_selected *item;
    HST_TRY(add_model(selection, component->model, &item, err));
    if (has_role(item, component->role)) return HST_OK;
    const char **grown = realloc(item->roles, (item->role_count + 1) * sizeof *grown);
    if (grown == NULL) return hst_error_nomem(err);
    item->roles = grown;
    item->roles[item->role_count++] = component->role;
    return HST_OK;
}

/* `text` is a component id, or a role of `model`. */
static int add_named(const struct hst_call *call, struct hst_selection *selection, const struct hst_model *model, const char *text, struct hst_error *err)
{
    struct hst_component *component;
    if (strchr(text, ':') != NULL || model == NULL)
        HST_TRY(hst_select_component(call->service, text, &component, err));
    else if ((component = hst_model_component(model, text)) == NULL)
        return hst_error_set(err, HST_E_COMPONENT_NOT_FOUND, "%s has no component '%s'", model->id, text);
    if (model != NULL && component->model != model)
        return hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s is no component of %s", text, model->id);
    return add_component(selection, component, err);
}

static int add_list(const struct hst_call *call, struct hst_selection *selection, const struct hst_model *model, const char *field, struct hst_error *err)
{
    json_t *list, *item;
    size_t index;
    int status = hst_fields_list(call, field, &list, err);
    json_array_foreach(list, index, item)
        if (status == HST_OK) status = add_named(call, selection, model, json_string_value(item), err);
    json_decref(list);
    return status;
}

static int read_all(const struct hst_call *call, const char *path_id, struct hst_selection *selection, struct hst_error *err)
{
    struct hst_model *model = NULL;
    struct hst_selected *item;
    const char *model_id = NULL;
    if (path_id != NULL) HST_TRY(add_named(call, selection, NULL, path_id, err));
    HST_TRY(hst_fields_text(call, "model_id", &model_id, err));
    if (model_id != NULL) HST_TRY(hst_select_model(call->service, model_id, &model, err));
    HST_TRY(add_list(call, selection, model, "components", err));
    HST_TRY(add_list(call, selection, model, "component_ids", err));
    return model != NULL ? add_model(selection, model, &item, err) : HST_OK;
}

/* Hand the selection over when it was read. */
static int give(int status, struct hst_selection *selection, struct hst_selection *ret_selection)
{
    if (status < 0)
        hst_selection_fini(selection);
    else
        *ret_selection = *selection;
    return status;
}

int hst_selection_read(const struct hst_call *call, const char *path_id, struct hst_selection *ret_selection, struct hst_error *err)
{
    struct hst_selection selection = {0};
    return give(read_all(call, path_id, &selection, err), &selection, ret_selection);
}

int hst_selection_read_of(const struct hst_call *call, const struct hst_model *model, struct hst_selection *ret_selection, struct hst_error *err)
{
    struct hst_selection selection = {0};
    return give(add_list(call, &selection, model, "components", err), &selection, ret_selection);
}

bool hst_selection_has(const struct hst_selection *selection, const struct hst_component *component)
{
    for (size_t i = 0; i < selection->count; i++)
        if (strcmp(selection->items[i].model->id, component->model->id) == 0) return selection->items[i].roles == NULL || has_role(&selection->items[i], component->role);
    return false;
}

void hst_selection_fini(struct hst_selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        free(selection->items[i].roles);
    free(selection->items);
    *selection = (struct hst_selection){0};
}

/* How good a place it is: bytes of the model that are there, whether the rest fits without evicting, and room. */
struct place {
    uint64_t present_bytes;
    bool fits;
    uint64_t room_bytes;
};

static struct place look_at(const struct hst_service *service, const struct hst_device *device, const struct hst_model *model)
{
    struct place place = {0};
    uint64_t free_bytes = hst_device_available(device);
    for (size_t i = 0; i < model->component_count; i++)
        if (hst_loader_find(service->config.loader, &model->components[i], device) != NULL) place.present_bytes += model->components[i].size_bytes;
    place.fits = free_bytes >= model->size_bytes - hst_min_u64(model->size_bytes, place.present_bytes);
    place.room_bytes = place.fits ? free_bytes : free_bytes + hst_loader_evictable_bytes(service->config.loader, device);
    return place;
}

static bool is_better(const struct place *a, const struct place *b)
{
    if (a->present_bytes != b->present_bytes) return a->present_bytes > b->present_bytes;
    if (a->fits != b->fits) return a->fits;
    return a->room_bytes > b->room_bytes;
}

struct hst_device *hst_select_place(const struct hst_service *service, const struct hst_model *model)
{
    struct hst_device *const *devices = service->config.devices, *best = devices[0];
    struct place best_place = look_at(service, best, model);
    for (size_t i = 1; i < service->config.device_count; i++) {
        struct place place = look_at(service, devices[i], model);
        if (devices[i]->ops != best->ops && strcmp(devices[i]->ops->kind, best->ops->kind) != 0) continue;
        if (!is_better(&place, &best_place)) continue;
        best = devices[i];
        best_place = place;
    }
    return best;
}
