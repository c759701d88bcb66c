#include "cache/claim.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/internal.h"
#include "cache/keep.h"
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

/* The index of a region, which is added and referenced when it is none of the claim yet. */
static int keep_region(struct hst_claim *claim, struct hst_region *region, uint32_t *ret_index, struct hst_error *err)
{
    *ret_index = find_region(claim, region);
    if (*ret_index < claim->region_count) return HST_OK;
    region->refs++;
    return add_region(claim, region, ret_index, err);
}

bool hst_claim_names(const struct hst_claim *claim, const struct hst_region *region)
{
    return find_region(claim, region) < claim->region_count;
}

/* ---- twins ---- */

uint32_t hst_claim_enter(struct hst_claim *claim, struct hst_region *region)
{
    uint32_t index;
    bool is_new = !hst_claim_names(claim, region);
    if (is_new && claim->entered >= HST_FOREIGN_REGIONS_MAX) return UINT32_MAX;
    if (keep_region(claim, region, &index, NULL) < 0) return UINT32_MAX;
    claim->entered += is_new;
    return index;
}

static void try_twin(struct draft *draft, size_t tensor)
{
    const struct hst_twin_wish wish = {draft->cache, draft->component, draft->claim->recast, draft->claim->number};
    struct hst_mark *mark = hst_twins_find(&wish, tensor);
    uint32_t index = mark != NULL ? hst_claim_enter(draft->claim, mark->region) : UINT32_MAX;
    if (index == UINT32_MAX) return;
    mark->taken_by = wish.claim_number;
    draft->skip[tensor] = true;
    draft->claim->spots[tensor] = (struct hst_placement){index, mark->offset};
}

/* ---- pieces ---- */

static int open_slot(struct draft *draft, uint32_t file, struct hst_error *err)
{
    uint32_t *slot = &draft->region_of_file[file];
    if (*slot != UINT32_MAX) return HST_OK;
    struct hst_region *region = hst_region_of_file(draft->cache, &draft->component->model->files[file]);
    if (region == NULL) return hst_error_nomem(err);
    int status = keep_region(draft->claim, region, slot, err);
    hst_region_unref(region);
    HST_TRY(status);
    draft->claim->sources[draft->claim->source_count++] = *slot;
    return HST_OK;
}

/* Whole pages before the first tensor of a file. */
static uint64_t head_of(const struct hst_model_file *file)
{
    const struct hst_tensor_table *table = file->table;
    size_t first = 0;
    while (table != NULL && first < table->count && table->tensors[first].size_bytes == 0)
        first++;
    if (table == NULL || first == table->count) return 0;
    uint64_t bytes = hst_round_down(table->tensors[first].offset, hst_hold_page_size());
    return bytes <= HST_HEAD_BYTES_MAX ? bytes : 0;
}

/* The heads of the files in which its tensors are held in place. */
static void add_heads(struct draft *draft)
{
    struct hst_claim *claim = draft->claim;
    for (size_t i = 0; i < draft->component->model->file_count; i++) {
        uint32_t region = draft->region_of_file[i];
        uint64_t bytes = region != UINT32_MAX ? head_of(&draft->component->model->files[i]) : 0;
        if (bytes == 0) continue;
        claim->pieces[claim->piece_count++] = (struct hst_piece){.region = region, .source = region, .size_bytes = bytes, .own = true, .head = true};
    }
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
    if (in_place) add_heads(draft);
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
    draft->claim->spots[tensor] = (struct hst_placement){in->region, in->begin + (offset - in->source_offset)};
}

