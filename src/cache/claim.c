#include "cache/claim.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/internal.h"
#include "model/layout.h"

#include <stdlib.h>
#include <string.h>

/* A claim under construction. */
struct draft {
    struct hst_cache *cache;
    const struct hst_component *component;
    struct hst_claim *claim;
    bool *skip;                /* one a tensor: its twin is there */
    uint32_t *region_of_file;  /* one a file of the model; UINT32_MAX = none yet */
    struct hst_extents extents;
    size_t foreign;            /* regions of others */
};

static void draft_fini(struct draft *draft)
{
    free(draft->skip);
    free(draft->region_of_file);
    hst_extents_fini(&draft->extents);
}

/* Add a region, whose reference is taken over, or gone with the failure. */
static int add_region(struct hst_claim *claim, struct hst_region *region, uint32_t *ret_index, struct hst_error *err)
{
    struct hst_region **grown = region != NULL ? reallocarray(claim->regions, claim->region_count + 1, sizeof(struct hst_region *)) : NULL;
    if (grown == NULL) {
        if (region != NULL) hst_region_unref(region);
        return hst_error_nomem(err);
    }
    claim->regions = grown;
    *ret_index = (uint32_t)claim->region_count;
    claim->regions[claim->region_count++] = region;
    return HST_OK;
}

static uint32_t find_region(const struct hst_claim *claim, const struct hst_region *region)
{
    uint32_t i = 0;
    while (i < claim->region_count && claim->regions[i] != region)
        i++;
    return i;
}

/* ---- twins ---- */

static uint64_t alignment(uint64_t offset)
{
    return offset % 8 == 0 ? 8 : offset & -offset;
}

/* May the tensor be in the memory of this mark: as well aligned as in its file, and not the twin of another of its tensors, too? */
static bool suits(const struct draft *draft, const struct hst_mark *mark, const struct hst_tensor *tensor)
{
    return mark->taken_by != draft->claim->number && alignment(mark->offset) >= alignment(tensor->offset);
}

/* The region of a mark among those of the claim; another one only up to a limit, for a client gets a descriptor of each. */
static int enter_region(struct draft *draft, struct hst_region *region, uint32_t *ret_index, struct hst_error *err)
{
    struct hst_claim *claim = draft->claim;
    *ret_index = find_region(claim, region);
    if (*ret_index < claim->region_count) return HST_OK;
    if (draft->foreign >= HST_FOREIGN_REGIONS_MAX) return HST_E_LIMIT_EXCEEDED;
    draft->foreign++;
    region->refs++;
    return add_region(claim, region, ret_index, err);
}

static int try_twin(struct draft *draft, size_t tensor, struct hst_error *err)
{
    const struct hst_tensor *row = draft->component->tensors[tensor].tensor;
    const uint8_t *hash = hst_twins_hash(draft->component, tensor);
    struct hst_mark *mark = hash != NULL ? hst_twins_find(draft->cache, hash, row->size_bytes) : NULL;
    uint32_t index;
    if (mark == NULL || !suits(draft, mark, row)) return HST_OK;
    int status = enter_region(draft, mark->region, &index, err);
    if (status < 0) return status == HST_E_LIMIT_EXCEEDED ? HST_OK : status;
    mark->taken_by = draft->claim->number;
    draft->skip[tensor] = true;
    draft->claim->places[tensor] = (struct hst_placement){index, mark->offset};
    return HST_OK;
}

/* ---- pieces ---- */

static int open_slot(struct draft *draft, uint32_t file, struct hst_error *err)
{
    uint32_t *slot = &draft->region_of_file[file];
    if (*slot != UINT32_MAX) return HST_OK;
    struct hst_region *region = hst_region_of_file(draft->cache, &draft->component->model->files[file]);
    uint32_t known = region != NULL ? find_region(draft->claim, region) : UINT32_MAX;
    if (region != NULL && known < draft->claim->region_count) {
        *slot = known;
        hst_region_unref(region);
        return HST_OK;
    }
    return add_region(draft->claim, region, slot, err);
}

/* The region that its own bytes come to lie in: of each file itself, or one new one. */
static int add_own_pieces(struct draft *draft, struct hst_error *err)
{
    struct hst_claim *claim = draft->claim;
    const struct hst_extents *extents = &draft->extents;
    bool in_place = claim->kind == HST_BACKING_PAGE_CACHE;
    uint32_t memory = 0;
    for (size_t i = 0; i < extents->count; i++)
        HST_TRY(open_slot(draft, extents->items[i].file, err));
    if (!in_place && extents->count > 0) HST_TRY(add_region(claim, hst_region_new(draft->cache, claim->kind, extents->size_bytes), &memory, err));
    for (size_t i = 0; i < extents->count; i++) {
        const struct hst_extent *extent = &extents->items[i];
        uint32_t file = draft->region_of_file[extent->file];
        claim->pieces[claim->piece_count++] = (struct hst_piece){.region = in_place ? file : memory,
                                                                 .source = file,
                                                                 .begin = in_place ? extent->offset : extent->packed,
                                                                 .size_bytes = extent->size_bytes,
                                                                 .source_offset = extent->offset,
                                                                 .own = true};
    }
    claim->own_count = claim->piece_count;
    return HST_OK;
}

