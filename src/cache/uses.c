#include "cache/uses.h"

#include "base/checked.h"

#include <stdlib.h>
#include <string.h>

int hst_uses_reserve(struct hst_uses *ranges, size_t count, struct hst_error *err)
{
    size_t needed = ranges->count + 2 * count;
    if (needed <= ranges->room) return HST_OK;
    struct hst_edge *grown = reallocarray(ranges->edges, needed + needed / 2, sizeof *grown);
    if (grown == NULL) return hst_error_nomem(err);
    ranges->edges = grown;
    ranges->room = needed + needed / 2;
    return HST_OK;
}

/* The first edge at or after `at`. */
static size_t find(const struct hst_uses *ranges, uint64_t at)
{
    size_t low = 0, high = ranges->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges->edges[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The edge at `at`, made if there is none. */
static size_t mark(struct hst_uses *ranges, uint64_t at)
{
    size_t i = find(ranges, at);
    if (i == ranges->count || ranges->edges[i].at != at) {
        memmove(&ranges->edges[i + 1], &ranges->edges[i], (ranges->count - i) * sizeof *ranges->edges);
        ranges->edges[i] = (struct hst_edge){.at = at, .count = i > 0 ? ranges->edges[i - 1].count : 0};
        ranges->count++;
    }
    ranges->edges[i].ends++;
    return i;
}

static void unmark(struct hst_uses *ranges, uint64_t at)
{
    size_t i = find(ranges, at);
    if (--ranges->edges[i].ends > 0) return;
    memmove(&ranges->edges[i], &ranges->edges[i + 1], (ranges->count - i - 1) * sizeof *ranges->edges);
    ranges->count--;
}

uint64_t hst_uses_use(struct hst_uses *ranges, uint64_t begin, uint64_t end)
{
    uint64_t fresh = 0;
    if (begin == end) return 0;
    mark(ranges, begin);
    mark(ranges, end);
    for (size_t i = find(ranges, begin); ranges->edges[i].at < end; i++)
        if (ranges->edges[i].count++ == 0) fresh += ranges->edges[i + 1].at - ranges->edges[i].at;
    ranges->used_bytes += fresh;
    return fresh;
}

void hst_uses_release(struct hst_uses *ranges, uint64_t begin, uint64_t end, hst_uses_fn unused, void *context)
{
    uint64_t from = begin;
    if (begin == end) return;
    for (size_t i = find(ranges, begin); ranges->edges[i].at < end; i++) {
        struct hst_edge *edge = &ranges->edges[i];
        uint64_t to = ranges->edges[i + 1].at;
        if (--edge->count > 0) { /* what came before it goes as one */
            if (from < edge->at) unused(context, from, edge->at);
            from = to;
            continue;
        }
        ranges->used_bytes -= to - edge->at;
    }
    if (from < end) unused(context, from, end);
    unmark(ranges, begin);
    unmark(ranges, end);
}

uint64_t hst_uses_count(const struct hst_uses *ranges, uint64_t begin, uint64_t end, uint32_t least)
{
    uint64_t bytes = 0;
    size_t i = find(ranges, begin);
    if (i > 0) i--;
    for (; i + 1 < ranges->count && ranges->edges[i].at < end; i++) {
        uint64_t from = hst_max_u64(begin, ranges->edges[i].at), to = hst_min_u64(end, ranges->edges[i + 1].at);
        if (ranges->edges[i].count >= least && from < to) bytes += to - from;
    }
    return bytes;
}

void hst_uses_fini(struct hst_uses *ranges)
{
    free(ranges->edges);
    *ranges = (struct hst_uses){0};
}
