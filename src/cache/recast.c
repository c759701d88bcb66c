#include "cache/recast.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/limits.h"
#include "os/file.h"
#include "os/place.h"
#include "os/rings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hst_recast *hst_recast_new(const struct hst_component *component, const char *precision)
{
    struct hst_recast *recast = calloc(1, sizeof *recast + component->tensor_count * sizeof recast->dtypes[0]);
    if (recast == NULL) return NULL;
    snprintf(recast->precision, sizeof recast->precision, "%s", precision);
    recast->count = component->tensor_count;
    for (size_t i = 0; i < recast->count; i++)
        recast->dtypes[i] = component->tensors[i].tensor->dtype;
    return recast;
}

struct hst_recast *hst_recast_copy(const struct hst_recast *recast)
{
    size_t size = recast != NULL ? sizeof *recast + recast->count * sizeof recast->dtypes[0] : 0;
    struct hst_recast *copy = size > 0 ? malloc(size) : NULL;
    if (copy != NULL) memcpy(copy, recast, size);
    return copy;
}

enum hst_dtype hst_recast_dtype(const struct hst_recast *recast, const struct hst_component *component, size_t tensor)
{
    return recast != NULL ? recast->dtypes[tensor] : component->tensors[tensor].tensor->dtype;
}

bool hst_recast_same(const struct hst_recast *a, const struct hst_recast *b, const struct hst_component *component)
{
    for (size_t i = 0; i < component->tensor_count; i++)
        if (hst_recast_dtype(a, component, i) != hst_recast_dtype(b, component, i)) return false;
    return true;
}

uint64_t hst_recast_bytes(const struct hst_recast *recast, const struct hst_component *component, size_t tensor)
{
    const struct hst_tensor *row = component->tensors[tensor].tensor;
    uint64_t bytes = row->size_bytes;
    enum hst_dtype dtype = hst_recast_dtype(recast, component, tensor);
    if (dtype != row->dtype) (void)hst_dtype_bytes(dtype, row->elements, &bytes);
    return bytes;
}

uint64_t hst_recast_total(const struct hst_recast *recast, const struct hst_component *component)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < component->tensor_count; i++)
        bytes += hst_recast_bytes(recast, component, i);
    return bytes;
}

/* Read into `room`, from a page on and past the page cache where it would only be there as well. @return where the first byte is, or NULL */
static char *read_piece(const struct hst_fetch *fetch, uint64_t offset, uint64_t length, bool cold, char *room, struct hst_error *err)
{
    const struct hst_region *source = fetch->source;
    uint64_t page = hst_hold_page_size(), from = hst_round_down(offset, page), before = offset - from;
    if (cold && hst_rings_read(fetch->rings, source->direct_fd, from, room, before + length) == HST_OK) return room + before;
    return hst_file_read_at(source->fd, offset, room, length, err) == HST_OK ? room : NULL;
}

int hst_recast_fill(const struct hst_fetch *fetch, const struct hst_converter *converter, struct hst_error *err)
{
    const struct hst_region *source = fetch->source;
    uint64_t page = hst_hold_page_size(), present = hst_hold_resident(source->fd, fetch->source_offset, fetch->size_bytes);
    bool cold = source->direct_fd >= 0 && present < fetch->size_bytes - fetch->size_bytes / 8;
    uint64_t block = cold ? HST_RECAST_COLD_BYTES : HST_RECAST_BYTES;
    char *target = (char *)fetch->region->memory.address + fetch->begin;
    HST_AUTO(hst_freep) char *room = cold ? hst_place_room(block + 2 * page) : aligned_alloc(page, block + 2 * page);
    if (room == NULL) return hst_error_nomem(err);
    for (uint64_t at = 0; at < fetch->size_bytes; at += block) {
        uint64_t length = hst_min_u64(block, fetch->size_bytes - at);
        const char *piece = read_piece(fetch, fetch->source_offset + at, length, cold, room, err);
        if (piece == NULL) return HST_E_IO;
        if (converter != NULL)
            converter->run(piece, target + at / converter->from_bytes * converter->to_bytes, length / converter->from_bytes);
        else
            memcpy(target + at, piece, length);
    }
    return HST_OK;
}
