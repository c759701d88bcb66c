/* Handing weights over: made resident if they are not, leased, described. */
#include "base/cleanup.h"
#include "catalog/config.h"
#include "model/layout.h"
#include "service/index.h"
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/preload.h"
#include "service/recorder.h"
#include "service/select.h"
#include "service/usekey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Somebody waits for a load. */
struct open {
    struct hst_list node;
    struct hst_service *service; /* NULL once the service is gone */
    uint64_t ticket;
    hst_open_fn fn;              /* NULL once the asker is gone */
    void *context;
    struct hst_device *device;   /* NULL = hold only */
    bool hold;
    bool as_stored;              /* whoever names a file reads it as it is */
    bool share;                  /* of a device with memory of its own: the one copy, not one of their own */
    int32_t pid;
    char domain[32];
};

/* What to open: components of one model. */
struct target {
    struct hst_component **components; /* borrowed pointers in an owned array */
    const char **roles;                /* their roles, likewise */
    size_t count;
    struct hst_model *model;
};

static void target_fini(struct target *target)
{
    free(target->components);
    free(target->roles);
}

static void add(struct target *target, struct hst_component *component)
{
    for (size_t i = 0; i < target->count; i++)
        if (target->components[i] == component) return;
    target->components[target->count] = component;
    target->roles[target->count++] = component->role;
}

static int make_room(struct target *target, struct hst_error *err)
{
    target->components = calloc(target->model->component_count + 1, sizeof(struct hst_component *));
    target->roles = calloc(target->model->component_count + 1, sizeof(const char *));
    return target->components != NULL && target->roles != NULL ? HST_OK : hst_error_nomem(err);
}

/* Whoever maps what is in a file wants that and no more: a part of a component is not to be had, nor a tensor that is of none. */
static int find_by_file(const struct hst_service *service, const struct hst_open_request *request, struct target *target, struct hst_error *err)
{
    size_t file;
    target->model = hst_catalog_find_file(service->config.catalog, request->file_id, &file);
    if (target->model == NULL) return hst_error_set(err, HST_E_MODEL_NOT_FOUND, "the catalog knows no model with this file");
    if (!request->hold && !hst_layout_is_whole(target->model, file))
        return hst_error_set(err, HST_E_INCOMPATIBLE, "the components of %s do not have just what is in this file; open it by its id", target->model->id);
    HST_TRY(make_room(target, err));
    for (size_t i = 0; i < target->model->component_count; i++)
        if (hst_layout_touches(&target->model->components[i], file)) add(target, &target->model->components[i]);
    return HST_OK;
}

static int find_by_id(const struct hst_service *service, const struct hst_open_request *request, struct target *target, struct hst_error *err)
{
    HST_TRY(hst_select_model(service, request->model_id, &target->model, err));
    HST_TRY(make_room(target, err));
    for (size_t i = 0; request->roles == NULL && i < target->model->component_count; i++)
        add(target, &target->model->components[i]);
    for (size_t i = 0; request->roles != NULL && i < request->role_count; i++) {
        struct hst_component *component = hst_model_component(target->model, request->roles[i]);
        if (component == NULL) return hst_error_set(err, HST_E_COMPONENT_NOT_FOUND, "%s has no component '%s'", request->model_id, request->roles[i]);
        add(target, component);
    }
    return HST_OK;
}

static int find_target(const struct hst_service *service, const struct hst_open_request *request, struct target *target, struct hst_error *err)
{
    if (request->model_id != NULL) return find_by_id(service, request, target, err);
    if (request->file_id != NULL) return find_by_file(service, request, target, err);
    return hst_error_set(err, HST_E_INVALID_ARGUMENT, "name a model_id, or send an fd");
}

static struct hst_residency **collect(const struct hst_service *service, struct hst_component *const *components, const char *const *precisions, size_t count)
{
    struct hst_residency **held = calloc(count + 1, sizeof(struct hst_residency *));
    for (size_t i = 0; held != NULL && i < count; i++)
        held[i] = hst_cache_find_as(service->config.cache, components[i], precisions != NULL ? precisions[i] : NULL);
    return held;
}

/* What was opened: components, in which precision each, and what of them is on the device. */
struct found {
    const struct hst_model *model;
    struct hst_component *const *components;
    const char *const *precisions;  /* NULL = as stored */
    struct hst_loaded *const *loaded; /* of a device with memory of its own; else NULL */
    size_t count;
};

static bool owns_memory(const struct open *open)
{
    return open->device != NULL && !open->device->ops->references_ram;
}

static json_t *describe(const struct open *open, const struct found *found, uint64_t lease_id)
{
    json_t *roles = json_array();
    for (size_t i = 0; i < found->count; i++)
        json_array_append_new(roles, json_string(found->components[i]->role));
    json_t *body = json_pack("{s:o, s:s, s:o, s:o}", "lease_id", hst_jsonx_size(lease_id), "model_id", found->model->id, "generation", hst_jsonx_size(found->model->generation),
                             "components", roles);
    if (!owns_memory(open)) return body;
    json_object_set_new(body, "device_id", json_string(open->device->id));
    json_object_set_new(body, "device_uuid", json_string(open->device->uuid));
    json_object_set_new(body, "shared", json_boolean(open->share));
    return body;
}

