#include "cache/backing.h"

#include "model/layout.h"

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

static bool can_be_held(const struct hst_model_file *file)
{
    return file->raw && file->fstype != HST_FSTYPE_OTHER;
}

enum hst_backing hst_backing_choose(const struct hst_component *component, bool recast, const char *force)
{
    int forced = force != NULL ? hst_backing_find(force) : -1;
    if (recast) return forced > HST_BACKING_PAGE_CACHE ? (enum hst_backing)forced : HST_BACKING_TMPFS_HUGE;
    if (forced >= 0) return (enum hst_backing)forced;
    for (size_t i = 0; i < component->model->file_count; i++)
        if (hst_layout_touches(component, i) && !can_be_held(&component->model->files[i])) return HST_BACKING_TMPFS_HUGE;
    return HST_BACKING_PAGE_CACHE;
}
