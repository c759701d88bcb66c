#include "cache/backing.h"

#include "os/fstype.h"

#include <string.h>

static const struct {
    const char *name;
    const struct hst_backing_ops *ops;
} table[] = {
    [HST_BACKING_PAGE_CACHE] = {"page_cache", &hst_backing_page_cache},
    [HST_BACKING_TMPFS_HUGE] = {"tmpfs_huge", &hst_backing_copy},
    [HST_BACKING_MEMFD_HUGE] = {"memfd_huge", &hst_backing_copy},
    [HST_BACKING_PAGES] = {"pages", &hst_backing_copy},
};
enum { KINDS = sizeof table / sizeof table[0] };

const char *hst_backing_name(enum hst_backing backing)
{
    return table[backing].name;
}

const struct hst_backing_ops *hst_backing_ops(enum hst_backing kind)
{
    return table[kind].ops;
}

int hst_backing_find(const char *name)
{
    for (int i = 0; i < KINDS; i++)
        if (strcmp(name, table[i].name) == 0) return i;
    return -1;
}

enum hst_backing hst_backing_choose(const struct hst_store *store, const struct hst_model *model, const char *force)
{
    if (force != NULL) return (enum hst_backing)hst_backing_find(force);
    for (size_t i = 0; i < store->file_count; i++) {
        if (store->files[i].fd < 0) continue;
        if (!model->files[i].raw || hst_fstype_of(store->files[i].fd) == HST_FSTYPE_OTHER) return HST_BACKING_TMPFS_HUGE;
    }
    return HST_BACKING_PAGE_CACHE;
}
