/* Memory of hoist's own, for files whose page cache cannot be relied on, and for what no file has as it is. */
#include "base/checked.h"
#include "cache/backing.h"
#include "os/file.h"

int hst_backing_allocate(enum hst_backing kind, struct hst_tmpfs *tmpfs, uint64_t size_bytes, struct hst_memfd *ret_memory, enum hst_backing *ret_kind,
                         struct hst_error *err)
{
    *ret_kind = kind;
    if (kind == HST_BACKING_TMPFS_HUGE && tmpfs != NULL) return hst_tmpfs_file(tmpfs, size_bytes, ret_memory, err);
    HST_TRY(hst_memfd_new("hoist", size_bytes, kind != HST_BACKING_PAGES, ret_memory, err));
    *ret_kind = ret_memory->huge ? HST_BACKING_MEMFD_HUGE : HST_BACKING_PAGES;
    return HST_OK;
}

/* The last page of a piece may reach beyond the end of the file; what is not in the file stays zero. */
static int fill(const struct hst_fetch *fetch, struct hst_error *err)
{
    struct hst_file_id id;
    const struct hst_region *source = fetch->source;
    HST_TRY(hst_file_identify(source->fd, &id, err));
    uint64_t at = fetch->source_offset, length = id.size_bytes > at ? hst_min_u64(fetch->size_bytes, id.size_bytes - at) : 0;
    char *target = (char *)fetch->region->memory.address + fetch->begin;
    if (!fetch->was_resident && source->direct_fd >= 0 && hst_rings_read(fetch->rings, source->direct_fd, at, target, length) == HST_OK) return HST_OK;
    HST_TRY(hst_file_read_at(source->fd, at, target, length, err));
    if (!fetch->was_resident) hst_hold_drop(source->fd, at, fetch->size_bytes);
    return HST_OK;
}

const struct hst_backing_ops hst_backing_copy = {fill};
