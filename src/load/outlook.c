/* What a job is going to do about each of its components: what is there, what is shared, what is read. */
#include "base/cleanup.h"
#include "cache/claim.h"
#include "load/internal.h"
#include "load/limits.h"

#include <string.h>

/* The claims of the components before this one: what two of a job name is charged once. */
struct drafts {
    struct hst_claim **claims;
    size_t count;
    uint64_t cost;
};

static int add_cost(struct drafts *drafts, struct hst_claim *claim, uint64_t *ret_bytes, struct hst_error *err)
{
    uint64_t before = drafts->cost;
    drafts->claims[drafts->count++] = claim;
    drafts->cost = hst_claim_cost_together(drafts->claims, drafts->count);
    *ret_bytes = drafts->cost - before;
    return drafts->cost < UINT64_MAX ? HST_OK : hst_error_nomem(err);
}

static int look_at_ram(struct hst_outlook *outlook, const struct hst_job_entry *job, size_t index, struct drafts *drafts, struct hst_error *err)
{
    const struct hst_cache *cache = job->loader->config.cache;
    const struct hst_component *component = job->view.components[index];
    struct hst_claim *claim = job->parts[index].claim;
    bool converts_there = job->parts[index].converts_there;
    const struct hst_residency *held = hst_cache_find_as(cache, component, converts_there ? NULL : job->view.precisions[index]);
    outlook->converts = converts_there;
    outlook->held = held != NULL;
    outlook->arriving = held != NULL && held->state == HST_RESIDENCY_CACHING;
    if (held != NULL) return HST_OK;
    outlook->skips_ram = job->parts[index].skips_ram;
    if (outlook->skips_ram) return HST_OK;
    outlook->converts = job->parts[index].recast != NULL;
    outlook->ram_bytes = hst_cache_cost(cache, component, NULL);
    outlook->read_bytes = component->size_bytes;
    if (claim == NULL) return HST_OK;
    outlook->read_bytes = hst_claim_read_bytes(claim, component);
    outlook->shared_bytes = claim->size_bytes - hst_claim_cost(claim);
    return add_cost(drafts, claim, &outlook->ram_bytes, err);
}

static int name_sharer(struct hst_outlook *outlook, const char *component_id, struct hst_error *err)
{
    if (outlook->sharers == NULL) outlook->sharers = calloc(HST_SHARERS_MAX, sizeof(char *));
    char *name = outlook->sharers != NULL ? strdup(component_id) : NULL;
    if (name == NULL) return hst_error_nomem(err);
    outlook->sharers[outlook->sharer_count++] = name;
    return HST_OK;
}

/* Whose memory it is that is shared. */
static int name_sharers(struct hst_outlook *outlook, const struct hst_cache *cache, const struct hst_claim *claim, struct hst_error *err)
{
    size_t cursor = 0;
    for (struct hst_residency *other; outlook->sharer_count < HST_SHARERS_MAX && (other = hst_cache_next(cache, &cursor));)
        if (hst_cache_meets(other, claim)) HST_TRY(name_sharer(outlook, other->component->id, err));
    return HST_OK;
}

/* Before its tensors are known it is a guess. */
static void look_at_device(struct hst_outlook *outlook, const struct hst_job_entry *job, size_t index)
{
    const struct hst_allocation *drafted = &job->parts[index].allocation;
    bool known = drafted->device != NULL;
    outlook->device_bytes = known ? drafted->layout.size_bytes : hst_allocation_guess(job->view.device, job->view.components[index], job->view.sizes[index]);
    outlook->device_shared_bytes = drafted->shared_bytes;
    if (outlook->skips_ram) outlook->read_bytes = job->view.components[index]->size_bytes - drafted->shared_bytes;
}

static int look_at(struct hst_job_entry *job, size_t index, struct drafts *drafts, struct hst_error *err)
{
    struct hst_outlook *outlook = &job->view.outlooks[index];
    const struct hst_device *device = job->view.device;
    HST_TRY(look_at_ram(outlook, job, index, drafts, err));
    outlook->loaded = device != NULL && !job->alone && hst_loaded_find(job->loader, job->view.components[index], device, job->view.precisions[index]) != NULL;
    if (device != NULL && !outlook->loaded) look_at_device(outlook, job, index);
    if (!job->view.dry || outlook->shared_bytes == 0) return HST_OK;
    return name_sharers(outlook, job->loader->config.cache, job->parts[index].claim, err);
}

int hst_outlook_all(struct hst_job_entry *job, struct hst_error *err)
{
    size_t count = job->view.component_count;
    HST_AUTO(hst_freep) struct hst_claim **claims = calloc(count + 1, sizeof(struct hst_claim *));
    struct drafts drafts = {.claims = claims};
    hst_outlook_fini(job);
    job->view.outlooks = calloc(count + 1, sizeof *job->view.outlooks);
    if (claims == NULL || job->view.outlooks == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        HST_TRY(look_at(job, i, &drafts, err));
    return HST_OK;
}

void hst_outlook_fini(struct hst_job_entry *job)
{
    for (size_t i = 0; job->view.outlooks != NULL && i < job->view.component_count; i++) {
        for (size_t j = 0; j < job->view.outlooks[i].sharer_count; j++)
            free(job->view.outlooks[i].sharers[j]);
        free(job->view.outlooks[i].sharers);
    }
    free(job->view.outlooks);
    job->view.outlooks = NULL;
}
