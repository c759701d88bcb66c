/* Whoever opens a file by its path should find it in memory, also where hoist has its tensors in their twins' memory alone: those ranges of the
 * file are brought into the page cache, neither locked nor charged, and the kernel may take them when it needs them. */
#include "base/cleanup.h"
#include "cache/internal.h"
#include "model/reread.h"

#include <stdlib.h>

/* Ranges of a model's files on their way. */
struct lending {
    struct hst_cache *cache;
    struct hst_model *model; /* referenced */
    struct hst_extents extents;
};

static void lend_extent(const struct lending *lending, const struct hst_extent *extent)
{
    HST_AUTO(hst_closep) int fd = hst_reread_open(&lending->model->files[extent->file], NULL);
    if (fd < 0 || hst_hold_resident(fd, extent->offset, extent->size_bytes) >= extent->size_bytes) return;
    (void)hst_hold_fetch(fd, extent->offset, extent->size_bytes, &lending->cache->stopping);
}

static void lend_work(void *arg)
{
    const struct lending *lending = arg;
    for (size_t i = 0; i < lending->extents.count; i++)
        lend_extent(lending, &lending->extents.items[i]);
}

static void lend_done(void *arg)
{
    struct lending *lending = arg;
    hst_model_unref(lending->model);
    hst_extents_fini(&lending->extents);
    free(lending);
}

/* Which tensors lie in the file itself? */
static bool *find_own(const struct hst_resident *resident)
{
    const struct hst_component *component = resident->view.component;
    const struct hst_claim *claim = resident->claim;
    bool *own = calloc(component->tensor_count + 1, sizeof *own);
    for (size_t i = 0; own != NULL && i < component->tensor_count; i++) {
        const struct hst_region *region = claim->region_count > 0 ? claim->regions[claim->spots[i].segment] : NULL;
        const struct hst_component_tensor *row = &component->tensors[i];
        own[i] = region == NULL || (hst_file_id_equal(&region->id, &component->model->files[row->file].id) && claim->spots[i].offset == row->tensor->offset);
    }
    return own;
}

void hst_cache_lend(struct hst_cache *cache, struct hst_residency *residency)
{
    const struct hst_resident *resident = hst_resident_of(residency);
    bool in_place = resident->claim != NULL && residency->backing == HST_BACKING_PAGE_CACHE;
    HST_AUTO(hst_freep) bool *own = in_place ? find_own(resident) : NULL;
    struct lending *lending = own != NULL ? calloc(1, sizeof *lending) : NULL;
    if (lending == NULL) return;
    lending->cache = cache;
    lending->model = hst_model_ref(residency->component->model);
    bool begun = hst_extents_of(residency->component, own, hst_hold_page_size(), &lending->extents, NULL) == HST_OK && lending->extents.count > 0 &&
                 hst_exec_submit(cache->exec, lend_work, lend_done, lending) == HST_OK;
    if (!begun) lend_done(lending);
}
