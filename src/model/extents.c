#include "model/extents.h"

#include "base/checked.h"

#include <stdlib.h>

/* Called for each merged run; `at` is its number. */
typedef void (*emit_fn)(struct hst_extents *extents, const struct hst_extent *run);

static bool touches(const struct hst_extent *run, uint32_t file, uint64_t begin)
{
    return run->size_bytes > 0 && run->file == file && begin <= run->offset + run->size_bytes;
}

/* Walk the tensors (ordered by file and offset), merge their page-rounded ranges, and emit each run. */
static void walk(const struct hst_component *component, const bool *skip, uint64_t page, emit_fn emit, struct hst_extents *extents)
{
    struct hst_extent run = {0};
    for (size_t i = 0; i < component->tensor_count; i++) {
        const struct hst_tensor *tensor = component->tensors[i].tensor;
        uint64_t begin = hst_round_down(tensor->offset, page), end = hst_round_up(tensor->offset + tensor->size_bytes, page);
        if (tensor->size_bytes == 0 || (skip != NULL && skip[i])) continue;
        if (touches(&run, component->tensors[i].file, begin)) {
            run.size_bytes = hst_max_u64(run.offset + run.size_bytes, end) - run.offset;
            continue;
        }
        if (run.size_bytes > 0) emit(extents, &run);
        run = (struct hst_extent){component->tensors[i].file, begin, end - begin, 0};
    }
    if (run.size_bytes > 0) emit(extents, &run);
}

static void sum(struct hst_extents *extents, const struct hst_extent *run)
{
    extents->count++;
    extents->size_bytes += run->size_bytes;
}

static void store(struct hst_extents *extents, const struct hst_extent *run)
{
    extents->items[extents->count] = *run;
    extents->items[extents->count++].packed = extents->size_bytes;
    extents->size_bytes += run->size_bytes;
}

uint64_t hst_extents_cost(const struct hst_component *component, uint64_t page_size)
{
    struct hst_extents total = {0};
    walk(component, NULL, page_size, sum, &total);
    return total.size_bytes;
}

int hst_extents_of(const struct hst_component *component, const bool *skip, uint64_t page_size, struct hst_extents *ret_extents, struct hst_error *err)
{
    struct hst_extents total = {0}, extents = {0};
    walk(component, skip, page_size, sum, &total);
    extents.items = calloc(total.count + 1, sizeof *extents.items);
    if (extents.items == NULL) return hst_error_nomem(err);
    walk(component, skip, page_size, store, &extents);
    *ret_extents = extents;
    return HST_OK;
}

const struct hst_extent *hst_extents_find(const struct hst_extents *extents, uint32_t file, uint64_t offset)
{
    size_t low = 0, high = extents->count;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        const struct hst_extent *item = &extents->items[middle];
        bool after = item->file > file || (item->file == file && item->offset > offset);
        *(after ? &high : &low) = middle;
    }
    return &extents->items[low];
}

void hst_extents_fini(struct hst_extents *extents)
{
    free(extents->items);
    *extents = (struct hst_extents){0};
}