static int by_place(const void *a, const void *b)
{
    const struct hst_piece *x = a, *y = b;
    if (x->region != y->region) return x->region < y->region ? -1 : 1;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Join pieces, in order of their places, that overlap or touch. @return how many are left */
static size_t join(struct hst_piece *pieces, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct hst_piece *last = kept > 0 ? &pieces[kept - 1] : NULL;
        if (last != NULL && last->region == pieces[i].region && pieces[i].begin <= last->begin + last->size_bytes)
            last->size_bytes = hst_max_u64(last->begin + last->size_bytes, pieces[i].begin + pieces[i].size_bytes) - last->begin;
        else
            pieces[kept++] = pieces[i];
    }
    return kept;
}

/* The pages of tensors that are there, each once. */
static size_t name_pages(const struct hst_claim *claim, const struct hst_component *component, const bool *only, struct hst_piece *pieces)
{
    uint64_t page = hst_hold_page_size();
    size_t count = 0;
    for (size_t i = 0; i < component->tensor_count; i++) {
        uint64_t begin = claim->spots[i].offset, size = hst_recast_bytes(claim->recast, component, i), from = hst_round_down(begin, page);
        if (size == 0 || (only != NULL && !only[i])) continue;
        pieces[count++] = (struct hst_piece){.region = claim->spots[i].segment, .begin = from, .size_bytes = hst_round_up(begin + size, page) - from};
    }
    if (count > 0) qsort(pieces, count, sizeof *pieces, by_place);
    return join(pieces, count);
}

/* ---- in other types ---- */

/* Is it the same memory as the tensor before it, and does it become the same? */
static bool is_tied(const struct draft *draft, size_t tensor)
{
    const struct hst_component_tensor *row = &draft->component->tensors[tensor], *last = tensor > 0 ? row - 1 : NULL;
    const enum hst_dtype *dtypes = draft->claim->recast->dtypes;
    return last != NULL && last->file == row->file && last->tensor->offset == row->tensor->offset && last->tensor->size_bytes == row->tensor->size_bytes &&
           dtypes[tensor] == dtypes[tensor - 1] && !draft->skip[tensor - 1];
}

/* Its tensors one after the other in new memory. @return bytes of it */
static uint64_t pack(struct draft *draft)
{
    struct hst_claim *claim = draft->claim;
    uint64_t at = 0, last = 0;
    for (size_t i = 0; i < draft->component->tensor_count; i++) {
        uint64_t size = hst_recast_bytes(claim->recast, draft->component, i);
        if (draft->skip[i] || size == 0) continue;
        if (!is_tied(draft, i)) {
            last = hst_round_up(at, HST_RECAST_ALIGNMENT);
            at = last + size;
        }
        claim->spots[i] = (struct hst_placement){(uint32_t)claim->region_count, last};
    }
    return hst_round_up(at, hst_hold_page_size());
}

static int add_recast_piece(struct draft *draft, struct hst_error *err)
{
    struct hst_claim *claim = draft->claim;
    const struct hst_component *component = draft->component;
    uint32_t memory;
    for (size_t i = 0; i < component->tensor_count; i++)
        if (!draft->skip[i] && component->tensors[i].tensor->size_bytes > 0) HST_TRY(open_slot(draft, component->tensors[i].file, err));
    uint64_t size = pack(draft);
    if (size == 0) return HST_OK;
    HST_TRY(add_region(claim, hst_region_new(draft->cache, claim->kind, size), &memory, err));
    claim->pieces[claim->piece_count++] = (struct hst_piece){.region = memory, .source = memory, .size_bytes = size, .own = true};
    claim->own_count = claim->piece_count;
    return HST_OK;
}

/* ---- the whole ---- */

static void free_claim(struct hst_claim *claim)
{
    for (size_t i = 0; i < claim->region_count; i++)
        hst_region_unref(claim->regions[i]);
    free(claim->regions);
    free(claim->pieces);
    free(claim->spots);
    free(claim->sources);
    free(claim->recast);
    free(claim->places);
    free(claim->segments);
    free(claim);
}

