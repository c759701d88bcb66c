#include "load/allocation.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "formats/dtype.h"
#include "load/internal.h"
#include "load/limits.h"

#include <stdlib.h>
#include <string.h>

/* ---- blocks ---- */

static struct hst_block *ref(struct hst_block *block)
{
    block->refs++;
    return block;
}

uint64_t hst_block_unref(struct hst_block *block)
{
    if (block == NULL || --block->refs > 0) return 0;
    uint64_t bytes = block->size_bytes;
    if (block->memory != NULL) block->device->ops->release(block->memory);
    hst_device_unreserve(block->device, bytes);
    free(block);
    return bytes;
}

struct hst_block *hst_block_restore(struct hst_device *device, uint64_t size_bytes)
{
    struct hst_block *block = calloc(1, sizeof *block);
    if (block == NULL) return NULL;
    *block = (struct hst_block){.refs = 1, .device = device, .size_bytes = size_bytes};
    hst_device_charge(device, size_bytes);
    return block;
}

/* ---- equal tensors that are there ---- */

/* Where a tensor lies in RAM: the same place is the same bytes. */
struct place {
    const struct hst_region *region;
    uint64_t offset;
    uint64_t size_bytes;
};

/* A tensor on the device. */
struct there {
    struct place place; /* its key */
    const struct hst_allocation *allocation;
    size_t tensor;
};

/* All of them. */
struct shore {
    struct there *items;
    size_t count;
    struct hst_map by_place;
};

static void shore_fini(struct shore *shore)
{
    hst_map_fini(&shore->by_place);
    free(shore->items);
}

static struct place place_of(const struct hst_claim *claim, size_t tensor, uint64_t size_bytes)
{
    struct place place;
    memset(&place, 0, sizeof place); /* it is a key, byte for byte */
    place.region = claim->regions[claim->spots[tensor].segment];
    place.offset = claim->spots[tensor].offset;
    place.size_bytes = size_bytes;
    return place;
}

/* Where RAM has what this entry has on the device, or NULL. */
static const struct hst_claim *claim_of(const struct hst_loader *loader, const struct hst_loaded_entry *entry)
{
    const struct hst_residency *held = hst_loaded_source(loader, &entry->view);
    const struct hst_claim *claim = held != NULL ? hst_claim_of(held) : NULL;
    return claim != NULL && claim->tensor_count == entry->allocation.tensor_count ? claim : NULL;
}

static bool may_share(const struct hst_allocation_wish *wish, const struct hst_loaded_entry *entry)
{
    return entry != wish->except && entry->view.device == wish->device && !entry->suspended && !entry->lost && !entry->view.alone && entry->allocation.spots != NULL;
}

static int add_there(struct shore *shore, const struct hst_allocation *allocation, const struct hst_claim *claim)
{
    for (size_t i = 0; i < allocation->tensor_count; i++) {
        if (allocation->sizes[i] < HST_DEVICE_SHARE_BYTES) continue;
        struct there *there = &shore->items[shore->count++];
        *there = (struct there){place_of(claim, i, allocation->sizes[i]), allocation, i};
        HST_TRY(hst_map_put(&shore->by_place, &there->place, sizeof there->place, there));
    }
    return HST_OK;
}

static int survey(const struct hst_allocation_wish *wish, struct shore *shore, struct hst_error *err)
{
    const struct hst_loader *loader = wish->loader;
    size_t room = 1;
    for (size_t i = 0; i < loader->loaded_count; i++)
        if (may_share(wish, loader->loaded[i])) room += loader->loaded[i]->allocation.tensor_count;
    shore->items = calloc(room, sizeof *shore->items);
    if (shore->items == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < loader->loaded_count; i++) {
        const struct hst_loaded_entry *entry = loader->loaded[i];
        const struct hst_claim *claim = may_share(wish, entry) ? claim_of(loader, entry) : NULL;
        if (claim != NULL && add_there(shore, &entry->allocation, claim) < 0) return hst_error_nomem(err);
    }
    return HST_OK;
}

/* The number of a block among those of an allocation, which is added and referenced when it is none yet. */
static uint32_t enter(struct hst_allocation *allocation, struct hst_block *block)
{
    for (size_t i = 1; i < allocation->block_count; i++)
        if (allocation->blocks[i] == block) return (uint32_t)i;
    allocation->blocks[allocation->block_count++] = ref(block);
    return (uint32_t)(allocation->block_count - 1);
}

