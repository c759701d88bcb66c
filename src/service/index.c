#include "service/index.h"

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "cache/recast.h"
#include "os/memfd.h"
#include "proto/index.h"
#include "service/internal.h"

#include <stdlib.h>
#include <string.h>

enum { DATA = 2 }; /* place of the first data fd in hst_index_entry.fds; the pipe comes before it */

/* An index under construction. */
struct draft {
    struct hst_index_segment *segments;
    struct hst_index_component *components;
    struct hst_index_tensor *tensors;
    size_t segment_count;
    size_t component_count;
    size_t tensor_count;
};

static void draft_fini(struct draft *draft)
{
    free(draft->segments);
    free(draft->components);
    free(draft->tensors);
}

static void free_entry(struct hst_index_entry *entry)
{
    if (entry == NULL) return;
    if (entry->fds != NULL && entry->fd_count > 0) hst_closep(&entry->fds[0]);
    free(entry->fds);
    free(entry->key);
    free(entry);
}

/* "\nMODEL:ROLE#GENERATION@PRECISION" for each: a component's name is found in it with the newline before and the '#' after. */
static char *make_key(struct hst_residency *const *residencies, size_t count)
{
    struct hst_strbuf key = {0};
    for (size_t i = 0; i < count; i++)
        hst_strbuf_printf(&key, "\n%s#%llu@%s", residencies[i]->component->id, (unsigned long long)residencies[i]->component->model->generation,
                          residencies[i]->recast != NULL ? residencies[i]->recast->precision : "");
    if (count == 0) hst_strbuf_puts(&key, "\n");
    return hst_strbuf_take(&key);
}

static int add_up(struct hst_residency *const *residencies, size_t count, struct draft *draft, struct hst_index_entry *entry, struct hst_error *err)
{
    size_t segments = 0, tensors = 0;
    for (size_t i = 0; i < count; i++) {
        segments += residencies[i]->segment_count;
        tensors += residencies[i]->component->tensor_count;
    }
    draft->segments = calloc(segments + 1, sizeof *draft->segments);
    draft->components = calloc(count + 1, sizeof *draft->components);
    draft->tensors = calloc(tensors + 1, sizeof *draft->tensors);
    entry->fds = calloc(segments + DATA, sizeof *entry->fds);
    if (draft->segments == NULL || draft->components == NULL || draft->tensors == NULL || entry->fds == NULL) return hst_error_nomem(err);
    return HST_OK;
}

/* Which data fd this is; one that is new is added. */
static size_t place_fd(struct hst_index_entry *entry, int fd)
{
    for (size_t i = DATA; i < entry->fd_count; i++)
        if (entry->fds[i] == fd) return i - DATA;
    entry->fds[entry->fd_count++] = fd;
    return entry->fd_count - 1 - DATA;
}

static void add_residency(const struct hst_residency *held, struct draft *draft, struct hst_index_entry *entry)
{
    size_t first = draft->segment_count, index = draft->component_count++;
    draft->components[index].role = held->component->role;
    for (size_t i = 0; i < held->segment_count; i++)
        draft->segments[draft->segment_count++] =
            (struct hst_index_segment){place_fd(entry, held->segments[i].fd), held->segments[i].offset, held->segments[i].size_bytes, held->backing};
    for (size_t i = 0; i < held->component->tensor_count; i++) {
        const struct hst_tensor *tensor = held->component->tensors[i].tensor;
        draft->tensors[draft->tensor_count++] = (struct hst_index_tensor){.name = tensor->name,
                                                                          .shape = tensor->shape,
                                                                          .rank = tensor->rank,
                                                                          .dtype = hst_recast_dtype(held->recast, held->component, i),
                                                                          .component = index,
                                                                          .segment = first + held->placements[i].segment,
                                                                          .offset = held->placements[i].offset,
                                                                          .size_bytes = hst_recast_bytes(held->recast, held->component, i)};
    }
}

static int encode(struct draft *draft, struct hst_index_entry *entry, struct hst_error *err)
{
    HST_AUTO(hst_freep) void *bytes = NULL;
    size_t length;
    if (entry->fd_count > HST_INDEX_FDS_MAX)
        return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "it lies in %zu files; %u can be handed over at once", entry->fd_count - DATA, HST_INDEX_FDS_MAX - DATA);
    struct hst_index_content content = {draft->segments, draft->segment_count, draft->components, draft->component_count, draft->tensors, draft->tensor_count};
    HST_TRY(hst_index_encode(&content, &bytes, &length, err));
    int fd = hst_memfd_from_bytes("hoist-index", bytes, length, err);
    if (fd < 0) return fd;
    entry->fds[0] = fd;
    entry->bytes = length;
    return HST_OK;
}

static int build(struct hst_residency *const *residencies, size_t count, struct hst_index_entry *entry, struct hst_error *err)
{
    HST_AUTO(draft_fini) struct draft draft = {0};
    HST_TRY(add_up(residencies, count, &draft, entry, err));
    entry->fd_count = DATA;
    entry->fds[0] = -1;
    for (size_t i = 0; i < count; i++)
        add_residency(residencies[i], &draft, entry);
    return encode(&draft, entry, err);
}

static int make(struct hst_service *service, struct hst_residency *const *residencies, size_t count, char *key, struct hst_index_entry **ret_entry,
                struct hst_error *err)
{
    struct hst_index_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return hst_error_nomem(err);
    int status = build(residencies, count, entry, err);
    entry->key = status == HST_OK ? key : NULL;
    if (status == HST_OK) status = hst_map_put_str(&service->indexes, key, entry);
    if (status == HST_OK) {
        *ret_entry = entry;
        return HST_OK;
    }
    entry->key = NULL;
    free_entry(entry);
    return status;
}

int hst_index_get(struct hst_service *service, struct hst_residency *const *residencies, size_t count, struct hst_index_entry **ret_entry,
                  struct hst_error *err)
{
    char *key = make_key(residencies, count);
    if (key == NULL) return hst_error_nomem(err);
    *ret_entry = hst_map_get_str(&service->indexes, key);
    int status = *ret_entry != NULL ? HST_OK : make(service, residencies, count, key, ret_entry, err);
    if (status < 0 || (*ret_entry)->key != key) free(key);
    return status;
}

static bool names(const struct hst_index_entry *entry, const char *component_id)
{
    size_t length = strlen(component_id);
    for (const char *at = entry->key; (at = strchr(at, '\n')) != NULL; at++)
        if (strncmp(at + 1, component_id, length) == 0 && at[1 + length] == '#') return true;
    return false;
}

void hst_index_forget(struct hst_service *service, const struct hst_component *component)
{
    size_t cursor = 0;
    for (struct hst_index_entry *entry; (entry = hst_map_next(&service->indexes, &cursor));) {
        if (!names(entry, component->id)) continue;
        hst_map_remove_str(&service->indexes, entry->key);
        free_entry(entry);
    }
}

void hst_index_forget_all(struct hst_service *service)
{
    size_t cursor = 0;
    for (struct hst_index_entry *entry; (entry = hst_map_next(&service->indexes, &cursor));)
        free_entry(entry);
    hst_map_fini(&service->indexes);
}