static struct hst_claim *new_claim(struct hst_cache *cache, size_t tensor_count, size_t file_count)
{
    struct hst_claim *claim = calloc(1, sizeof *claim);
    if (claim == NULL) return NULL;
    claim->refs = 1;
    claim->number = ++cache->next_claim;
    claim->tensor_count = tensor_count;
    claim->spots = calloc(tensor_count + 1, sizeof *claim->spots);
    claim->places = calloc(tensor_count + 1, sizeof *claim->places);
    claim->sources = calloc(file_count + 1, sizeof *claim->sources);
    if (claim->spots != NULL && claim->places != NULL && claim->sources != NULL) return claim;
    free_claim(claim);
    return NULL;
}

static int allocate(struct draft *draft, struct hst_error *err)
{
    size_t tensors = draft->component->tensor_count, files = draft->component->model->file_count;
    draft->claim = new_claim(draft->cache, tensors, files);
    draft->skip = calloc(tensors + 1, sizeof *draft->skip);
    draft->region_of_file = malloc((files + 1) * sizeof *draft->region_of_file);
    if (draft->claim == NULL || draft->skip == NULL || draft->region_of_file == NULL) return hst_error_nomem(err);
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
        HST_TRY(hst_uses_reserve(&claim->regions[i]->used, claim->piece_count, err));
    return HST_OK;
}

static void add_up(struct hst_claim *claim)
{
    for (size_t i = 0; i < claim->piece_count; i++)
        claim->size_bytes += claim->pieces[i].size_bytes;
}

static int build(struct draft *draft, struct hst_error *err)
{
    struct hst_claim *claim = draft->claim;
    const struct hst_component *component = draft->component;
    const char *forced = draft->cache->config.force_backing;
    claim->kind = hst_backing_choose(component, claim->recast != NULL, forced);
    if (forced == NULL && claim->kind != HST_BACKING_PAGE_CACHE) claim->kind = hst_cache_copy_backing(draft->cache);
    for (size_t i = 0; i < component->tensor_count; i++)
        try_twin(draft, i);
    HST_TRY(hst_extents_of(component, draft->skip, hst_hold_page_size(), &draft->extents, err));
    claim->pieces = calloc(draft->extents.count + component->model->file_count + component->tensor_count + 1, sizeof *claim->pieces);
    if (claim->pieces == NULL) return hst_error_nomem(err);
    HST_TRY(claim->recast != NULL ? add_recast_piece(draft, err) : add_own_pieces(draft, err));
    for (size_t i = 0; claim->recast == NULL && i < component->tensor_count; i++)
        place_own(draft, i);
    claim->piece_count += name_pages(claim, component, draft->skip, &claim->pieces[claim->own_count]);
    add_up(claim);
    return HST_OK;
}

/* Take the wish over. */
static int note_recast(struct hst_claim *claim, const struct hst_recast *recast, struct hst_error *err)
{
    claim->recast = hst_recast_copy(recast);
    return recast == NULL || claim->recast != NULL ? HST_OK : hst_error_nomem(err);
}