static void share(struct hst_allocation *allocation, size_t tensor, const struct there *there)
{
    const struct hst_allocation_spot *spot = &there->allocation->spots[there->tensor];
    allocation->spots[tensor] = (struct hst_allocation_spot){enter(allocation, there->allocation->blocks[spot->block]), spot->segment, spot->offset};
    allocation->shared_bytes += allocation->sizes[tensor];
}

/* Every block on the device might come in. What is elsewhere already is a second key: it follows the first. */
static int share_all(const struct hst_allocation_wish *wish, struct hst_allocation *allocation, bool *elsewhere, struct hst_error *err)
{
    HST_AUTO(shore_fini) struct shore shore = {0};
    HST_TRY(survey(wish, &shore, err));
    struct hst_block **blocks = calloc(shore.count + 1, sizeof(struct hst_block *));
    if (blocks == NULL) return hst_error_nomem(err);
    free(allocation->blocks);
    allocation->blocks = blocks;
    for (size_t i = 0; i < allocation->tensor_count; i++) {
        if (elsewhere[i] || allocation->sizes[i] < HST_DEVICE_SHARE_BYTES) continue;
        struct place place = place_of(wish->claim, i, allocation->sizes[i]);
        const struct there *there = hst_map_get(&shore.by_place, &place, sizeof place);
        elsewhere[i] = there != NULL;
        if (there != NULL) share(allocation, i, there);
    }
    return HST_OK;
}

/* ---- drafting ---- */

/* Is it the same as the last one that has bytes: two keys for one range of the file? */
static bool is_alias(const struct hst_allocation_wish *wish, size_t last, size_t tensor)
{
    const struct hst_component_tensor *a = &wish->component->tensors[last], *b = &wish->component->tensors[tensor];
    return last < tensor && a->file == b->file && a->tensor->offset == b->tensor->offset && a->tensor->size_bytes == b->tensor->size_bytes &&
           hst_recast_dtype(wish->recast, wish->component, last) == hst_recast_dtype(wish->recast, wish->component, tensor);
}

/* Mark the second keys of ranges; `alias_of` says of which. */
static void find_aliases(const struct hst_allocation_wish *wish, const struct hst_allocation *allocation, size_t *alias_of)
{
    size_t last = 0;
    for (size_t i = 0; i < allocation->tensor_count; i++) {
        alias_of[i] = i;
        if (allocation->sizes[i] == 0) continue;
        if (is_alias(wish, last, i))
            alias_of[i] = last;
        else
            last = i;
    }
}

/* Where what is its own lies, and second keys where the first are. */
static void take_spots(struct hst_allocation *allocation, const bool *elsewhere, const size_t *alias_of)
{
    for (size_t i = 0; i < allocation->tensor_count; i++) {
        if (alias_of[i] != i)
            allocation->spots[i] = allocation->spots[alias_of[i]];
        else if (!elsewhere[i])
            allocation->spots[i] = (struct hst_allocation_spot){0, allocation->layout.spots[i].segment, allocation->layout.spots[i].offset};
    }
}

static int measure(const struct hst_allocation_wish *wish, struct hst_allocation *allocation, struct hst_error *err)
{
    size_t count = wish->component->tensor_count;
    allocation->spots = calloc(count + 1, sizeof *allocation->spots);
    allocation->sizes = calloc(count + 1, sizeof *allocation->sizes);
    if (allocation->spots == NULL || allocation->sizes == NULL) return hst_error_nomem(err);
    allocation->tensor_count = count;
    for (size_t i = 0; i < count; i++)
        allocation->sizes[i] = hst_recast_bytes(wish->recast, wish->component, i);
    return HST_OK;
}

static int draft_tensors(const struct hst_allocation_wish *wish, struct hst_allocation *allocation, struct hst_error *err)
{
    size_t count = wish->component->tensor_count;
    HST_AUTO(hst_freep) bool *elsewhere = calloc(count + 1, sizeof *elsewhere);
    HST_AUTO(hst_freep) size_t *alias_of = calloc(count + 1, sizeof *alias_of);
    if (elsewhere == NULL || alias_of == NULL) return hst_error_nomem(err);
    HST_TRY(measure(wish, allocation, err));
    find_aliases(wish, allocation, alias_of);
    for (size_t i = 0; i < count; i++)
        elsewhere[i] = alias_of[i] != i;
    if (wish->claim != NULL && !wish->alone) HST_TRY(share_all(wish, allocation, elsewhere, err));
    HST_TRY(hst_device_layout_make(allocation->sizes, elsewhere, count, wish->device->ops->granularity, &allocation->layout, err));
    take_spots(allocation, elsewhere, alias_of);
    return HST_OK;
}

