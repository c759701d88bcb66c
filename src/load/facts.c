/* The facts that a plan is made of: what is there, what is missing, and whom nobody would miss. */
#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/claim.h"
#include "load/internal.h"
#include "load/limits.h"
#include "os/clock.h"

#include <math.h>
#include <stdio.h>

/* Arrays under construction. */
struct gathering {
    struct hst_plan_item *items;
    struct hst_plan_candidate *ram;
    struct hst_plan_candidate *device;
    struct hst_victims victims;
};

void hst_facts_victims_fini(struct hst_victims *victims)
{
    free(victims->ram);
    free(victims->device);
    *victims = (struct hst_victims){0};
}

static void gathering_fini(struct gathering *gathering)
{
    free(gathering->items);
    free(gathering->ram);
    free(gathering->device);
    hst_facts_victims_fini(&gathering->victims);
}

static int gathering_init(struct gathering *gathering, const struct hst_job_entry *job, struct hst_error *err)
{
    const struct hst_loader *loader = job->loader;
    size_t ram_room = hst_cache_count(loader->config.cache) + 1, device_room = loader->loaded_count + 1;
    gathering->items = calloc(job->view.component_count + 1, sizeof *gathering->items);
    gathering->ram = calloc(ram_room, sizeof *gathering->ram);
    gathering->device = calloc(device_room, sizeof *gathering->device);
    gathering->victims.ram = calloc(ram_room, sizeof(struct hst_residency *));
    gathering->victims.device = calloc(device_room, sizeof(struct hst_loaded_entry *));
    bool good = gathering->items != NULL && gathering->ram != NULL && gathering->device != NULL && gathering->victims.ram != NULL &&
                gathering->victims.device != NULL;
    return good ? HST_OK : hst_error_nomem(err);
}

static void gather_items(struct hst_job_entry *job, struct hst_plan_item *items)
{
    for (size_t i = 0; i < job->view.component_count; i++) {
        const struct hst_component *component = job->view.components[i];
        items[i] = (struct hst_plan_item){.component_id = component->id,
                                          .role = component->role,
                                          .depends_on = (const char *const *)component->depends_on,
                                          .depends_on_count = component->depends_on_count,
                                          .size_bytes = job->view.sizes[i],
                                          .ram_bytes = job->view.outlooks[i].ram_bytes,
                                          .device_bytes = job->view.outlooks[i].device_bytes};
    }
}

bool hst_facts_evictable(const struct hst_loader *loader, const struct hst_residency *residency)
{
    unsigned willing = 0;
    if (residency->state != HST_RESIDENCY_CACHED || residency->leases > 0 || residency->pinned) return false;
    if (hst_job_has(loader, residency->component, hst_residency_precision(residency)) || hst_job_copies(loader, residency)) return false;
    for (size_t i = 0; i < loader->loaded_count; i++) {
        const struct hst_loaded_entry *entry = loader->loaded[i];
        willing += entry->view.residency == residency && hst_loaded_evictable(loader, entry);
    }
    return willing >= residency->device_refs;
}

/* Times are those of the wall: what was used before a restart counts, too. */
static struct hst_plan_candidate candidate_of(const struct hst_loader *loader, const struct hst_component *component, uint64_t bytes, uint64_t last_used_seq, uint64_t reload_ns)
{
    struct hst_usage usage = hst_cache_usage(loader->config.cache, component);
    double idle_s = usage.last_used_wall_ns > 0 ? fmax(0, (double)(hst_clock_wall_ns() - usage.last_used_wall_ns) / 1e9) : 0;
    return (struct hst_plan_candidate){.component_id = component->id,
                                       .bytes = bytes,
                                       .last_used_seq = last_used_seq,
                                       .reload_ns = reload_ns,
                                       .heat = hst_cache_cool(usage.heat, idle_s),
                                       .priority = hst_config_of(loader->config.catalog, component->model->id)->priority,
                                       .idle_s = idle_s};
}

struct hst_plan_candidate hst_facts_candidate(const struct hst_loader *loader, struct hst_residency *residency)
{
    uint64_t freed = hst_cache_together(&residency, 1);
    struct hst_plan_candidate candidate = candidate_of(loader, residency->component, freed, residency->last_used_seq, residency->fill_ns);
    candidate.expired = residency->ahead || hst_giveback_is_due(loader, residency);
    return candidate;
}

/* Candidates of a tier, and how what they have in common is counted. */
struct tier {
    struct hst_plan_candidate *candidates;
    void *const *members; /* one a candidate */
    size_t count;
    bool (*shares)(const void *a, const void *b);
    bool (*is_whole)(const struct hst_plan_candidate *candidate, const void *member); /* it frees all that it has */
    uint64_t (*together)(void *const *members, size_t count);
};

static bool ram_shares(const void *a, const void *b)
{
    return hst_cache_shares(a, b);
}