static void place_own(struct draft *draft, size_t tensor)
{
    const struct hst_component_tensor *row = &draft->component->tensors[tensor];
    uint64_t offset = row->tensor->offset;
    if (draft->skip[tensor] || row->tensor->size_bytes == 0) return;
    size_t piece = (size_t)(hst_extents_find(&draft->extents, row->file, offset) - draft->extents.items);
    const struct hst_piece *in = &draft->claim->pieces[piece];
    draft->claim->places[tensor] = (struct hst_placement){in->region, in->begin + (offset - in->source_offset)};
}

static int by_place(const void *a, const void *b)
{
    const struct hst_piece *x = a, *y = b;
    if (x->region != y->region) return x->region < y->region ? -1 : 1;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* The pages of all twins, each once. */
static void add_twin_pieces(struct draft *draft)
{
    struct hst_claim *claim = draft->claim;
    uint64_t page = hst_hold_page_size();
    struct hst_piece *twins = &claim->pieces[claim->own_count];
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < draft->component->tensor_count; i++) {
        uint64_t begin = claim->places[i].offset, end = begin + draft->component->tensors[i].tensor->size_bytes;
        if (!draft->skip[i]) continue;
        uint64_t from = hst_round_down(begin, page);
        twins[count++] = (struct hst_piece){.region = claim->places[i].segment, .begin = from, .size_bytes = hst_round_up(end, page) - from};
    }
    qsort(twins, count, sizeof *twins, by_place);
    for (size_t i = 0; i < count; i++) {
        struct hst_piece *last = kept > 0 ? &twins[kept - 1] : NULL;
        if (last != NULL && last->region == twins[i].region && twins[i].begin <= last->begin + last->size_bytes)
            last->size_bytes = hst_max_u64(last->begin + last->size_bytes, twins[i].begin + twins[i].size_bytes) - last->begin;
        else
            twins[kept++] = twins[i];
    }
    claim->piece_count += kept;
}

/* ---- the whole ---- */

static int allocate(struct draft *draft, struct hst_error *err)
{
    size_t tensors = draft->component->tensor_count, files = draft->component->model->file_count;
    draft->claim = calloc(1, sizeof *draft->claim);
    if (draft->claim == NULL) return hst_error_nomem(err);
    draft->claim->refs = 1;
    draft->claim->number = ++draft->cache->next_claim;
    draft->claim->places = calloc(tensors + 1, sizeof *draft->claim->places);
    draft->skip = calloc(tensors + 1, sizeof *draft->skip);
    draft->region_of_file = malloc((files + 1) * sizeof *draft->region_of_file);
    if (draft->claim->places == NULL || draft->skip == NULL || draft->region_of_file == NULL) return hst_error_nomem(err);
    memset(draft->region_of_file, 0xff, (files + 1) * sizeof *draft->region_of_file);
    return HST_OK;
}

static void use(struct hst_claim *claim, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++)
        hst_region_use(claim->regions[claim->pieces[i].region], claim->pieces[i].begin, claim->pieces[i].begin + claim->pieces[i].size_bytes);
}

/* Room for all that will be named, so that naming cannot fail. */
static int reserve(const struct hst_claim *claim, struct hst_error *err)
{
    for (size_t i = 0; i < claim->region_count; i++)
        HST_TRY(hst_ranges_reserve(&claim->regions[i]->used, claim->piece_count, err));
    return HST_OK;
}

static int build(struct draft *draft, struct hst_error *err)
{
    struct hst_claim *claim = draft->claim;
    const struct hst_component *component = draft->component;
    claim->kind = hst_backing_choose(component, draft->cache->config.force_backing);
    for (size_t i = 0; i < component->tensor_count; i++)
        HST_TRY(try_twin(draft, i, err));
    HST_TRY(hst_extents_of(component, draft->skip, hst_hold_page_size(), &draft->extents, err));
    claim->pieces = calloc(draft->extents.count + component->tensor_count + 1, sizeof *claim->pieces);
    if (claim->pieces == NULL) return hst_error_nomem(err);
    HST_TRY(add_own_pieces(draft, err));
    for (size_t i = 0; i < component->tensor_count; i++)
        place_own(draft, i);
    add_twin_pieces(draft);
    for (size_t i = 0; i < claim->piece_count; i++)
        claim->size_bytes += claim->pieces[i].size_bytes;
    return HST_OK;
}

static void free_claim(struct hst_claim *claim)
{
    for (size_t i = 0; i < claim->region_count; i++)
        hst_region_unref(claim->regions[i]);
    free(claim->regions);
    free(claim->pieces);
    free(claim->places);
    free(claim->segments);
    free(claim);
}