static int draft(const struct hst_allocation_wish *wish, struct hst_allocation *allocation, struct hst_error *err)
{
    allocation->device = wish->device;
    allocation->blocks = calloc(1, sizeof(struct hst_block *));
    if (allocation->blocks == NULL) return hst_error_nomem(err);
    allocation->block_count = 1;
    if (!wish->device->ops->references_ram) return draft_tensors(wish, allocation, err);
    return hst_device_layout_make(&wish->size_bytes, NULL, 1, 1, &allocation->layout, err);
}

int hst_allocation_draft(const struct hst_allocation_wish *wish, struct hst_allocation *ret_allocation, struct hst_error *err)
{
    struct hst_allocation allocation = {0};
    int status = draft(wish, &allocation, err);
    if (status < 0)
        hst_allocation_fini(&allocation);
    else
        *ret_allocation = allocation;
    return status;
}

/* ---- its life ---- */

bool hst_allocation_has_own(const struct hst_allocation *allocation)
{
    return allocation->layout.segment_count > 0;
}

int hst_allocation_reserve(struct hst_allocation *allocation, struct hst_error *err)
{
    if (!hst_allocation_has_own(allocation)) return HST_OK;
    struct hst_block *block = calloc(1, sizeof *block);
    if (block == NULL) return hst_error_nomem(err);
    *block = (struct hst_block){.refs = 1, .device = allocation->device, .size_bytes = allocation->layout.size_bytes};
    int status = hst_device_reserve(allocation->device, block->size_bytes, err);
    if (status < 0)
        free(block);
    else
        allocation->blocks[0] = block;
    return status;
}

void hst_allocation_retract(struct hst_allocation *allocation)
{
    if (allocation->block_count > 0) hst_block_unref(hst_steal(&allocation->blocks[0]));
}

uint64_t hst_allocation_fini(struct hst_allocation *allocation)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < allocation->block_count; i++)
        bytes += hst_block_unref(allocation->blocks[i]);
    hst_device_layout_fini(&allocation->layout);
    free(allocation->blocks);
    free(allocation->spots);
    free(allocation->sizes);
    *allocation = (struct hst_allocation){0};
    return bytes;
}

/* Where it lies. */
static void find_source(struct hst_device_extent *extent, const struct hst_allocation_source *source, size_t tensor)
{
    if (source->residency == NULL) {
        extent->fd = (int)source->component->tensors[tensor].file;
        extent->offset = source->component->tensors[tensor].tensor->offset;
        return;
    }
    const struct hst_placement *placement = &source->residency->placements[tensor];
    const struct hst_segment *segment = &source->residency->segments[placement->segment];
    extent->fd = segment->fd;
    extent->offset = segment->offset + placement->offset;
}

static struct hst_device_extent extent_of(const struct hst_allocation *allocation, const struct hst_allocation_source *source, size_t tensor)
{
    const struct hst_allocation_spot *spot = &allocation->spots[tensor];
    struct hst_device_extent extent = {.size_bytes = allocation->sizes[tensor], .segment = spot->segment, .to = spot->offset};
    find_source(&extent, source, tensor);
    if (source->recast == NULL) return extent;
    const struct hst_tensor *stored = source->component->tensors[tensor].tensor;
    extent.size_bytes = stored->size_bytes;
    if (stored->dtype == source->recast->dtypes[tensor]) return extent;
    extent.from_dtype = stored->dtype;
    extent.to_dtype = source->recast->dtypes[tensor];
    return extent;
}

/* Bytes of it on the device. */
static uint64_t arriving_bytes(const struct hst_device_extent *extent)
{
    if (extent->from_dtype == extent->to_dtype) return extent->size_bytes;
    return extent->size_bytes / hst_dtype_bits(hst_dtype_info(extent->from_dtype)) * hst_dtype_bits(hst_dtype_info(extent->to_dtype));
}

/* What follows on both sides is one. */
static bool join(struct hst_device_extent *last, const struct hst_device_extent *next)
{
    bool alike = last->fd == next->fd && last->segment == next->segment && last->from_dtype == next->from_dtype && last->to_dtype == next->to_dtype;
    if (!alike || last->offset + last->size_bytes != next->offset || last->to + arriving_bytes(last) != next->to) return false;
    last->size_bytes += next->size_bytes;
    return true;
}

static size_t list_tensors(const struct hst_allocation *allocation, const struct hst_allocation_source *source, struct hst_device_extent *extents)
{
    size_t count = 0;
    for (size_t i = 0; i < allocation->tensor_count; i++) {
        if (allocation->spots[i].block != 0 || allocation->sizes[i] == 0) continue;
        struct hst_device_extent extent = extent_of(allocation, source, i);
        if (count == 0 || !join(&extents[count - 1], &extent)) extents[count++] = extent;
    }
    return count;
}