/* Of what is in RAM. */
static int lease_ram(const struct open *open, const struct found *found, struct hst_index_entry **ret_index, uint64_t *ret_lease_id, int *ret_pipe_fd, struct hst_error *err)
{
    struct hst_service *service = open->service;
    HST_AUTO(hst_freep) struct hst_residency **held = collect(service, found->components, found->precisions, found->count);
    if (held == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < found->count; i++)
        if (held[i] == NULL) return hst_error_set(err, HST_E_FILE_CHANGED, "the file of %s changed meanwhile", found->components[i]->id);
    for (size_t i = 0; open->hold && i < found->count; i++)
        hst_cache_lend(service->config.cache, held[i]);
    if (!open->hold) HST_TRY(hst_index_get(service, held, found->count, ret_index, err));
    return hst_cache_lease(service->config.cache, held, found->count, open->pid, open->domain, open->device != NULL ? open->device->id : "host:0", ret_lease_id, ret_pipe_fd, err);
}

/* Of what is on a device with memory of its own. */
static int lease_device(const struct open *open, const struct found *found, struct hst_index_entry **ret_index, uint64_t *ret_lease_id, int *ret_pipe_fd, struct hst_error *err)
{
    struct hst_holder holder = {.pid = open->pid};
    snprintf(holder.domain, sizeof holder.domain, "%s", open->domain);
    snprintf(holder.device_id, sizeof holder.device_id, "%s", open->device->id);
    HST_TRY(hst_index_get_loaded(open->service, found->loaded, found->count, ret_index, err));
    return hst_loader_lease(open->service->config.loader, found->loaded, found->count, &holder, ret_lease_id, ret_pipe_fd, err);
}

/* A lease of all of it; its pipe end is put where the fds of the answer are. */
static int lease(const struct open *open, const struct found *found, struct hst_opened *ret_opened, uint64_t *ret_lease_id, int *ret_pipe_fd, struct hst_error *err)
{
    struct hst_index_entry *index = NULL;
    if (owns_memory(open))
        HST_TRY(lease_device(open, found, &index, ret_lease_id, ret_pipe_fd, err));
    else
        HST_TRY(lease_ram(open, found, &index, ret_lease_id, ret_pipe_fd, err));
    *ret_opened = (struct hst_opened){.fds = ret_pipe_fd, .fd_count = 1};
    if (index == NULL) return HST_OK;
    index->fds[1] = *ret_pipe_fd;
    *ret_opened = (struct hst_opened){.fds = index->fds, .fd_count = index->fd_count};
    return HST_OK;
}

static void fail(struct open *open, const struct hst_error *error)
{
    if (open->service != NULL) open->service->counts.open_failures++;
    if (open->fn != NULL) open->fn(open->context, NULL, error);
}

static void finish(struct open *open, const struct found *found)
{
    HST_AUTO(hst_closep) int pipe_fd = -1;
    struct hst_opened opened;
    struct hst_error error = {0};
    uint64_t lease_id;
    if (open->fn == NULL || open->service == NULL) return;
    if (lease(open, found, &opened, &lease_id, &pipe_fd, &error) < 0) {
        fail(open, &error);
        return;
    }
    opened.body = describe(open, found, lease_id);
    open->service->counts.opens++;
    open->fn(open->context, &opened, NULL);
    json_decref(opened.body);
}

static void on_ended(void *context, const struct hst_job *job)
{
    struct open *open = context;
    if (job->error.status < 0)
        fail(open, &job->error);
    else
        finish(open, &(struct found){job->model, job->components, job->precisions, job->loaded, job->component_count});
    hst_list_remove(&open->node);
    free(open);
}

static bool is_in_ram(const struct open *open, const struct hst_component *component)
{
    const struct hst_residency *held = hst_cache_find(open->service->config.cache, component);
    return held != NULL && held->state == HST_RESIDENCY_CACHED && !held->stale;
}

/* Is all of it where it is asked for, with nothing to check or load? What is to be somebody's own never is. */
static bool is_ready(const struct open *open, const struct target *target)
{
    if (owns_memory(open) && !open->share) return false;
    for (size_t i = 0; i < target->count; i++) {
        if (!owns_memory(open) && !is_in_ram(open, target->components[i])) return false;
        if (open->device != NULL && hst_loader_find(open->service->config.loader, target->components[i], open->device) == NULL) return false;
    }
    return target->model->state == HST_MODEL_OK;
}