int hst_claim_new(struct hst_cache *cache, const struct hst_component *component, struct hst_claim **ret_claim, struct hst_error *err)
{
    HST_AUTO(draft_fini) struct draft draft = {.cache = cache, .component = component};
    int status = allocate(&draft, err);
    if (status == HST_OK) status = build(&draft, err);
    if (status == HST_OK) status = reserve(draft.claim, err);
    if (status < 0) {
        if (draft.claim != NULL) free_claim(draft.claim);
        return status;
    }
    use(draft.claim, draft.claim->own_count, draft.claim->piece_count);
    *ret_claim = draft.claim;
    return HST_OK;
}

static uint64_t named(const struct hst_claim *claim, size_t from, uint32_t least)
{
    uint64_t bytes = 0;
    for (size_t i = from; i < claim->piece_count; i++) {
        const struct hst_piece *piece = &claim->pieces[i];
        bytes += hst_ranges_count(&claim->regions[piece->region]->used, piece->begin, piece->begin + piece->size_bytes, least);
    }
    return bytes;
}

uint64_t hst_claim_cost(const struct hst_claim *claim)
{
    return claim->taken ? 0 : claim->size_bytes - named(claim, 0, 1);
}

int hst_claim_take(struct hst_claim *claim, struct hst_error *err)
{
    HST_TRY(reserve(claim, err));
    use(claim, 0, claim->own_count);
    claim->taken = true;
    return HST_OK;
}

/* The pieces of a region as one range that clients map. */
static struct hst_segment span(const struct hst_claim *claim, uint32_t region)
{
    const struct hst_region *of = claim->regions[region];
    uint64_t begin = UINT64_MAX, end = 0;
    for (size_t i = 0; i < claim->piece_count; i++) {
        const struct hst_piece *piece = &claim->pieces[i];
        if (piece->region != region) continue;
        begin = hst_min_u64(begin, piece->begin);
        end = hst_max_u64(end, piece->begin + piece->size_bytes);
    }
    int fd = hst_region_is_file(of) ? of->fd : of->memory.fd;
    return end > 0 ? (struct hst_segment){fd, begin, end - begin} : (struct hst_segment){.fd = -1};
}

int hst_claim_publish(struct hst_claim *claim, size_t tensor_count, struct hst_error *err)
{
    HST_AUTO(hst_freep) uint32_t *segment_of = calloc(claim->region_count + 1, sizeof *segment_of);
    claim->segments = calloc(claim->region_count + 1, sizeof *claim->segments);
    if (segment_of == NULL || claim->segments == NULL) return hst_error_nomem(err);
    for (uint32_t i = 0; i < claim->region_count; i++) {
        struct hst_segment segment = span(claim, i);
        segment_of[i] = (uint32_t)claim->segment_count;
        if (segment.size_bytes > 0) claim->segments[claim->segment_count++] = segment;
    }
    for (size_t i = 0; i < tensor_count; i++) {
        struct hst_placement *place = &claim->places[i];
        uint32_t segment = claim->segment_count > 0 ? segment_of[place->segment] : 0;
        *place = (struct hst_placement){segment, place->offset - hst_min_u64(place->offset, claim->segments[segment].offset)};
    }
    return HST_OK;
}

struct hst_claim *hst_claim_ref(struct hst_claim *claim)
{
    claim->refs++;
    return claim;
}

uint64_t hst_claim_unref(struct hst_claim *claim)
{
    if (claim == NULL || --claim->refs > 0) return 0;
    struct hst_cache *cache = claim->region_count > 0 ? claim->regions[0]->cache : NULL;
    uint64_t before = cache != NULL ? cache->stats.used_bytes : 0;
    for (size_t i = 0; i < claim->region_count; i++)
        claim->regions[i]->dying = claim->regions[i]->refs == 1;
    for (size_t i = claim->taken ? 0 : claim->own_count; i < claim->piece_count; i++) {
        const struct hst_piece *piece = &claim->pieces[i];
        hst_region_release(claim->regions[piece->region], piece->begin, piece->begin + piece->size_bytes, !piece->was_resident);
    }
    free_claim(claim);
    return cache != NULL ? before - cache->stats.used_bytes : 0;
}

uint64_t hst_claim_exclusive(const struct hst_claim *claim)
{
    return named(claim, 0, 1) - named(claim, 0, 2);
}

static bool touch(const struct hst_claim *a, const struct hst_piece *x, const struct hst_claim *b, const struct hst_piece *y)
{
    return a->regions[x->region] == b->regions[y->region] && x->begin < y->begin + y->size_bytes && y->begin < x->begin + x->size_bytes;
}

bool hst_claim_meets(const struct hst_claim *a, const struct hst_claim *b)
{
    for (size_t i = 0; i < a->piece_count; i++)
        for (size_t j = 0; j < b->piece_count; j++)
            if (touch(a, &a->pieces[i], b, &b->pieces[j])) return true;
    return false;
}

bool hst_claim_is_broken(const struct hst_claim *claim)
{
    for (size_t i = 0; i < claim->region_count; i++)
        if (claim->regions[i]->broken) return true;
    return false;
}

bool hst_claim_is_locked(const struct hst_claim *claim)
{
    for (size_t i = 0; i < claim->region_count; i++)
        if (hst_region_is_file(claim->regions[i]) && claim->regions[i]->unlocked) return false;
    return true;
}