int hst_claim_new(struct hst_cache *cache, const struct hst_component *component, const struct hst_recast *recast, struct hst_claim **ret_claim,
                  struct hst_error *err)
{
    HST_AUTO(draft_fini) struct draft draft = {.cache = cache, .component = component};
    int status = allocate(&draft, err);
    if (status == HST_OK) status = note_recast(draft.claim, recast, err);
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

/* Was this page of the older claim in the page cache before hoist came? */
static bool was_resident(const struct hst_claim *from, const struct hst_region *region, uint64_t at)
{
    for (size_t i = 0; i < from->piece_count; i++) {
        const struct hst_piece *piece = &from->pieces[i];
        if (from->regions[piece->region] == region && at - piece->begin < piece->size_bytes) return piece->was_resident;
    }
    return false;
}

/* Its files, for one that is written makes the component stale, whether its bytes lie in it or were copied. */
static int keep_files(const struct hst_claim *from, struct hst_claim *claim, struct hst_error *err)
{
    uint32_t index;
    for (size_t i = 0; i < from->region_count; i++)
        if (hst_region_is_file(from->regions[i])) HST_TRY(keep_region(claim, from->regions[i], &index, err));
    claim->entered = from->entered;
    return HST_OK;
}

static int move_tensor(const struct hst_claim *from, struct hst_claim *claim, size_t tensor, hst_claim_move_fn move, void *context, struct hst_error *err)
{
    struct hst_placement *spot = &claim->spots[tensor];
    if (move(context, claim, tensor, spot) || from->region_count == 0) return HST_OK;
    spot->offset = from->spots[tensor].offset;
    return keep_region(claim, from->regions[from->spots[tensor].segment], &spot->segment, err);
}

static void keep_heads(const struct hst_claim *from, struct hst_claim *claim)
{
    for (size_t i = 0; i < from->piece_count; i++) {
        struct hst_piece head = from->pieces[i];
        if (!head.head) continue;
        head.region = head.source = find_region(claim, from->regions[head.region]);
        head.own = false;
        claim->pieces[claim->piece_count++] = head;
    }
}

static int rebuild(const struct hst_claim *from, struct hst_claim *claim, const struct hst_component *component, hst_claim_move_fn move, void *context,
                   struct hst_error *err)
{
    HST_TRY(note_recast(claim, from->recast, err));
    HST_TRY(keep_files(from, claim, err));
    claim->kind = from->kind;
    for (size_t i = 0; i < component->tensor_count; i++)
        HST_TRY(move_tensor(from, claim, i, move, context, err));
    claim->pieces = calloc(component->tensor_count + from->piece_count + 1, sizeof *claim->pieces);
    if (claim->pieces == NULL) return hst_error_nomem(err);
    claim->piece_count = name_pages(claim, component, NULL, claim->pieces);
    keep_heads(from, claim);
    for (size_t i = 0; i < claim->piece_count; i++)
        claim->pieces[i].was_resident = was_resident(from, claim->regions[claim->pieces[i].region], claim->pieces[i].begin);
    add_up(claim);
    return reserve(claim, err);
}

int hst_claim_move(struct hst_cache *cache, const struct hst_claim *from, const struct hst_component *component, hst_claim_move_fn move, void *context,
                   struct hst_claim **ret_claim, struct hst_error *err)
{
    struct hst_claim *claim = new_claim(cache, component->tensor_count, component->model->file_count);
    if (claim == NULL) return hst_error_nomem(err);
    int status = rebuild(from, claim, component, move, context, err);
    if (status < 0) {
        free_claim(claim);
        return status;
    }
    use(claim, 0, claim->piece_count);
    claim->taken = true;
    *ret_claim = claim;
    return HST_OK;
}

static int refill(struct hst_claim *claim, const struct hst_record_claim *record, struct hst_region *const *regions, struct hst_error *err)
{
    claim->regions = calloc(record->region_count + 1, sizeof(struct hst_region *));
    claim->pieces = calloc(record->piece_count + 1, sizeof *claim->pieces);
    if (claim->regions == NULL || claim->pieces == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < record->region_count; i++) {
        claim->regions[claim->region_count++] = regions[i];
        regions[i]->refs++;
    }
    memcpy(claim->pieces, record->pieces, record->piece_count * sizeof *claim->pieces);
    claim->piece_count = record->piece_count;
    for (size_t i = 0; i < record->tensor_count; i++)
        claim->spots[i] = (struct hst_placement){(uint32_t)record->tensors[i].region, record->tensors[i].at};
    claim->kind = record->kind;
    claim->entered = record->entered;
    add_up(claim);
    return reserve(claim, err);
}

int hst_claim_restore(struct hst_cache *cache, const struct hst_record_claim *record, struct hst_region *const *regions, struct hst_claim **ret_claim,
                      struct hst_error *err)
{
    struct hst_claim *claim = new_claim(cache, record->tensor_count, 0);
    if (claim == NULL) return hst_error_nomem(err);
    int status = refill(claim, record, regions, err);
    if (status < 0) {
        free_claim(claim);
        return status;
    }
    use(claim, 0, claim->piece_count);
    claim->taken = true;
    *ret_claim = claim;
    return HST_OK;
}

const struct hst_region *hst_claim_source(const struct hst_claim *claim, const struct hst_file_id *id)
{
    size_t i = 0;
    while (!hst_file_id_equal(&claim->regions[claim->sources[i]]->id, id))
        i++;
    return claim->regions[claim->sources[i]];
}

int hst_claim_fd(const struct hst_claim *claim, uint32_t region)
{
    const struct hst_region *of = claim->regions[region];
    return hst_region_is_file(of) ? of->fd : of->memory.fd;
}

static uint64_t named(const struct hst_claim *claim, size_t from, uint32_t least)
{
    uint64_t bytes = 0;
    for (size_t i = from; i < claim->piece_count; i++) {
        const struct hst_piece *piece = &claim->pieces[i];
        bytes += hst_uses_count(&claim->regions[piece->region]->used, piece->begin, piece->begin + piece->size_bytes, least);
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
    uint64_t begin = UINT64_MAX, end = 0;
    for (size_t i = 0; i < claim->piece_count; i++) {
        const struct hst_piece *piece = &claim->pieces[i];
        if (piece->region != region || piece->head) continue; /* who maps tensors needs no head, and what lies between is not ours */
        begin = hst_min_u64(begin, piece->begin);
        end = hst_max_u64(end, piece->begin + piece->size_bytes);
    }
    return end > 0 ? (struct hst_segment){hst_claim_fd(claim, region), begin, end - begin} : (struct hst_segment){.fd = -1};
}

int hst_claim_publish(struct hst_claim *claim, struct hst_error *err)
{
    HST_AUTO(hst_freep) uint32_t *segment_of = calloc(claim->region_count + 1, sizeof *segment_of);
    claim->segments = calloc(claim->region_count + 1, sizeof *claim->segments);
    if (segment_of == NULL || claim->segments == NULL) return hst_error_nomem(err);
    for (uint32_t i = 0; i < claim->region_count; i++) {
        struct hst_segment segment = span(claim, i);
        segment_of[i] = (uint32_t)claim->segment_count;
        if (segment.size_bytes > 0) claim->segments[claim->segment_count++] = segment;
    }
    for (size_t i = 0; i < claim->tensor_count; i++) {
        const struct hst_placement *spot = &claim->spots[i];
        uint32_t segment = claim->segment_count > 0 ? segment_of[spot->segment] : 0;
        claim->places[i] = (struct hst_placement){segment, spot->offset - hst_min_u64(spot->offset, claim->segments[segment].offset)};
    }
    return HST_OK;
}

struct hst_claim *hst_claim_ref(struct hst_claim *claim)
{
    claim->refs++;
    return claim;
}

/* Before its bytes are given back, so that no item shows them then; what dies goes at once. */
static void announce_end(struct hst_claim *claim, struct hst_cache *cache)
{
    bool forgotten = hst_keep_forget_now(cache, &claim->keep_id);
    for (size_t i = 0; i < claim->region_count; i++) {
        claim->regions[i]->dying = claim->regions[i]->refs == 1;
        claim->regions[i]->frozen = claim->regions[i]->frozen || !forgotten;
    }
}

uint64_t hst_claim_unref(struct hst_claim *claim)
{
    if (claim == NULL || --claim->refs > 0) return 0;
    struct hst_cache *cache = claim->region_count > 0 ? claim->regions[0]->cache : NULL;
    uint64_t before = cache != NULL ? hst_cache_kept(cache) : 0;
    if (cache != NULL) announce_end(claim, cache);
    for (size_t i = claim->taken ? 0 : claim->own_count; i < claim->piece_count; i++) {
        const struct hst_piece *piece = &claim->pieces[i];
        hst_region_release(claim->regions[piece->region], piece->begin, piece->begin + piece->size_bytes, !piece->was_resident);
    }
    free_claim(claim);
    return cache != NULL ? before - hst_cache_kept(cache) : 0;
}

uint64_t hst_claim_exclusive(const struct hst_claim *claim)
{
    return named(claim, 0, 1) - named(claim, 0, 2);
}

static bool count_uses(struct hst_claim *const *claims, size_t count, const struct hst_region *region, struct hst_uses *uses)
{
    for (size_t i = 0; i < count; i++) {
        if (hst_uses_reserve(uses, claims[i]->piece_count, NULL) < 0) return false;
        for (size_t j = 0; j < claims[i]->piece_count; j++) {
            const struct hst_piece *piece = &claims[i]->pieces[j];
            if (claims[i]->regions[piece->region] == region) hst_uses_use(uses, piece->begin, piece->begin + piece->size_bytes);
        }
    }
    return true;
}

static unsigned count_refs(struct hst_claim *const *claims, size_t count, const struct hst_region *region)
{
    unsigned refs = 0;
    for (size_t i = 0; i < count; i++)
        refs += hst_claim_names(claims[i], region);
    return refs;
}

/* Bytes that some claims name: those that go back with them, those that nobody names yet, or all. */
enum which { ALONE, FRESH, ALL };

static uint64_t together_in(struct hst_claim *const *claims, size_t count, const struct hst_region *region, enum which which)
{
    struct hst_uses uses = {0};
    uint64_t bytes = 0;
    bool counted = count_uses(claims, count, region, &uses);
    for (size_t i = 0; counted && i + 1 < uses.count; i++) {
        const struct hst_edge *edge = &uses.edges[i];
        uint64_t end = uses.edges[i + 1].at;
        uint64_t others = which == ALL ? 0 : hst_uses_count(&region->used, edge->at, end, which == FRESH ? 1 : edge->count + 1);
        if (edge->count > 0) bytes += end - edge->at - others;
    }
    hst_uses_fini(&uses);
    return counted || which != FRESH ? bytes : UINT64_MAX;
}

/* All of a region goes with its last claims; before that, what they alone name, where it can be given back in part. */
static uint64_t freed_in(struct hst_claim *const *claims, size_t count, const struct hst_region *region)
{
    if (count_refs(claims, count, region) == region->refs) return region->used.used_bytes + region->stuck_bytes;
    return hst_region_gives_back(region) ? together_in(claims, count, region, ALONE) : 0;
}

static uint64_t bytes_in(struct hst_claim *const *claims, size_t count, const struct hst_region *region, enum which which)
{
    return which == ALONE ? freed_in(claims, count, region) : together_in(claims, count, region, which);
}

static bool is_named_before(struct hst_claim *const *claims, size_t before, const struct hst_region *region)
{
    for (size_t i = 0; i < before; i++)
        if (hst_claim_names(claims[i], region)) return true;
    return false;
}

static uint64_t sum_together(struct hst_claim *const *claims, size_t count, enum which which)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < claims[i]->region_count; j++)
            if (!is_named_before(claims, i, claims[i]->regions[j]) && !hst_checked_add(bytes, bytes_in(claims, count, claims[i]->regions[j], which), &bytes))
                return UINT64_MAX;
    return bytes;
}