static void touch(const struct open *open, const struct target *target)
{
    char key[HST_PATTERN_KEY_MAX];
    const struct hst_service_config *config = &open->service->config;
    for (size_t i = 0; i < target->count; i++) {
        struct hst_loaded *loaded = open->device != NULL ? hst_loader_find(config->loader, target->components[i], open->device) : NULL;
        hst_cache_touch(config->cache, target->components[i], hst_cache_find(config->cache, target->components[i]));
        if (loaded != NULL) hst_loader_touch(config->loader, loaded);
    }
    hst_usekey_write(key, target->model, target->components, target->count, NULL);
    hst_recorder_use(open->service->recorder, key, 0);
    hst_preload_wake(open->service->preload);
}

/* Load first. `ended` may have run when this returns. */
static int start(struct open *open, const struct target *target, const char *precision, struct hst_error *err)
{
    struct hst_job *job;
    struct hst_load_request request = {.model = target->model, .roles = target->roles, .role_count = target->count, .device = open->device, .precision = precision,
                                       .alone = owns_memory(open) && !open->share, .as_stored = open->as_stored};
    hst_list_append(&open->service->opens, &open->node);
    int status = hst_loader_start(open->service->config.loader, &request, on_ended, open, &job, err);
    if (status < 0) hst_list_remove(&open->node);
    return status;
}

static int make(struct hst_service *service, const struct hst_open_request *request, hst_open_fn fn, void *context, struct open **ret_open, struct hst_error *err)
{
    struct hst_device *device = NULL;
    if (!request->hold) HST_TRY(hst_select_device(service, request->device_id != NULL ? request->device_id : "host:0", &device, err));
    struct open *open = calloc(1, sizeof *open);
    if (open == NULL) return hst_error_nomem(err);
    *open = (struct open){.service = service, .ticket = ++service->next_ticket, .fn = fn, .context = context, .device = device, .hold = request->hold, .as_stored = request->model_id == NULL, .share = request->share, .pid = request->peer.pid};
    snprintf(open->domain, sizeof open->domain, "%s", request->domain != NULL ? request->domain : "client");
    hst_list_init(&open->node);
    *ret_open = open;
    return HST_OK;
}

/* All of it is there. */
static int answer(struct open *open, const struct target *target, struct hst_error *err)
{
    HST_AUTO(hst_freep) struct hst_loaded **loaded = calloc(target->count + 1, sizeof(struct hst_loaded *));
    if (loaded == NULL) {
        free(open);
        return hst_error_nomem(err);
    }
    for (size_t i = 0; owns_memory(open) && i < target->count; i++)
        loaded[i] = hst_loader_find(open->service->config.loader, target->components[i], open->device);
    touch(open, target);
    finish(open, &(struct found){target->model, target->components, NULL, loaded, target->count});
    free(open);
    return HST_OK;
}

/* Answer from what is there, or start a load. @return the ticket, 0 when answered */
static int proceed(struct open *open, const struct target *target, const char *precision, uint64_t *ret_ticket, struct hst_error *err)
{
    struct hst_service *service = open->service;
    uint64_t ticket = open->ticket;
    if (precision == NULL && is_ready(open, target)) {
        return answer(open, target, err);
    }
    int status = start(open, target, precision, err);
    if (status < 0)
        free(open);
    else
        HST_LIST_FOREACH(node, &service->opens)
            if (hst_container_of(node, struct open, node)->ticket == ticket) *ret_ticket = ticket;
    return status;
}

/* What is asked for, or wished for the model; NULL = as stored, as it is for programs that read the file itself. */
static const char *precision_of(const struct hst_service *service, const struct hst_open_request *request, const struct hst_model *model)
{
    const char *wished = hst_config_of(service->config.catalog, model->id)->precision;
    if (request->precision != NULL || request->model_id == NULL) return request->precision;
    return wished[0] != '\0' ? wished : NULL;
}

uint64_t hst_service_open(struct hst_service *service, const struct hst_open_request *request, hst_open_fn fn, void *context)
{
    HST_AUTO(target_fini) struct target target = {0};
    struct hst_error error = {0};
    struct open *open;
    uint64_t ticket = 0;
    int status = find_target(service, request, &target, &error);
    if (status == HST_OK) status = make(service, request, fn, context, &open, &error);
    if (status == HST_OK) status = proceed(open, &target, precision_of(service, request, target.model), &ticket, &error);
    if (status < 0) {
        service->counts.open_failures++;
        fn(context, NULL, &error);
    }
    return ticket;
}

void hst_service_forget_open(struct hst_service *service, uint64_t ticket)
{
    HST_LIST_FOREACH(node, &service->opens)
        if (hst_container_of(node, struct open, node)->ticket == ticket) hst_container_of(node, struct open, node)->fn = NULL;
}

void hst_open_fail_all(struct hst_service *service, const struct hst_error *error)
{
    HST_LIST_FOREACH(node, &service->opens) {
        struct open *open = hst_container_of(node, struct open, node);
        fail(open, error);
        open->fn = NULL;
        open->service = NULL;
        hst_list_remove(node);
    }
}
