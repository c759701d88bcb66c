/* A copy in memory of hoist's own, for files whose page cache cannot be relied on: extents one after the other in one segment. */
#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/backing.h"
#include "os/file.h"

/* What is not in memory is read past the page cache: it would only be there twice. */
static void open_direct(struct hst_store *store)
{
    for (size_t i = 0; i < store->file_count; i++) {
        struct hst_held_file *file = &store->files[i];
        if (file->fd >= 0 && !file->was_resident && file->direct_fd < 0) file->direct_fd = hst_file_reopen_direct(file->fd);
    }
}

static int prepare(struct hst_store *store, struct hst_error *err)
{
    open_direct(store);
    if (store->memory.address != NULL || store->extents.size_bytes == 0) return HST_OK;
    if (store->kind == HST_BACKING_TMPFS_HUGE && store->tmpfs != NULL) return hst_tmpfs_file(store->tmpfs, store->extents.size_bytes, &store->memory, err);
    if (store->kind == HST_BACKING_TMPFS_HUGE) store->kind = HST_BACKING_MEMFD_HUGE;
    HST_TRY(hst_memfd_new("hoist", store->extents.size_bytes, store->kind != HST_BACKING_PAGES, &store->memory, err));
    if (!store->memory.huge) store->kind = HST_BACKING_PAGES;
    return HST_OK;
}

/* The last page of an extent may reach beyond the end of the file; what is not in the file stays zero. */
static int fill(struct hst_store *store, const struct hst_extent *extent, uint64_t offset, uint64_t size_bytes, struct hst_error *err)
{
    struct hst_file_id id;
    const struct hst_held_file *file = &store->files[extent->file];
    HST_TRY(hst_file_identify(file->fd, &id, err));
    uint64_t at = extent->offset + offset;
    uint64_t length = id.size_bytes > at ? hst_min_u64(size_bytes, id.size_bytes - at) : 0;
    char *target = (char *)store->memory.address + extent->packed + offset;
    if (file->direct_fd >= 0 && hst_file_read_past(file->direct_fd, at, target, length) == HST_OK) return HST_OK;
    HST_TRY(hst_file_read_at(file->fd, at, target, length, err));
    if (!file->was_resident) hst_hold_drop(file->fd, at, size_bytes);
    return HST_OK;
}

static int describe(const struct hst_store *store, struct hst_segment **ret_segments, size_t *ret_count, struct hst_error *err)
{
    struct hst_segment *segments = calloc(1, sizeof *segments);
    if (segments == NULL) return hst_error_nomem(err);
    *segments = (struct hst_segment){store->memory.fd, 0, store->extents.size_bytes};
    *ret_segments = segments;
    *ret_count = store->extents.size_bytes > 0;
    return HST_OK;
}

static struct hst_placement place(const struct hst_store *store, uint32_t file, uint64_t offset)
{
    const struct hst_extent *extent = hst_extents_find(&store->extents, file, offset);
    return (struct hst_placement){0, extent->packed + (offset - extent->offset)};
}

static void suspend(struct hst_store *store)
{
    hst_memfd_fini(&store->memory);
}

static void release(struct hst_store *store, bool drop)
{
    (void)drop;
    hst_memfd_fini(&store->memory);
}

const struct hst_backing_ops hst_backing_copy = {prepare, fill, describe, place, suspend, release};