uint64_t hst_claim_freed(struct hst_claim *const *claims, size_t count)
{
    return sum_together(claims, count, ALONE);
}

int hst_claim_presume(struct hst_claim *claim, struct hst_error *err)
{
    HST_TRY(reserve(claim, err));
    for (size_t i = 0; i < claim->own_count; i++)
        (void)hst_uses_use(&claim->regions[claim->pieces[i].region]->used, claim->pieces[i].begin, claim->pieces[i].begin + claim->pieces[i].size_bytes);
    return HST_OK;
}

static void keep(void *context, uint64_t begin, uint64_t end)
{
    (void)context;
    (void)begin;
    (void)end;
}

void hst_claim_forgo(struct hst_claim *claim)
{
    for (size_t i = 0; i < claim->own_count; i++)
        hst_uses_release(&claim->regions[claim->pieces[i].region]->used, claim->pieces[i].begin, claim->pieces[i].begin + claim->pieces[i].size_bytes, keep, NULL);
}

uint64_t hst_claim_cost_together(struct hst_claim *const *claims, size_t count)
{
    return sum_together(claims, count, FRESH);
}

bool hst_claim_reads(const struct hst_claim *claim, size_t tensor)
{
    const struct hst_placement *spot = &claim->spots[tensor];
    for (size_t i = 0; i < claim->own_count; i++)
        if (claim->pieces[i].region == spot->segment && spot->offset - claim->pieces[i].begin < claim->pieces[i].size_bytes) return true;
    return false;
}

