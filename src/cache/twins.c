#include "cache/twins.h"

#include "cache/internal.h"
#include "model/layout.h"

#include <stdlib.h>
#include <string.h>

static bool overlap(const struct hst_component_tensor *a, const struct hst_component_tensor *b)
{
    return a->file == b->file && a->tensor->offset < b->tensor->offset + b->tensor->size_bytes && b->tensor->offset < a->tensor->offset + a->tensor->size_bytes;
}

const uint8_t *hst_twins_hash(const struct hst_component *component, size_t tensor)
{
    const struct hst_component_tensor *rows = component->tensors;
    if (rows[tensor].tensor->size_bytes < HST_TWIN_BYTES_MIN) return NULL;
    if (tensor > 0 && overlap(&rows[tensor - 1], &rows[tensor])) return NULL;
    if (tensor + 1 < component->tensor_count && overlap(&rows[tensor], &rows[tensor + 1])) return NULL;
    return hst_layout_hash(component, tensor);
}

static void make_key(uint8_t *key, const uint8_t *hash, uint64_t size_bytes)
{
    memcpy(key, hash, HST_TENSOR_HASH_BYTES);
    memcpy(key + HST_TENSOR_HASH_BYTES, &size_bytes, sizeof size_bytes);
}

/* A file without a lease may be written without warning: what only its own model would see must not be another's. */
static bool may_be_handed_out(const struct hst_region *region)
{
    return !hst_region_is_file(region) || (region->leased && !region->broken);
}

struct hst_mark *hst_twins_find(const struct hst_cache *cache, const uint8_t *hash, uint64_t size_bytes)
{
    uint8_t key[sizeof((struct hst_mark){0}.key)];
    make_key(key, hash, size_bytes);
    struct hst_mark *mark = hst_map_get(&cache->by_content, key, sizeof key);
    return mark != NULL && may_be_handed_out(mark->region) ? mark : NULL;
}

void hst_twins_note(struct hst_cache *cache, const uint8_t *hash, struct hst_region *region, uint64_t offset, uint64_t size_bytes)
{
    if (hst_twins_find(cache, hash, size_bytes) != NULL) return;
    struct hst_mark *mark = calloc(1, sizeof *mark);
    if (mark == NULL) return;
    *mark = (struct hst_mark){.next = region->marks, .region = region, .offset = offset, .size_bytes = size_bytes};
    make_key(mark->key, hash, size_bytes);
    hst_map_remove(&cache->by_content, mark->key, sizeof mark->key); /* one that may not be handed out */
    if (hst_map_put(&cache->by_content, mark->key, sizeof mark->key, mark) < 0) {
        free(mark);
        return;
    }
    region->marks = mark;
}

static void forget(struct hst_mark *mark)
{
    struct hst_map *map = &mark->region->cache->by_content;
    if (hst_map_get(map, mark->key, sizeof mark->key) == mark) hst_map_remove(map, mark->key, sizeof mark->key);
    free(mark);
}

void hst_twins_forget(struct hst_region *region, uint64_t begin, uint64_t end)
{
    for (struct hst_mark **link = &region->marks; *link != NULL;) {
        struct hst_mark *mark = *link;
        if (mark->offset >= end || mark->offset + mark->size_bytes <= begin) {
            link = &mark->next;
            continue;
        }
        *link = mark->next;
        forget(mark);
    }
}

/* Up to what vector instructions of the host want of a tensor's elements. */
static uint64_t alignment(uint64_t offset)
{
    return offset % 8 == 0 ? 8 : offset & -offset;
}

bool hst_twins_suit(const struct hst_mark *mark, uint64_t claim_number, const struct hst_tensor *tensor)
{
    return mark->taken_by != claim_number && alignment(mark->offset) >= alignment(tensor->offset);
}

/* The hash of a tensor in another type: of the one it is made from, and what it becomes. @return false when it is not known */
static bool hash_of(const struct hst_component *component, const struct hst_recast *recast, size_t tensor, uint8_t ret_hash[HST_TENSOR_HASH_BYTES])
{
    const uint8_t *hash = hst_twins_hash(component, tensor);
    enum hst_dtype stored = component->tensors[tensor].tensor->dtype, becomes = hst_recast_dtype(recast, component, tensor);
    if (hash == NULL) return false;
    memcpy(ret_hash, hash, HST_TENSOR_HASH_BYTES);
    if (becomes == stored) return true;
    ret_hash[0] ^= (uint8_t)becomes;
    ret_hash[1] ^= (uint8_t)(stored + 1);
    return true;
}

struct hst_mark *hst_twins_find_of(const struct hst_cache *cache, const struct hst_component *component, const struct hst_recast *recast, size_t tensor)
{
    uint8_t hash[HST_TENSOR_HASH_BYTES];
    return hash_of(component, recast, tensor, hash) ? hst_twins_find(cache, hash, hst_recast_bytes(recast, component, tensor)) : NULL;
}

void hst_twins_note_all(struct hst_cache *cache, const struct hst_component *component, const struct hst_claim *claim)
{
    uint8_t hash[HST_TENSOR_HASH_BYTES];
    for (size_t i = 0; i < component->tensor_count; i++) {
        const struct hst_placement *spot = &claim->spots[i];
        uint64_t size = hst_recast_bytes(claim->recast, component, i);
        if (size >= HST_TWIN_BYTES_MIN && hash_of(component, claim->recast, i, hash)) hst_twins_note(cache, hash, claim->regions[spot->segment], spot->offset, size);
    }
}
