#include "plan/plan.h"

#include "base/checked.h"
#include "plan/batches.h"

#include <stdio.h>
#include <stdlib.h>

/* What a tier needs and how its failure is named. */
struct need {
    const struct hst_plan_room *room;
    uint64_t bytes;
    int status;
    const char *tier;
};

static size_t choose_next(const struct need *need, const struct hst_plan_policy *policy, const bool *taken)
{
    const struct hst_plan_candidate *candidates = need->room->candidates;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < need->room->candidate_count; i++)
        if (!taken[i] && (best == SIZE_MAX || policy->compare(&candidates[i], &candidates[best]) < 0)) best = i;
    return best;
}

static uint64_t sum_candidates(const struct hst_plan_room *room)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < room->candidate_count; i++)
        sum += room->candidates[i].bytes;
    return sum;
}

static uint64_t room_left(const struct hst_plan_room *room)
{
    return room->budget_bytes - hst_min_u64(room->budget_bytes, room->used_bytes);
}

static int refuse(const struct need *need, struct hst_error *err)
{
    uint64_t available = room_left(need->room), evictable = sum_candidates(need->room);
    hst_error_set(err, need->status, "%llu bytes are needed, %llu of the %s budget of %llu are free and %llu could be evicted",
                  (unsigned long long)need->bytes, (unsigned long long)available, need->tier, (unsigned long long)need->room->budget_bytes,
                  (unsigned long long)evictable);
    if (err != NULL) {
        err->required_bytes = need->bytes;
        err->available_bytes = available;
        err->evictable_bytes = evictable;
    }
    return need->status;
}

static void explain(struct hst_plan_eviction *eviction, const struct need *need, const struct hst_plan_policy *policy, size_t index)
{
    const struct hst_plan_candidate *candidate = &need->room->candidates[index];
    eviction->candidate = index;
    eviction->component_id = candidate->component_id;
    eviction->bytes = candidate->bytes;
    snprintf(eviction->reason, sizeof eviction->reason, "first by %s of what nobody holds: frees %llu bytes of %s", policy->name,
             (unsigned long long)candidate->bytes, need->tier);
}

static int evict(const struct need *need, const struct hst_plan_policy *policy, bool *taken, struct hst_plan_eviction *evictions, size_t *ret_count,
                 struct hst_error *err)
{
    uint64_t left = room_left(need->room);
    size_t count = 0;
    while (left < need->bytes) {
        size_t next = choose_next(need, policy, taken);
        if (next == SIZE_MAX) return refuse(need, err);
        taken[next] = true;
        left += need->room->candidates[next].bytes;
        explain(&evictions[count++], need, policy, next);
    }
    *ret_count = count;
    return HST_OK;
}

static int make_room(const struct need *need, const struct hst_plan_policy *policy, struct hst_plan_eviction **ret_evictions, size_t *ret_count,
                     struct hst_error *err)
{
    size_t room = need->room->candidate_count + 1;
    bool *taken = calloc(room, sizeof *taken);
    struct hst_plan_eviction *evictions = calloc(room, sizeof *evictions);
    int status = taken != NULL && evictions != NULL ? evict(need, policy, taken, evictions, ret_count, err) : hst_error_nomem(err);
    free(taken);
    if (status == HST_OK)
        *ret_evictions = evictions;
    else
        free(evictions);
    return status;
}

static int add_up(const struct hst_plan_facts *facts, struct hst_plan *plan, struct hst_error *err)
{
    for (size_t i = 0; i < facts->item_count; i++)
        if (!hst_checked_add(plan->ram_bytes, facts->items[i].ram_bytes, &plan->ram_bytes) ||
            !hst_checked_add(plan->device_bytes, facts->items[i].device_bytes, &plan->device_bytes))
            return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "the components' sizes overflow");
    return HST_OK;
}

static int fill_in(const struct hst_plan_facts *facts, struct hst_plan *plan, struct hst_error *err)
{
    const struct hst_plan_policy *policy = facts->policy != NULL ? facts->policy : hst_plan_policy_find("lru");
    HST_TRY(add_up(facts, plan, err));
    const struct need ram = {&facts->ram, plan->ram_bytes, HST_E_OUT_OF_RAM, "RAM"};
    const struct need device = {&facts->device, plan->device_bytes, HST_E_OUT_OF_DEVICE_MEMORY, "device"};
    plan->batch_of = calloc(facts->item_count + 1, sizeof *plan->batch_of);
    if (plan->batch_of == NULL) return hst_error_nomem(err);
    HST_TRY(hst_batches_make(facts->items, facts->item_count, plan->batch_of, &plan->batch_count, err));
    HST_TRY(make_room(&ram, policy, &plan->ram_evictions, &plan->ram_eviction_count, err));
    HST_TRY(make_room(&device, policy, &plan->device_evictions, &plan->device_eviction_count, err));
    plan->expected_ms = facts->bytes_per_ms > 0 ? (double)plan->ram_bytes / facts->bytes_per_ms : -1;
    return HST_OK;
}

int hst_plan_make(const struct hst_plan_facts *facts, struct hst_plan *ret_plan, struct hst_error *err)
{
    struct hst_plan plan = {0};
    int status = fill_in(facts, &plan, err);
    if (status < 0)
        hst_plan_fini(&plan);
    else
        *ret_plan = plan;
    return status;
}

void hst_plan_fini(struct hst_plan *plan)
{
    free(plan->batch_of);
    free(plan->ram_evictions);
    free(plan->device_evictions);
    *plan = (struct hst_plan){0};
}
