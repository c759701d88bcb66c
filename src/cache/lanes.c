#include "cache/lanes.h"

int hst_lanes_init(struct hst_lanes *lanes, uv_loop_t *loop, unsigned threads, struct hst_error *err)
{
    *lanes = (struct hst_lanes){.loop = loop, .threads = threads};
    HST_TRY(hst_exec_new(loop, "fill", threads, &lanes->execs[0], err));
    lanes->count = 1;
    return HST_OK;
}

/* @return its place, or `count` when there is none */
static size_t find(const struct hst_lanes *lanes, uint64_t device)
{
    size_t i = 0;
    while (i < lanes->count && lanes->devices[i] != device && lanes->devices[i] != 0)
        i++;
    return i;
}

struct hst_exec *hst_lanes_of(struct hst_lanes *lanes, uint64_t device)
{
    size_t at = find(lanes, device);
    if (at == lanes->count) {
        bool full = at == HST_LANES_MAX || lanes->closing;
        if (full || hst_exec_new(lanes->loop, "fill", lanes->threads, &lanes->execs[at], NULL) < 0) return lanes->execs[device % lanes->count];
        lanes->count++;
    }
    lanes->devices[at] = device;
    return lanes->execs[at];
}

/* What a lane has to tell while it ends may begin more: in one that is still there, the first to the last. */
void hst_lanes_fini(struct hst_lanes *lanes)
{
    lanes->closing = true;
    while (lanes->count > 1)
        hst_exec_free(lanes->execs[--lanes->count]);
    hst_exec_free(lanes->execs[0]);
    *lanes = (struct hst_lanes){0};
}
