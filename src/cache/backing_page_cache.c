/* page_cache: the file's own pages, filled and locked where they are. Clients map the file itself, so a program that knows only
 * the path is served by the same memory. */
#include "cache/backing.h"
#include "cache/keep.h"

static int fill(const struct hst_fetch *fetch, struct hst_error *err)
{
    bool locked = true;
    HST_TRY(hst_hold_fill(&fetch->region->hold, fetch->begin, fetch->size_bytes, &locked, err));
    if (!locked) fetch->region->unlocked = true;
    return HST_OK;
}

static bool give_back(struct hst_region *region, uint64_t begin, uint64_t end, bool drop)
{
    hst_hold_let_go(&region->hold, begin, end - begin);
    if (hst_keep_let_go(region, begin, end, drop)) return true;
    if (drop && region->fd >= 0) hst_hold_drop(region->fd, begin, end - begin);
    return true;
}

const struct hst_backing_ops hst_backing_page_cache = {fill, give_back};
