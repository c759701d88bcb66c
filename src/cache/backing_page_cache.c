/* page_cache: the file's own pages, filled and locked where they are. Clients map the file itself, so a program that knows only
 * the path is served by the same memory. */
#include "cache/backing.h"

static int fill(const struct hst_fetch *fetch, struct hst_error *err)
{
    bool locked = true;
    HST_TRY(hst_hold_fill(&fetch->region->hold, fetch->begin, fetch->size_bytes, &locked, err));
    if (!locked) fetch->region->unlocked = true;
    return HST_OK;
}

const struct hst_backing_ops hst_backing_page_cache = {fill};