static size_t list_segments(const struct hst_residency *residency, struct hst_device_extent *extents)
{
    uint64_t to = 0;
    for (size_t i = 0; i < residency->segment_count; i++) {
        const struct hst_segment *segment = &residency->segments[i];
        extents[i] = (struct hst_device_extent){.fd = segment->fd, .offset = segment->offset, .size_bytes = segment->size_bytes, .to = to};
        to += segment->size_bytes;
    }
    return residency->segment_count;
}

int hst_allocation_extents(const struct hst_allocation *allocation, const struct hst_allocation_source *source, struct hst_device_extent **ret_extents, size_t *ret_count,
                           struct hst_error *err)
{
    size_t segments = source->residency != NULL ? source->residency->segment_count : 0;
    struct hst_device_extent *extents = calloc(allocation->tensor_count + segments + 1, sizeof *extents);
    if (extents == NULL) return hst_error_nomem(err);
    *ret_count = allocation->spots != NULL ? list_tensors(allocation, source, extents) : list_segments(source->residency, extents);
    *ret_extents = extents;
    return HST_OK;
}

/* Where a tensor of a block is: two that are one are in one place. */
struct lying {
    const struct hst_block *block;
    uint64_t segment;
    uint64_t offset;
    uint64_t size_bytes;
};

static int by_place(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct lying));
}

static size_t list_lying(const struct hst_allocation *allocation, struct lying *rows)
{
    size_t count = 0;
    for (size_t i = 0; allocation->spots != NULL && i < allocation->tensor_count; i++) {
        const struct hst_allocation_spot *spot = &allocation->spots[i];
        if (allocation->sizes[i] > 0) rows[count++] = (struct lying){allocation->blocks[spot->block], spot->segment, spot->offset, allocation->sizes[i]};
    }
    return count;
}

/* Rows in order, each counted once. */
static uint64_t sum_lying(const struct lying *rows, size_t count, size_t *ret_blocks)
{
    uint64_t bytes = 0;
    *ret_blocks = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || by_place(&rows[i - 1], &rows[i]) != 0) bytes += rows[i].size_bytes;
        if (i == 0 || rows[i - 1].block != rows[i].block) ++*ret_blocks;
    }
    return bytes;
}

uint64_t hst_allocation_live(const struct hst_allocation *const *allocations, size_t count, size_t *ret_blocks)
{
    size_t room = 1, found = 0;
    for (size_t i = 0; i < count; i++)
        room += allocations[i]->tensor_count;
    HST_AUTO(hst_freep) struct lying *rows = calloc(room, sizeof *rows);
    if (rows == NULL) return 0;
    for (size_t i = 0; i < count; i++)
        found += list_lying(allocations[i], &rows[found]);
    qsort(rows, found, sizeof *rows, by_place);
    return sum_lying(rows, found, ret_blocks);
}

bool hst_allocation_is_whole(const struct hst_allocation *allocation)
{
    for (size_t i = 0; i < allocation->block_count; i++)
        if (allocation->blocks[i] != NULL && allocation->blocks[i]->refs > 1) return false;
    return true;
}

bool hst_allocation_meets(const struct hst_allocation *a, const struct hst_allocation *b)
{
    for (size_t i = 0; i < a->block_count; i++)
        for (size_t j = 0; a->blocks[i] != NULL && j < b->block_count; j++)
            if (a->blocks[i] == b->blocks[j]) return true;
    return false;
}

/* Bytes of the blocks that go when this one does, too. */
static uint64_t count_going(const struct hst_allocation *allocation)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < allocation->block_count; i++) {
        struct hst_block *block = allocation->blocks[i];
        if (block != NULL && ++block->going == block->refs) bytes += block->size_bytes;
    }
    return bytes;
}

static void forget_going(const struct hst_allocation *allocation)
{
    for (size_t i = 0; i < allocation->block_count; i++)
        if (allocation->blocks[i] != NULL) allocation->blocks[i]->going = 0;
}

uint64_t hst_allocation_freed(const struct hst_allocation *const *allocations, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += count_going(allocations[i]);
    for (size_t i = 0; i < count; i++)
        forget_going(allocations[i]);
    return bytes;
}

uint64_t hst_allocation_guess(const struct hst_device *device, const struct hst_component *component, uint64_t size_bytes)
{
    if (device->ops->references_ram) return size_bytes;
    return hst_round_up(size_bytes + component->tensor_count * (HST_DEVICE_ALIGNMENT / 2), device->ops->granularity);
}
