#include "client/internal.h"

#include "base/cleanup.h"
#include "formats/dtype.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { INDEX_FD, PIPE_FD, DATA_FD }; /* the fds of an OPENED */

struct hoist_model {
    _Atomic(size_t) refs;
    char *id;                /* owned */
    struct hst_view index_view;
    struct hst_index index;
    struct hst_view *views;  /* owned, one a segment; of segments in RAM */
    uint64_t *starts;        /* owned: address of each segment */
    struct hst_card card;    /* without a driver: the segments are in RAM */
    uint64_t mapped_bytes;
    int pipe_fd;             /* the lease: closed when nothing is mapped any more */
    struct hoist_model *next; /* among the stranded */
};

/* Models that nobody refers to, and that could not be unmapped: the next one of a card takes them along. */
static struct hoist_model *_Atomic stranded;

static int map_index(struct hoist_model *model, const struct hst_answer *answer, struct hst_error *err)
{
    uint64_t size;
    HST_TRY(hst_view_size(answer->fds[INDEX_FD], &size, err));
    HST_TRY(hst_view_map(answer->fds[INDEX_FD], 0, size, false, &model->index_view, err));
    return hst_index_open(model->index_view.address, size, answer->fd_count - DATA_FD, &model->index, err);
}

/* Of an answer, either all segments are a card's memory or none is, as was asked for. */
static int check_segments(const struct hoist_model *model, struct hst_error *err)
{
    bool on_card = model->card.driver != NULL;
    for (uint64_t i = 0; i < model->index.segment_count; i++) {
        struct hst_index_segment segment = hst_index_segment(&model->index, i);
        if ((segment.backing == HST_INDEX_DEVICE_MEMORY) != on_card) return hst_error_set(err, HST_E_PROTOCOL, "hoistd sent memory of another kind than was asked for");
        if (on_card && segment.offset != 0) return hst_error_set(err, HST_E_PROTOCOL, "hoistd sent a part of a card's memory that begins within it");
    }
    return HST_OK;
}

/* A kernel that reads a number where none can begin ends the context of its process. */
static int check_alignment(const struct hoist_model *model, struct hst_error *err)
{
    for (uint64_t i = 0; i < model->index.tensor_count; i++) {
        struct hst_index_tensor tensor = hst_index_tensor(&model->index, i);
        uint32_t bytes = hst_dtype_bits(hst_dtype_info((enum hst_dtype)tensor.dtype)) / 8;
        if (tensor.size_bytes > 0 && bytes > 0 && tensor.offset % bytes != 0) return hst_error_set(err, HST_E_PROTOCOL, "hoistd put %s at an odd place", tensor.name);
    }
    return HST_OK;
}

static int map_views(struct hoist_model *model, const struct hst_answer *answer, struct hst_error *err)
{
    for (uint64_t i = 0; i < model->index.segment_count; i++) {
        struct hst_index_segment segment = hst_index_segment(&model->index, i);
        HST_TRY(hst_view_map(answer->fds[DATA_FD + segment.fd], segment.offset, segment.size_bytes, true, &model->views[i], err));
        model->starts[i] = (uintptr_t)model->views[i].address;
        model->mapped_bytes += segment.size_bytes;
    }
    return HST_OK;
}

static int map_card(struct hoist_model *model, const struct hst_answer *answer, bool shared, struct hst_error *err)
{
    uint64_t count = model->index.segment_count;
    HST_AUTO(hst_freep) struct hst_cuda_part *parts = calloc(count + 1, sizeof *parts);
    if (parts == NULL) return hst_error_nomem(err);
    for (uint64_t i = 0; i < count; i++) {
        struct hst_index_segment segment = hst_index_segment(&model->index, i);
        parts[i] = (struct hst_cuda_part){answer->fds[DATA_FD + segment.fd], segment.size_bytes};
    }
    HST_TRY(check_alignment(model, err));
    HST_TRY(hst_card_map(&model->card, parts, count, shared, err));
    model->mapped_bytes = model->card.mapping.size_bytes;
    for (uint64_t i = 0, address = model->card.mapping.address; i < count; address += parts[i++].size_bytes)
        model->starts[i] = address;
    return HST_OK;
}

static int map_segments(struct hoist_model *model, const struct hst_answer *answer, bool shared, struct hst_error *err)
{
    model->views = calloc(model->index.segment_count + 1, sizeof *model->views);
    model->starts = calloc(model->index.segment_count + 1, sizeof *model->starts);
    if (model->views == NULL || model->starts == NULL) return hst_error_nomem(err);
    HST_TRY(check_segments(model, err));
    return model->card.driver != NULL ? map_card(model, answer, shared, err) : map_views(model, answer, err);
}

static int read_id(struct hoist_model *model, const json_t *json, struct hst_error *err)
{
    const char *id = json_string_value(json_object_get(json, "model_id"));
    model->id = id != NULL ? strdup(id) : NULL;
    return model->id != NULL ? HST_OK : hst_error_set(err, HST_E_PROTOCOL, "hoistd did not name the model");
}

/* Memory that others read must not be taken for memory of one's own. */
static int check_card(const struct hoist_model *model, const json_t *json, bool shared, struct hst_error *err)
{
    const char *uuid = json_string_value(json_object_get(json, "device_uuid"));
    const json_t *said = json_object_get(json, "shared");
    if (model->card.driver == NULL) return HST_OK;
    if (!hst_card_has_uuid(&model->card, uuid))
        return hst_error_set(err, HST_E_PROTOCOL, "hoistd answered with memory of %s where %s was asked for", uuid != NULL ? uuid : "no card", model->card.uuid);
    return json_is_boolean(said) && json_is_true(said) == shared ? HST_OK : hst_error_set(err, HST_E_PROTOCOL, "hoistd does not say that the memory is %s", shared ? "shared" : "private");
}

