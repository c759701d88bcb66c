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

/* A component that is described: where its bytes are, and what its tensors are there. */
struct part {
    const struct hst_component *component;
    const struct hst_recast *recast;
    const void *where;  /* what its place is known by: as long as it is there no other has this address */
    uint64_t backing;
    size_t segment_count;
    struct hst_index_segment (*segment)(const struct part *part, size_t i); /* with the descriptor itself in place of its number */
    struct hst_placement (*place)(const struct part *part, size_t tensor);
};

static struct hst_index_segment ram_segment(const struct part *part, size_t i)
{
    const struct hst_segment *segment = &((const struct hst_residency *)part->where)->segments[i];
    return (struct hst_index_segment){(uint64_t)segment->fd, segment->offset, segment->size_bytes, part->backing};
}

static struct hst_placement ram_place(const struct part *part, size_t tensor)
{
    return ((const struct hst_residency *)part->where)->placements[tensor];
}

static struct hst_index_segment device_segment(const struct part *part, size_t i)
{
    const struct hst_device_segment *segment = &((const struct hst_loaded *)part->where)->segments[i];
    return (struct hst_index_segment){(uint64_t)segment->fd, 0, segment->size_bytes, part->backing};
}

static struct hst_placement device_place(const struct part *part, size_t tensor)
{
    const struct hst_device_spot *spot = &((const struct hst_loaded *)part->where)->spots[tensor];
    return (struct hst_placement){spot->segment, spot->offset};
}

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

/* "\nMODEL:ROLE#PLACE" for each: a component's name is found in it with the newline before and the '#' after. */
static char *make_key(const struct part *parts, size_t count)
{
    struct hst_strbuf key = {0};
    for (size_t i = 0; i < count; i++)
        hst_strbuf_printf(&key, "\n%s#%p", parts[i].component->id, parts[i].where);
    if (count == 0) hst_strbuf_puts(&key, "\n");
    return hst_strbuf_take(&key);
}

static int add_up(const struct part *parts, size_t count, struct draft *draft, struct hst_index_entry *entry, struct hst_error *err)
{
    size_t segments = 0, tensors = 0;
    for (size_t i = 0; i < count; i++) {
        segments += parts[i].segment_count;
        tensors += parts[i].component->tensor_count;
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

static void add_part(const struct part *part, struct draft *draft, struct hst_index_entry *entry)
{
    size_t first = draft->segment_count, index = draft->component_count++;
    draft->components[index].role = part->component->role;
    for (size_t i = 0; i < part->segment_count; i++) {
        struct hst_index_segment segment = part->segment(part, i);
        segment.fd = place_fd(entry, (int)segment.fd);
        draft->segments[draft->segment_count++] = segment;
    }
    for (size_t i = 0; i < part->component->tensor_count; i++) {
        const struct hst_tensor *tensor = part->component->tensors[i].tensor;
        struct hst_placement place = part->place(part, i);
        draft->tensors[draft->tensor_count++] = (struct hst_index_tensor){.name = tensor->name,
                                                                          .shape = tensor->shape,
                                                                          .rank = tensor->rank,
                                                                          .dtype = hst_recast_dtype(part->recast, part->component, i),
                                                                          .component = index,
                                                                          .segment = first + place.segment,
                                                                          .offset = place.offset,
                                                                          .size_bytes = hst_recast_bytes(part->recast, part->component, i)};
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

static int build(const struct part *parts, size_t count, struct hst_index_entry *entry, struct hst_error *err)
{
    HST_AUTO(draft_fini) struct draft draft = {0};
    HST_TRY(add_up(parts, count, &draft, entry, err));
    entry->fd_count = DATA;
    entry->fds[0] = -1;
    for (size_t i = 0; i < count; i++)
        add_part(&parts[i], &draft, entry);
    return encode(&draft, entry, err);
}

static int make(struct hst_service *service, const struct part *parts, size_t count, char *key, struct hst_index_entry **ret_entry, struct hst_error *err)
{
    struct hst_index_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return hst_error_nomem(err);
    int status = build(parts, count, entry, err);
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

static int get(struct hst_service *service, const struct part *parts, size_t count, struct hst_index_entry **ret_entry, struct hst_error *err)
{
    char *key = make_key(parts, count);
    if (key == NULL) return hst_error_nomem(err);
    *ret_entry = hst_map_get_str(&service->indexes, key);
    int status = *ret_entry != NULL ? HST_OK : make(service, parts, count, key, ret_entry, err);
    if (status < 0 || (*ret_entry)->key != key) free(key);
    return status;
}

static struct part part_in_ram(const void *item)
{
    const struct hst_residency *held = item;
    return (struct part){held->component, held->recast, held, held->backing, held->segment_count, ram_segment, ram_place};
}

static struct part part_on_device(const void *item)
{
    const struct hst_loaded *loaded = item;
    return (struct part){loaded->component, loaded->recast, loaded, HST_INDEX_DEVICE_MEMORY, loaded->segment_count, device_segment, device_place};
}

/* Of items of one kind. */
static int get_all(struct hst_service *service, void *const *items, size_t count, struct part (*part_of)(const void *item), struct hst_index_entry **ret_entry,
                   struct hst_error *err)
{
    HST_AUTO(hst_freep) struct part *parts = calloc(count + 1, sizeof *parts);
    if (parts == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        parts[i] = part_of(items[i]);
    return get(service, parts, count, ret_entry, err);
}

int hst_index_get(struct hst_service *service, struct hst_residency *const *residencies, size_t count, struct hst_index_entry **ret_entry, struct hst_error *err)
{
    return get_all(service, (void *const *)residencies, count, part_in_ram, ret_entry, err);
}

int hst_index_get_loaded(struct hst_service *service, struct hst_loaded *const *loaded, size_t count, struct hst_index_entry **ret_entry, struct hst_error *err)
{
    return get_all(service, (void *const *)loaded, count, part_on_device, ret_entry, err);
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