/* Pages as they lie in their file, or, to be converted, tensor by tensor. */
void hst_claim_each_read(const struct hst_claim *claim, const struct hst_component *component, hst_claim_read_fn fn, void *context)
{
    for (size_t i = 0; claim->recast == NULL && i < claim->own_count; i++)
        fn(context, &claim->regions[claim->pieces[i].source]->id, claim->pieces[i].source_offset, claim->pieces[i].size_bytes);
    for (size_t i = 0; claim->recast != NULL && i < claim->tensor_count; i++) {
        const struct hst_component_tensor *row = &component->tensors[i];
        if (hst_claim_reads(claim, i)) fn(context, &component->model->files[row->file].id, row->tensor->offset, row->tensor->size_bytes);
    }
}

static void add_bytes(void *context, const struct hst_file_id *file, uint64_t offset, uint64_t size_bytes)
{
    (void)file;
    (void)offset;
    *(uint64_t *)context += size_bytes;
}

uint64_t hst_claim_read_bytes(const struct hst_claim *claim, const struct hst_component *component)
{
    uint64_t bytes = 0;
    hst_claim_each_read(claim, component, add_bytes, &bytes);
    return bytes;
}

uint64_t hst_claim_warm_bytes(const struct hst_claim *claim)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < claim->own_count; i++)
        bytes += claim->pieces[i].was_resident ? claim->pieces[i].size_bytes : 0;
    return bytes;
}

