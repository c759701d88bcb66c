/* page_cache: the file's own pages, filled and locked where they are. Clients map the file itself, so a program that knows only
 * the path is served by the same memory. */
#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/backing.h"

static int map_file(struct hst_store *store, uint32_t index, struct hst_error *err)
{
    struct hst_held_file *file = &store->files[index];
    uint64_t begin = UINT64_MAX, end = 0;
    for (size_t i = 0; i < store->extents.count; i++) {
        const struct hst_extent *extent = &store->extents.items[i];
        if (extent->file != index) continue;
        begin = hst_min_u64(begin, extent->offset);
        end = hst_max_u64(end, extent->offset + extent->size_bytes);
    }
    if (end == 0) return HST_OK;
    file->begin = begin;
    return hst_hold_map(file->fd, begin, end - begin, &file->hold, err);
}

static int prepare(struct hst_store *store, struct hst_error *err)
{
    store->locked = true;
    for (uint32_t i = 0; i < store->file_count; i++)
        if (store->files[i].fd >= 0 && store->files[i].hold.address == NULL) HST_TRY(map_file(store, i, err));
    return HST_OK;
}

static int fill(struct hst_store *store, const struct hst_extent *extent, uint64_t offset, uint64_t size_bytes, struct hst_error *err)
{
    const struct hst_held_file *file = &store->files[extent->file];
    bool locked = true;
    HST_TRY(hst_hold_fill(&file->hold, extent->offset + offset - file->begin, size_bytes, &locked, err));
    if (!locked) store->locked = false;
    return HST_OK;
}

static int describe(const struct hst_store *store, struct hst_segment **ret_segments, size_t *ret_count, struct hst_error *err)
{
    struct hst_segment *segments = calloc(store->file_count + 1, sizeof *segments);
    size_t count = 0;
    if (segments == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < store->file_count; i++) {
        const struct hst_held_file *file = &store->files[i];
        if (file->hold.address != NULL) segments[count++] = (struct hst_segment){file->fd, file->begin, file->hold.size_bytes};
    }
    *ret_segments = segments;
    *ret_count = count;
    return HST_OK;
}

static struct hst_placement place(const struct hst_store *store, uint32_t file, uint64_t offset)
{
    struct hst_placement placement = {.offset = offset - store->files[file].begin};
    for (uint32_t i = 0; i < file; i++)
        placement.segment += store->files[i].hold.address != NULL;
    return placement;
}

static void suspend(struct hst_store *store)
{
    for (size_t i = 0; i < store->file_count; i++)
        hst_hold_unlock(&store->files[i].hold);
}

static void release(struct hst_store *store, bool drop)
{
    for (size_t i = 0; i < store->file_count; i++)
        hst_hold_unmap(&store->files[i].hold);
    for (size_t i = 0; drop && i < store->extents.count; i++) {
        const struct hst_extent *extent = &store->extents.items[i];
        const struct hst_held_file *file = &store->files[extent->file];
        if (file->fd >= 0 && !file->was_resident) hst_hold_drop(file->fd, extent->offset, extent->size_bytes);
    }
}

const struct hst_backing_ops hst_backing_page_cache = {prepare, fill, describe, place, suspend, release};