static int read_body(struct hoist_model *model, const char *body, bool shared, struct hst_error *err)
{
    json_t *json = json_loads(body, 0, NULL);
    int status = read_id(model, json, err);
    if (status == HST_OK) status = check_card(model, json, shared, err);
    json_decref(json);
    return status;
}

static int fill_in(struct hoist_model *model, struct hst_answer *answer, bool shared, struct hst_error *err)
{
    if (answer->type != HST_FRAME_OPENED || answer->fd_count < DATA_FD)
        return hst_error_set(err, HST_E_PROTOCOL, "hoistd answered with %zu descriptors", answer->fd_count);
    model->pipe_fd = hst_steal_fd(&answer->fds[PIPE_FD]);
    HST_TRY(read_body(model, answer->body, shared, err));
    HST_TRY(map_index(model, answer, err));
    return map_segments(model, answer, shared, err);
}

int hst_model_new(struct hst_answer *answer, struct hst_card *card, bool shared, struct hoist_model **ret_model, struct hst_error *err)
{
    struct hoist_model *model = calloc(1, sizeof *model);
    if (model == NULL) {
        (void)hst_card_close(card);
        return hst_error_nomem(err);
    }
    model->refs = 1;
    model->pipe_fd = -1;
    model->card = *card;
    int status = fill_in(model, answer, shared, err);
    if (status < 0)
        hoist_model_unref(model);
    else
        *ret_model = model;
    return status;
}

struct hoist_model *hoist_model_ref(struct hoist_model *model)
{
    atomic_fetch_add(&model->refs, 1);
    return model;
}

static void strand(struct hoist_model *model)
{
    model->next = atomic_load(&stranded);
    while (!atomic_compare_exchange_weak(&stranded, &model->next, model)) {
    }
}

/* Its memory goes first, then the lease. */
static void end(struct hoist_model *model)
{
    if (!hst_card_close(&model->card)) {
        strand(model);
        return;
    }
    for (uint64_t i = 0; model->views != NULL && i < model->index.segment_count; i++)
        hst_view_unmap(&model->views[i]);
    hst_view_unmap(&model->index_view);
    hst_closep(&model->pipe_fd);
    free(model->views);
    free(model->starts);
    free(model->id);
    free(model);
}

static void end_stranded(void)
{
    struct hoist_model *model = atomic_exchange(&stranded, NULL);
    while (model != NULL) {
        struct hoist_model *next = model->next;
        end(model);
        model = next;
    }
}

void hoist_model_unref(struct hoist_model *model)
{
    if (model == NULL || atomic_fetch_sub(&model->refs, 1) > 1) return;
    if (model->card.driver != NULL) end_stranded();
    end(model);
}

const char *hoist_model_id(const struct hoist_model *model)
{
    return model->id;
}

uint64_t hoist_model_mapped_bytes(const struct hoist_model *model)
{
    return model->mapped_bytes;
}

size_t hoist_model_component_count(const struct hoist_model *model)
{
    return model->index.component_count;
}

const char *hoist_model_component(const struct hoist_model *model, size_t i)
{
    return i < model->index.component_count ? hst_index_component(&model->index, i).role : NULL;
}

size_t hoist_model_tensor_count(const struct hoist_model *model)
{
    return model->index.tensor_count;
}

/* A tensor without bytes has an address all the same, one that may not be read. */
static void *address_of(const struct hoist_model *model, const struct hst_index_tensor *tensor)
{
    static char nothing[1];
    return tensor->size_bytes > 0 ? (void *)(uintptr_t)(model->starts[tensor->segment] + tensor->offset) : nothing;
}

void hoist_model_device(const struct hoist_model *model, struct hoist_device *ret_device)
{
    const struct hst_card *card = &model->card;
    *ret_device = (struct hoist_device){.type = card->driver != NULL ? HOIST_DEVICE_CUDA : HOIST_DEVICE_CPU, .ordinal = card->ordinal, .read_only = card->shared};
    memcpy(ret_device->uuid, card->uuid, sizeof ret_device->uuid);
}

int hoist_model_tensor(const struct hoist_model *model, size_t i, struct hoist_tensor *ret_tensor)
{
    if (i >= model->index.tensor_count) return HST_E_NOT_FOUND;
    struct hst_index_tensor tensor = hst_index_tensor(&model->index, i);
    const struct hst_dtype_info *dtype = hst_dtype_info((enum hst_dtype)tensor.dtype);
    *ret_tensor = (struct hoist_tensor){.name = tensor.name,
                                        .component = tensor.component,
                                        .dtype = dtype->name,
                                        .dtype_code = (uint32_t)tensor.dtype,
                                        .dtype_bits = hst_dtype_bits(dtype),
                                        .rank = (uint32_t)tensor.rank,
                                        .shape = tensor.shape,
                                        .data = address_of(model, &tensor),
                                        .size_bytes = tensor.size_bytes};
    hoist_model_device(model, &ret_tensor->device);
    return HST_OK;
}

int hoist_model_find(const struct hoist_model *model, const char *component, const char *name, struct hoist_tensor *ret_tensor)
{
    for (uint64_t i = 0; i < model->index.tensor_count; i++) {
        struct hst_index_tensor tensor = hst_index_tensor(&model->index, i);
        if (strcmp(tensor.name, name) != 0) continue;
        if (component == NULL || strcmp(hst_index_component(&model->index, tensor.component).role, component) == 0) return hoist_model_tensor(model, i, ret_tensor);
    }
    return HST_E_NOT_FOUND;
}
