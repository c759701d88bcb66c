/* Better use of a device's memory: a component that nobody leases, and that would take less of it by now, is copied from RAM into a new allocation, and the old one goes:
 * equal tensors that came in before their hashes were known, and blocks that lived on for a few tensors of others. Whoever opens it meanwhile gets the old one, and
 * then that stays. */
#include "base/cleanup.h"
#include "load/internal.h"
#include "os/clock.h"

#include <string.h>

/* A component on its way. */
struct rehousing {
    struct hst_loader *loader;
    struct hst_loaded_entry *entry;   /* it stays while it is `moving` */
    struct hst_allocation allocation; /* the new one */
    struct hst_residency *residency;  /* referenced */
    struct hst_device_progress progress;
    uint64_t gain_bytes;
    hst_rearranged_fn done;
    void *context;
};

static bool is_at_rest(const struct hst_loader *loader, const struct hst_loaded_entry *entry)
{
    if (entry->view.device->ops->references_ram || entry->suspended || entry->lost || entry->moving || entry->view.alone || entry->view.leases > 0) return false;
    return !hst_job_touches(loader, entry->view.component);
}

static int draft(const struct hst_loader *loader, const struct hst_loaded_entry *entry, const struct hst_residency *held, struct hst_allocation *ret_allocation)
{
    const struct hst_allocation_wish wish = {.loader = loader,
                                             .device = entry->view.device,
                                             .component = entry->view.component,
                                             .recast = entry->view.recast,
                                             .claim = hst_claim_of(held),
                                             .size_bytes = entry->view.device_bytes,
                                             .except = entry};
    return hst_allocation_draft(&wish, ret_allocation, NULL);
}

/* Bytes that the device would have more; 0 = it is not worth it. */
static uint64_t gain_of(const struct hst_loaded_entry *entry, const struct hst_allocation *drafted)
{
    const struct hst_allocation *now = &entry->allocation;
    uint64_t freed = hst_allocation_freed(&now, 1);
    return freed > drafted->layout.size_bytes ? freed - drafted->layout.size_bytes : 0;
}

/* The new one takes the place of the old one. @return is it done? Else the old one stays */
static bool move_in(struct rehousing *rehousing)
{
    struct hst_loaded_entry *entry = rehousing->entry;
    struct hst_loaded shown = {0};
    if (entry->lost || entry->view.leases > 0 || hst_loaded_show(&shown, &rehousing->allocation, NULL) < 0) {
        hst_loaded_hide(&shown);
        return false;
    }
    struct hst_allocation old = entry->allocation;
    hst_loaded_hide(&entry->view);
    entry->view.segments = shown.segments;
    entry->view.segment_count = shown.segment_count;
    entry->view.spots = shown.spots;
    hst_loaded_take(entry, &rehousing->allocation);
    if (entry->keep_id > 0) hst_loaded_keep(rehousing->loader, entry);
    hst_allocation_fini(&old);
    return true;
}

static void finish(struct rehousing *rehousing, bool filled)
{
    struct hst_loader *loader = rehousing->loader;
    struct hst_rearranged what = {.moved_bytes = rehousing->allocation.layout.size_bytes, .shared_bytes = rehousing->allocation.shared_bytes, .freed_bytes = rehousing->gain_bytes, .components = 1};
    rehousing->entry->moving = false;
    bool moved = filled && move_in(rehousing);
    if (moved) hst_loaded_tell(loader, &rehousing->entry->view, "loaded");
    hst_allocation_fini(&rehousing->allocation);
    hst_cache_unref(loader->config.cache, rehousing->residency);
    hst_rearranged_fn done = rehousing->done;
    void *context = rehousing->context;
    free(rehousing);
    hst_job_wake(loader);
    done(context, moved ? &what : &(struct hst_rearranged){0});
}

static void on_filled(void *context, int status, const struct hst_error *err)
{
    (void)err; /* it stays where it was */
    finish(context, status == HST_OK);
}

static int begin(struct rehousing *rehousing)
{
    static const _Atomic(bool) never;
    rehousing->progress.cancel = &never;
    struct hst_device_task task = {.loader = rehousing->loader,
                                   .allocation = &rehousing->allocation,
                                   .fill = rehousing->residency,
                                   .progress = &rehousing->progress,
                                   .done = on_filled,
                                   .context = rehousing};
    HST_TRY(hst_allocation_reserve(&rehousing->allocation, NULL));
    if (hst_allocation_has_own(&rehousing->allocation)) HST_TRY(hst_device_task_start(&task, NULL));
    rehousing->entry->moving = true;
    hst_cache_ref(rehousing->loader->config.cache, rehousing->residency);
    return HST_OK;
}

static struct rehousing *make(struct hst_loader *loader, struct hst_loaded_entry *entry, hst_rearranged_fn done, void *context)
{
    struct hst_residency *held = is_at_rest(loader, entry) ? hst_loaded_source(loader, &entry->view) : NULL;
    struct rehousing *rehousing = held != NULL ? calloc(1, sizeof *rehousing) : NULL;
    if (rehousing == NULL) return NULL;
    *rehousing = (struct rehousing){.loader = loader, .entry = entry, .residency = held, .done = done, .context = context};
    if (draft(loader, entry, held, &rehousing->allocation) == HST_OK) rehousing->gain_bytes = gain_of(entry, &rehousing->allocation);
    if (rehousing->gain_bytes > 0) return rehousing;
    hst_allocation_fini(&rehousing->allocation);
    free(rehousing);
    return NULL;
}

bool hst_rehouse(struct hst_loader *loader, struct hst_loaded_entry *entry, hst_rearranged_fn done, void *context)
{
    struct rehousing *rehousing = make(loader, entry, done, context);
    if (rehousing == NULL) return false;
    if (begin(rehousing) < 0) {
        hst_allocation_fini(&rehousing->allocation);
        free(rehousing);
        return false;
    }
    if (!hst_allocation_has_own(&rehousing->allocation)) finish(rehousing, true);
    return true;
}
