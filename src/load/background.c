/* Loads that nobody waits for: they evict nothing, are no use of what they bring in, and give way to those that somebody waits for. */
#include "base/cleanup.h"
#include "load/internal.h"
#include "os/clock.h"

#include <string.h>

static struct hst_job_entry *entry_of(struct hst_list *node)
{
    return hst_container_of(node, struct hst_job_entry, node);
}

static bool is_in_background(const struct hst_job_entry *job)
{
    return job->view.ahead && hst_job_active(job);
}

/* Does it bring in something that the other wants as well? */
static bool serves(const struct hst_job_entry *background, const struct hst_job_entry *job)
{
    if (strcmp(background->precision, job->precision) != 0) return false;
    for (size_t i = 0; i < job->view.component_count; i++)
        if (hst_job_brings(background, job->view.components[i])) return true;
    return false;
}

void hst_background_give_way(struct hst_loader *loader, const struct hst_job_entry *job)
{
    HST_LIST_FOREACH(node, &loader->jobs) {
        struct hst_job_entry *other = entry_of(node);
        if (job->view.ahead || !is_in_background(other) || other->view.overtaken_ms > 0) continue;
        if (serves(other, job) && !other->cancel)
            other->view.overtaken_ms = (double)(hst_clock_wall_ns() - (int64_t)other->view.started_wall_ns) / 1e6;
        else
            hst_loader_cancel(loader, &other->view, NULL);
    }
}

/* Does all of the job fit beside what is reserved now? */
static bool fits(const struct hst_loader *loader, const struct hst_job_entry *job)
{
    struct hst_cache_stats stats = hst_cache_stats(loader->config.cache);
    const struct hst_device *device = job->view.device;
    uint64_t bytes = 0;
    for (size_t i = 0; i < job->view.component_count; i++)
        bytes += job->view.components[i]->ram_bytes;
    return stats.used_bytes + bytes <= hst_cache_limit(loader->config.cache) && (device == NULL || device->reserved_bytes + bytes <= device->budget_bytes);
}

bool hst_background_is_in_the_way(const struct hst_loader *loader, const struct hst_job_entry *job)
{
    HST_LIST_FOREACH(node, &loader->jobs)
        if (is_in_background(entry_of(node)) && entry_of(node)->cancel) return !fits(loader, job);
    return false;
}

int hst_background_check(const struct hst_loader *loader, const struct hst_load_request *request, struct hst_error *err)
{
    if (!request->ahead || loader->active == 0) return HST_OK;
    return hst_error_set(err, HST_E_BUSY, "there are loads that somebody waits for");
}