static bool ram_is_whole(const struct hst_plan_candidate *candidate, const void *member)
{
    return candidate->bytes >= ((const struct hst_residency *)member)->charged_bytes;
}

static uint64_t ram_together(void *const *members, size_t count)
{
    return hst_cache_together((struct hst_residency *const *)members, count);
}

static bool device_shares(const void *a, const void *b)
{
    return hst_allocation_meets(a, b);
}

static bool device_is_whole(const struct hst_plan_candidate *candidate, const void *member)
{
    (void)candidate;
    return hst_allocation_is_whole(member);
}

static uint64_t device_together(void *const *members, size_t count)
{
    return hst_allocation_freed((const struct hst_allocation *const *)members, count);
}

/* Members of a group, beginning with `first`: whoever shares memory with a member is one. */
static size_t collect_group(void **members, const struct tier *tier, size_t first, unsigned group)
{
    size_t found = 0;
    members[found++] = tier->members[first];
    tier->candidates[first].group = group;
    for (size_t at = 0; at < found; at++)
        for (size_t i = 0; i < tier->count; i++) {
            struct hst_plan_candidate *candidate = &tier->candidates[i];
            if (candidate->group > 0 || tier->is_whole(candidate, tier->members[i]) || !tier->shares(members[at], tier->members[i])) continue;
            candidate->group = group;
            members[found++] = tier->members[i];
        }
    return found;
}

static uint64_t sum_group(const struct tier *tier, unsigned group)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < tier->count; i++)
        bytes += tier->candidates[i].group == group ? tier->candidates[i].bytes : 0;
    return bytes;
}

/* Those that share memory free more together than each alone. */
static void group(const struct tier *tier)
{
    HST_AUTO(hst_freep) void **members = calloc(tier->count + 1, sizeof(void *));
    unsigned groups = 0;
    for (size_t i = 0; members != NULL && i < tier->count && groups < HST_GROUPS_MAX; i++) {
        if (tier->candidates[i].group > 0 || tier->is_whole(&tier->candidates[i], tier->members[i])) continue;
        size_t found = collect_group(members, tier, i, ++groups);
        uint64_t together = tier->together(members, found), alone = sum_group(tier, groups);
        for (size_t j = 0; j < tier->count; j++)
            if (tier->candidates[j].group == groups) tier->candidates[j].joint_bytes = together > alone ? together - alone : 0;
    }
}

static size_t gather_ram(const struct hst_loader *loader, struct gathering *gathering)
{
    size_t cursor = 0, count = 0;
    for (struct hst_residency *residency; (residency = hst_cache_next(loader->config.cache, &cursor));) {
        if (!hst_facts_evictable(loader, residency)) continue;
        gathering->victims.ram[count] = residency;
        gathering->ram[count] = hst_facts_candidate(loader, residency);
        gathering->ram[count].memory = (unsigned)count + 1;
        count++;
    }
    group(&(struct tier){gathering->ram, (void *const *)gathering->victims.ram, count, ram_shares, ram_is_whole, ram_together});
    return count;
}

/* What is in RAM comes back to a device that references RAM at once; but it leaves RAM with it when both are short, so both choose alike. What a device has
 * itself is copied again, and read before that when RAM does not have it any more. */
static uint64_t reload_of(const struct hst_loader *loader, const struct hst_loaded *loaded)
{
    if (loaded->device->ops->references_ram) return loaded->residency->fill_ns;
    bool in_ram = hst_cache_find_as(loader->config.cache, loaded->component, loaded->precision) != NULL;
    return loaded->copy_ns + (in_ram ? 0 : loaded->fill_ns);
}

/* The number of the RAM candidate that it is, or 0. */
static unsigned memory_of(const struct gathering *gathering, const struct hst_residency *residency)
{
    for (unsigned i = 0; gathering->victims.ram[i] != NULL; i++)
        if (gathering->victims.ram[i] == residency) return i + 1;
    return 0;
}

static size_t gather_device(const struct hst_job_entry *job, struct gathering *gathering)
{
    const struct hst_loader *loader = job->loader;
    HST_AUTO(hst_freep) void **allocations = calloc(loader->loaded_count + 1, sizeof(void *));
    size_t count = 0;
    for (size_t i = 0; allocations != NULL && i < loader->loaded_count; i++) {
        struct hst_loaded_entry *entry = loader->loaded[i];
        const struct hst_allocation *allocation = allocations[count] = &entry->allocation;
        if (entry->view.device != job->view.device || !hst_loaded_evictable(loader, entry)) continue;
        gathering->victims.device[count] = entry;
        gathering->device[count] = candidate_of(loader, entry->view.component, hst_allocation_freed(&allocation, 1), entry->view.last_used_seq, reload_of(loader, &entry->view));
        gathering->device[count].memory = memory_of(gathering, entry->view.residency);
        gathering->device[count++].expired = hst_giveback_loaded_is_due(loader, &entry->view);
    }
    group(&(struct tier){gathering->device, allocations, count, device_shares, device_is_whole, device_together});
    return count;
}

