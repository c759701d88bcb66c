#include "keeper/ranges.h"

#include "base/checked.h"
#include "keeper/limits.h"

#include <stdlib.h>
#include <string.h>

static uint64_t end_of(const struct hst_keeper_range *range)
{
    return range->offset + range->size_bytes;
}

/* Room for one more. */
static int reserve(struct hst_ranges *ranges, struct hst_error *err)
{
    if (ranges->count >= HST_KEEPER_RANGES_MAX)
        return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "limit: more than %u separate ranges of a file are locked", HST_KEEPER_RANGES_MAX);
    if (ranges->count < ranges->capacity) return HST_OK;
    size_t capacity = ranges->capacity * 2 + 2;
    struct hst_keeper_range *items = reallocarray(ranges->items, capacity, sizeof *items);
    if (items == NULL) return hst_error_nomem(err);
    ranges->items = items;
    ranges->capacity = capacity;
    return HST_OK;
}

/* The first that ends at `offset` or after it. */
static size_t find(const struct hst_ranges *ranges, uint64_t offset)
{
    size_t low = 0, high = ranges->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (end_of(&ranges->items[middle]) < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Put `count` (0 to 2) ranges where those from `first` up to `last` (not included) stand. There is room. */
static void replace(struct hst_ranges *ranges, size_t first, size_t last, const struct hst_keeper_range *with, size_t count)
{
    memmove(ranges->items + first + count, ranges->items + last, (ranges->count - last) * sizeof *with);
    memcpy(ranges->items + first, with, count * sizeof *with);
    ranges->count = ranges->count - (last - first) + count;
}

int hst_ranges_add(struct hst_ranges *ranges, const struct hst_keeper_range *range, struct hst_error *err)
{
    if (range->size_bytes == 0) return HST_OK;
    HST_TRY(reserve(ranges, err));
    uint64_t begin = range->offset, end = end_of(range);
    size_t first = find(ranges, begin), last = first;
    for (; last < ranges->count && ranges->items[last].offset <= end; last++) {
        begin = hst_min_u64(begin, ranges->items[last].offset);
        end = hst_max_u64(end, end_of(&ranges->items[last]));
    }
    replace(ranges, first, last, &(struct hst_keeper_range){begin, end - begin}, 1);
    return HST_OK;
}

int hst_ranges_remove(struct hst_ranges *ranges, const struct hst_keeper_range *range, struct hst_error *err)
{
    struct hst_keeper_range rest[2];
    size_t count = 0;
    if (range->size_bytes == 0 || ranges->count == 0) return HST_OK;
    HST_TRY(reserve(ranges, err));
    size_t first = find(ranges, range->offset + 1), last = first;
    for (; last < ranges->count && ranges->items[last].offset < end_of(range); last++) {
        const struct hst_keeper_range *old = &ranges->items[last];
        if (old->offset < range->offset) rest[count++] = (struct hst_keeper_range){old->offset, range->offset - old->offset};
        if (end_of(old) > end_of(range)) rest[count++] = (struct hst_keeper_range){end_of(range), end_of(old) - end_of(range)};
    }
    replace(ranges, first, last, rest, count);
    return HST_OK;
}

void hst_ranges_fini(struct hst_ranges *ranges)
{
    free(ranges->items);
    *ranges = (struct hst_ranges){0};
}
