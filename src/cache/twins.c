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
    if (rows[tensor].tensor->size_bytes == 0) return NULL;
    if (tensor > 0 && overlap(&rows[tensor - 1], &rows[tensor])) return NULL;
    if (tensor + 1 < component->tensor_count && overlap(&rows[tensor], &rows[tensor + 1])) return NULL;
    return hst_layout_hash(component, tensor);
}

/* A file without a lease may be written without warning: what only its own model would see must not be another's. */
static bool may_be_handed_out(const struct hst_region *region)
{
    return !hst_region_is_file(region) || (region->leased && !region->broken);
}

/* Up to what vector instructions of the host want of a tensor's elements. */
static uint64_t alignment(uint64_t offset)
{
    return offset % 8 == 0 ? 8 : offset & -offset;
}

/* The hash of a tensor in another type: of the one it is made from, and what it becomes. @return false when it is not known */
static bool make_key(const struct hst_component *component, const struct hst_recast *recast, size_t tensor, uint8_t *key)
{
    const uint8_t *hash = hst_twins_hash(component, tensor);
    enum hst_dtype stored = component->tensors[tensor].tensor->dtype, becomes = hst_recast_dtype(recast, component, tensor);
    uint64_t size_bytes = hst_recast_bytes(recast, component, tensor);
    if (hash == NULL) return false;
    memcpy(key, hash, HST_TENSOR_HASH_BYTES);
    memcpy(key + HST_TENSOR_HASH_BYTES, &size_bytes, sizeof size_bytes);
    if (becomes == stored) return true;
    key[0] ^= (uint8_t)becomes;
    key[1] ^= (uint8_t)(stored + 1);
    return true;
}

static struct hst_mark *first_of(const struct hst_twin_wish *wish, size_t tensor)
{
    uint8_t key[sizeof((struct hst_twin_set){0}.key)];
    if (!make_key(wish->component, wish->recast, tensor, key)) return NULL;
    const struct hst_twin_set *content = hst_map_get(&wish->cache->by_content, key, sizeof key);
    return content != NULL ? content->first : NULL;
}

static bool is_at(const struct hst_mark *mark, const struct hst_region *region, uint64_t offset)
{
    return mark->region == region && mark->offset == offset;
}

static bool suits(const struct hst_mark *mark, const struct hst_twin_wish *wish, size_t tensor)
{
    bool aligned = alignment(mark->offset) >= alignment(wish->component->tensors[tensor].tensor->offset);
    return mark->filled && mark->taken_by != wish->claim_number && aligned && may_be_handed_out(mark->region);
}

struct hst_mark *hst_twins_find_older(const struct hst_twin_wish *wish, size_t tensor, const struct hst_region *region, uint64_t offset)
{
    for (struct hst_mark *mark = first_of(wish, tensor); mark != NULL && !is_at(mark, region, offset); mark = mark->equal)
        if (suits(mark, wish, tensor)) return mark;
    return NULL;
}

struct hst_mark *hst_twins_find(const struct hst_twin_wish *wish, size_t tensor)
{
    return hst_twins_find_older(wish, tensor, NULL, 0);
}

void hst_twins_take(const struct hst_twin_wish *wish, size_t tensor, const struct hst_region *region, uint64_t offset)
{
    for (struct hst_mark *mark = first_of(wish, tensor); mark != NULL; mark = mark->equal)
        if (is_at(mark, region, offset)) mark->taken_by = wish->claim_number;
}

uint64_t hst_twins_coming(const struct hst_twin_wish *wish)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < wish->component->tensor_count; i++) {
        const struct hst_mark *mark = first_of(wish, i);
        if (mark != NULL && !mark->filled && hst_twins_find(wish, i) == NULL) bytes += mark->size_bytes;
    }
    return bytes;
}

/* ---- noting places ---- */

static struct hst_twin_set *content_of(struct hst_cache *cache, const uint8_t *key)
{
    struct hst_twin_set *content = hst_map_get(&cache->by_content, key, sizeof content->key);
    if (content != NULL) return content;
    content = calloc(1, sizeof *content);
    if (content == NULL) return NULL;
    memcpy(content->key, key, sizeof content->key);
    if (hst_map_put(&cache->by_content, content->key, sizeof content->key, content) == 0) return content;
    free(content);
    return NULL;
}

static void drop_if_empty(struct hst_cache *cache, struct hst_twin_set *content)
{
    if (content->count > 0) return;
    hst_map_remove(&cache->by_content, content->key, sizeof content->key);
    free(content);
}

/* Behind the others, unless there are enough. */
static void append(struct hst_twin_set *content, struct hst_region *region, uint64_t offset, uint64_t size_bytes, bool filled)
{
    struct hst_mark **link = &content->first;
    for (; *link != NULL; link = &(*link)->equal) {
        if (!is_at(*link, region, offset)) continue;
        (*link)->filled = (*link)->filled || filled;
        return;
    }
    struct hst_mark *mark = content->count < HST_TWIN_PLACES_MAX ? calloc(1, sizeof *mark) : NULL;
    if (mark == NULL) return;
    *mark = (struct hst_mark){.next = region->marks, .content = content, .region = region, .offset = offset, .size_bytes = size_bytes, .filled = filled};
    *link = region->marks = mark;
    content->count++;
}

void hst_twins_note_all(struct hst_cache *cache, const struct hst_component *component, const struct hst_claim *claim, bool filled)
{
    uint8_t key[sizeof((struct hst_twin_set){0}.key)];
    for (size_t i = 0; i < component->tensor_count; i++) {
        const struct hst_placement *spot = &claim->spots[i];
        if (!make_key(component, claim->recast, i, key)) continue;
        struct hst_twin_set *content = content_of(cache, key);
        if (content == NULL) return;
        append(content, claim->regions[spot->segment], spot->offset, hst_recast_bytes(claim->recast, component, i), filled);
        drop_if_empty(cache, content);
    }
}

static void forget(struct hst_mark *mark)
{
    struct hst_twin_set *content = mark->content;
    struct hst_mark **link = &content->first;
    while (*link != mark)
        link = &(*link)->equal;
    *link = mark->equal;
    content->count--;
    drop_if_empty(mark->region->cache, content);
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