/* Of a device: the budget, or what the driver left of it. */
static uint64_t limit_of(const struct hst_job_entry *job)
{
    uint64_t budget = job->view.device->budget_bytes;
    return job->device_limit > 0 ? hst_min_u64(budget, job->device_limit) : budget;
}

/* The budget has room that the device has not. */
static void blame_device(const struct hst_job_entry *job, struct hst_error *err)
{
    if (err == NULL) return;
    uint64_t missing = err->required_bytes - hst_min_u64(err->required_bytes, err->available_bytes + err->evictable_bytes);
    snprintf(err->text, sizeof err->text,
             "%llu bytes are needed, %s has %llu left beside what others use, though the budget is %llu, and %llu could be evicted: %llu are missing",
             (unsigned long long)err->required_bytes, job->view.device->id, (unsigned long long)err->available_bytes,
             (unsigned long long)job->view.device->budget_bytes, (unsigned long long)err->evictable_bytes, (unsigned long long)missing);
}

/* The budget has room that the machine has not. */
static void blame_machine(const struct hst_cache_stats *stats, struct hst_error *err)
{
    if (err == NULL) return;
    uint64_t missing = err->required_bytes - hst_min_u64(err->required_bytes, err->available_bytes + err->evictable_bytes);
    snprintf(err->text, sizeof err->text,
             "%llu bytes are needed, the machine has %llu beyond its reserve, though the RAM budget is %llu, and %llu could be evicted: %llu are missing",
             (unsigned long long)err->required_bytes, (unsigned long long)err->available_bytes, (unsigned long long)stats->budget_bytes,
             (unsigned long long)err->evictable_bytes, (unsigned long long)missing);
}

static int plan(struct hst_job_entry *job, struct gathering *gathering, struct hst_plan *ret_plan, struct hst_error *err)
{
    const struct hst_loader *loader = job->loader;
    const struct hst_device *device = job->view.device;
    struct hst_cache_stats stats = hst_cache_stats(loader->config.cache);
    HST_TRY(gathering_init(gathering, job, err));
    gather_items(job, gathering->items);
    struct hst_plan_facts facts = {.items = gathering->items,
                                   .item_count = job->view.component_count,
                                   .ram = {hst_cache_limit(loader->config.cache), stats.used_bytes - stats.draining_bytes, gathering->ram, job->view.ahead ? 0 : gather_ram(loader, gathering)},
                                   .policy = loader->config.policy};
    if (device != NULL)
        facts.device = (struct hst_plan_room){limit_of(job), device->reserved_bytes, gathering->device, job->view.ahead ? 0 : gather_device(job, gathering)};
    int status = hst_plan_make(&facts, ret_plan, err);
    if (status == HST_E_OUT_OF_DEVICE_MEMORY && job->device_limit > 0) blame_device(job, err);
    if (status == HST_E_OUT_OF_RAM && facts.ram.budget_bytes < stats.budget_bytes) blame_machine(&stats, err);
    HST_TRY(status);
    return hst_consequences_add(job, &gathering->victims, ret_plan, err);
}

/* What the job's first parts are going to name is not theirs any more. */
static void forgo(struct hst_job_entry *job, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (job->parts[i].claim != NULL) hst_claim_forgo(job->parts[i].claim);
}

/* On failure nothing is presumed. */
static int presume(struct hst_job_entry *job, struct hst_error *err)
{
    for (size_t i = 0; i < job->view.component_count; i++) {
        if (job->parts[i].claim == NULL || hst_claim_presume(job->parts[i].claim, err) == HST_OK) continue;
        forgo(job, i);
        return HST_E_NOMEM;
    }
    return HST_OK;
}

/* Plan while what the job is going to name is named already: a victim that has it too does not free it. */
static int plan_presuming(struct hst_job_entry *job, struct gathering *gathering, struct hst_plan *ret_plan, struct hst_error *err)
{
    HST_TRY(presume(job, err));
    int status = plan(job, gathering, ret_plan, err);
    forgo(job, job->view.component_count);
    return status;
}

int hst_facts_plan(struct hst_job_entry *job, struct hst_plan *ret_plan, struct hst_victims *ret_victims, struct hst_error *err)
{
    struct gathering gathering = {0};
    struct hst_plan made = {0};
    int status = hst_outlook_all(job, err);
    if (status == HST_OK) status = plan_presuming(job, &gathering, &made, err);
    if (status == HST_OK) {
        *ret_plan = made;
        *ret_victims = gathering.victims;
        gathering.victims = (struct hst_victims){0};
    } else
        hst_plan_fini(&made);
    gathering_fini(&gathering);
    return status;
}
