/* What follows from the evictions of a plan: what each really frees, and what leaves its device with its RAM; and the records of them. */
#include "base/cleanup.h"
#include "load/internal.h"

#include <stdio.h>
#include <string.h>

/* Memory that several have goes with the last of them. */
static int count_unloaded(const struct hst_victims *victims, struct hst_plan *plan, struct hst_error *err)
{
    HST_AUTO(hst_freep) const struct hst_allocation **gone = calloc(plan->device_eviction_count + 1, sizeof(struct hst_allocation *));
    uint64_t before = 0;
    if (gone == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < plan->device_eviction_count; i++) {
        gone[i] = &victims->device[plan->device_evictions[i].candidate]->allocation;
        uint64_t together = hst_allocation_freed(gone, i + 1);
        plan->device_evictions[i].bytes = together - before;
        before = together;
    }
    return HST_OK;
}

static int count_freed(const struct hst_victims *victims, struct hst_plan *plan, struct hst_error *err)
{
    HST_AUTO(hst_freep) struct hst_residency **gone = calloc(plan->ram_eviction_count + 1, sizeof(struct hst_residency *));
    uint64_t before = 0;
    if (gone == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < plan->ram_eviction_count; i++) {
        gone[i] = victims->ram[plan->ram_evictions[i].candidate];
        uint64_t together = hst_cache_together(gone, i + 1);
        plan->ram_evictions[i].bytes = together - before;
        before = together;
    }
    return HST_OK;
}

static bool is_listed(const struct hst_victims *victims, const struct hst_plan *plan, const struct hst_loaded_entry *loaded)
{
    for (size_t i = 0; i < plan->device_eviction_count; i++)
        if (victims->device[plan->device_evictions[i].candidate] == loaded) return true;
    return false;
}

/* The next place among the device's candidates. */
static size_t next_candidate(const struct hst_victims *victims)
{
    size_t count = 0;
    while (victims->device[count] != NULL)
        count++;
    return count;
}

static int add_unload(struct hst_victims *victims, struct hst_plan *plan, struct hst_loaded_entry *loaded, const struct hst_plan_eviction *with, struct hst_error *err)
{
    struct hst_plan_eviction *grown = reallocarray(plan->device_evictions, plan->device_eviction_count + 1, sizeof *grown);
    if (grown == NULL) return hst_error_nomem(err);
    plan->device_evictions = grown;
    struct hst_plan_eviction *eviction = &grown[plan->device_eviction_count];
    *eviction = (struct hst_plan_eviction){.candidate = next_candidate(victims),
                                           .device_id = loaded->view.device->id,
                                           .bytes = loaded->view.device_bytes,
                                           .value = with->value,
                                           .follows = true};
    eviction->component_id = strdup(with->component_id);
    if (eviction->component_id == NULL) return hst_error_nomem(err);
    snprintf(eviction->reason, sizeof eviction->reason, "the device uses it in RAM, which goes");
    victims->device[eviction->candidate] = loaded;
    plan->device_eviction_count++;
    return HST_OK;
}

static int add_unloads(const struct hst_loader *loader, struct hst_victims *victims, struct hst_plan *plan, const struct hst_plan_eviction *with, struct hst_error *err)
{
    for (size_t i = 0; i < loader->loaded_count; i++) {
        struct hst_loaded_entry *loaded = loader->loaded[i];
        if (loaded->suspended || loaded->view.residency != victims->ram[with->candidate] || is_listed(victims, plan, loaded)) continue;
        HST_TRY(add_unload(victims, plan, loaded, with, err));
    }
    return HST_OK;
}

int hst_consequences_add(const struct hst_job_entry *job, struct hst_victims *victims, struct hst_plan *plan, struct hst_error *err)
{
    for (size_t i = 0; i < plan->device_eviction_count; i++)
        plan->device_evictions[i].device_id = job->view.device->id;
    for (size_t i = 0; i < plan->ram_eviction_count; i++)
        HST_TRY(add_unloads(job->loader, victims, plan, &plan->ram_evictions[i], err));
    HST_TRY(count_unloaded(victims, plan, err));
    return count_freed(victims, plan, err);
}

struct hst_decision *hst_consequences_record(const struct hst_job_entry *job, const struct hst_plan_eviction *eviction, const struct hst_plan_rivals *rivals)
{
    struct hst_decision *record = calloc(1, sizeof *record);
    if (record == NULL) return NULL;
    *record = (struct hst_decision){.cause = HST_CAUSE_ROOM, .bytes = eviction->bytes, .value = eviction->value};
    snprintf(record->component_id, sizeof record->component_id, "%s", eviction->component_id);
    snprintf(record->device_id, sizeof record->device_id, "%s", eviction->device_id != NULL ? eviction->device_id : "");
    snprintf(record->job_id, sizeof record->job_id, "%s", job->view.id);
    snprintf(record->model_id, sizeof record->model_id, "%s", job->view.model->id);
    snprintf(record->reason, sizeof record->reason, "%s", eviction->reason);
    snprintf(record->policy, sizeof record->policy, "%s", job->plan.policy);
    for (size_t i = 0; !eviction->follows && i < rivals->count; i++) {
        struct hst_decision_rival *rival = &record->rivals[record->rival_count++];
        snprintf(rival->component_id, sizeof rival->component_id, "%s", rivals->items[i].component_id != NULL ? rivals->items[i].component_id : "");
        rival->value = rivals->items[i].value;
    }
    return record;
}