uint64_t hst_claim_union(struct hst_claim *const *claims, size_t count)
{
    return sum_together(claims, count, ALL);
}

/* More than the page in which one ends and the other begins. */
static bool touch(const struct hst_claim *a, const struct hst_piece *x, const struct hst_claim *b, const struct hst_piece *y)
{
    uint64_t begin = hst_max_u64(x->begin, y->begin), end = hst_min_u64(x->begin + x->size_bytes, y->begin + y->size_bytes);
    return a->regions[x->region] == b->regions[y->region] && begin + hst_hold_page_size() < end;
}

static bool meet_in(const struct hst_claim *a, const struct hst_claim *b, const struct hst_region *region)
{
    for (size_t i = 0; i < a->piece_count; i++)
        for (size_t j = 0; a->regions[a->pieces[i].region] == region && j < b->piece_count; j++)
            if (touch(a, &a->pieces[i], b, &b->pieces[j])) return true;
    return false;
}

bool hst_claim_meets(const struct hst_claim *a, const struct hst_claim *b)
{
    for (size_t i = 0; i < a->region_count; i++)
        if (hst_claim_names(b, a->regions[i]) && meet_in(a, b, a->regions[i])) return true; /* most claims have no region in common */
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

struct hst_claim *hst_claim_of(const struct hst_residency *residency)
{
    return ((const struct hst_resident *)residency)->claim;
}
