#include "plan/plan.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "plan/batches.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a tier needs and how its failure is named. */
struct need {
    const struct hst_plan_room *room;
    uint64_t bytes;
    int status;
    const char *tier;
};

static uint64_t room_left(const struct hst_plan_room *room)
{
    return room->budget_bytes - hst_min_u64(room->budget_bytes, room->used_bytes);
}

/* What goes, so far. */
struct going {
    const struct need *need;
    bool *taken;        /* one a candidate */
    bool *follows;      /* one a candidate: taken because its RAM goes */
    size_t *left_of;    /* members of a group that stay, by its number */
    uint64_t room;      /* bytes free when all that is taken has gone */
};

/* Take one, or (back) leave it after all: with the last of a group what only they shared goes, too. */
static void take(struct going *going, size_t index, bool back)
{
    const struct hst_plan_candidate *candidate = &going->need->room->candidates[index];
    size_t *left = &going->left_of[candidate->group];
    uint64_t joint = candidate->group > 0 && *left == (back ? 0 : 1) ? candidate->joint_bytes : 0;
    *left = back ? *left + 1 : *left - 1;
    going->taken[index] = !back;
    going->room = back ? going->room - candidate->bytes - joint : going->room + candidate->bytes + joint;
}

static int begin_going(const struct need *need, struct going *going, struct hst_error *err)
{
    size_t count = need->room->candidate_count;
    *going = (struct going){.need = need, .room = room_left(need->room), .taken = calloc(count + 1, sizeof *going->taken), .follows = calloc(count + 1, sizeof *going->follows),
                             .left_of = calloc(count + 2, sizeof *going->left_of)};
    if (going->taken == NULL || going->follows == NULL || going->left_of == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        going->left_of[need->room->candidates[i].group]++;
    return HST_OK;
}

static void end_going(struct going *going)
{
    free(going->taken);
    free(going->follows);
    free(going->left_of);
}

static int refuse(const struct going *going, struct hst_error *err)
{
    const struct need *need = going->need;
    uint64_t available = room_left(need->room), evictable = going->room - available, most = hst_min_u64(going->room, need->bytes);
    hst_error_set(err, need->status, "%llu bytes are needed, %llu of the %s budget of %llu are free and %llu could be evicted: %llu are missing",
                  (unsigned long long)need->bytes, (unsigned long long)available, need->tier, (unsigned long long)need->room->budget_bytes,
                  (unsigned long long)evictable, (unsigned long long)(need->bytes - most));
    if (err != NULL) {
        err->required_bytes = need->bytes;
        err->available_bytes = available;
        err->evictable_bytes = evictable;
    }
    return need->status;
}

static void note(struct hst_plan_eviction *eviction, const struct going *going, const struct hst_plan_policy *policy, size_t index)
{
    const struct hst_plan_candidate *candidate = &going->need->room->candidates[index];
    eviction->candidate = index;
    eviction->component_id = strdup(candidate->component_id);
    eviction->bytes = candidate->bytes;
    eviction->value = hst_plan_value(policy, candidate);
    eviction->follows = going->follows[index];
    if (eviction->follows)
        snprintf(eviction->reason, sizeof eviction->reason, "the device uses it in RAM, which goes");
    else
        hst_plan_explain(policy, candidate, eviction->reason, sizeof eviction->reason);
}

/* Take the first in order until there is room; then leave, from the most valuable on, what is not needed after all. */
static int choose(struct going *going, const size_t *order, struct hst_error *err)
{
    const struct need *need = going->need;
    size_t count = need->room->candidate_count, taken = 0;
    for (; going->room < need->bytes && taken < count; taken++)
        if (!going->follows[order[taken]]) take(going, order[taken], false);
    if (going->room < need->bytes) return refuse(going, err);
    for (size_t i = taken; i > 0; i--) {
        if (going->follows[order[i - 1]]) continue;
        take(going, order[i - 1], true);
        if (going->room < need->bytes) take(going, order[i - 1], false);
    }
    return HST_OK;
}

/* What the choice was: who goes in which order, and who is the next that would have. */
struct choice {
    struct hst_plan_eviction **evictions;
    size_t *count;
    struct hst_plan_rivals *rivals;
};

static void note_rival(struct hst_plan_rivals *rivals, const struct hst_plan_policy *policy, const struct hst_plan_candidate *candidate)
{
    if (rivals->count >= HST_PLAN_RIVALS_MAX) return;
    rivals->items[rivals->count++] = (struct hst_plan_rival){strdup(candidate->component_id), hst_plan_value(policy, candidate)};
}

static int list(const struct going *going, const struct hst_plan_policy *policy, const size_t *order, struct choice choice, struct hst_error *err)
{
    const struct need *need = going->need;
    size_t taken = 0;
    for (size_t i = 0; i < need->room->candidate_count; i++)
        taken += going->taken[i];
    struct hst_plan_eviction *evictions = calloc(taken + 1, sizeof *evictions);
    if (evictions == NULL) return hst_error_nomem(err);
    *choice.evictions = evictions;
    for (size_t i = 0; i < need->room->candidate_count; i++) {
        if (going->taken[order[i]])
            note(&evictions[(*choice.count)++], going, policy, order[i]);
        else
            note_rival(choice.rivals, policy, &need->room->candidates[order[i]]);
    }
    for (size_t i = 0; i < *choice.count; i++)
        if (evictions[i].component_id == NULL) return hst_error_nomem(err);
    return HST_OK;
}

static bool goes(const struct hst_plan *plan, const struct hst_plan_room *ram, unsigned memory)
{
    for (size_t i = 0; i < plan->ram_eviction_count; i++)
        if (ram->candidates[plan->ram_evictions[i].candidate].memory == memory) return true;
    return false;
}

/* What leaves the device, because RAM that it uses goes. @return how many do */
static size_t follow(struct going *going, const struct hst_plan *plan, const struct hst_plan_room *ram)
{
    size_t count = 0;
    for (size_t i = 0; i < going->need->room->candidate_count; i++) {
        unsigned memory = going->need->room->candidates[i].memory;
        if (memory == 0 || !goes(plan, ram, memory)) continue;
        take(going, i, false);
        going->follows[i] = true;
        count++;
    }
    return count;
}

/* `plan` is that of RAM, when it is made for what uses it. */
static int make_room(const struct need *need, const struct hst_plan_facts *facts, const struct hst_plan *plan, struct choice choice, struct hst_error *err)
{
    HST_AUTO(hst_freep) size_t *order = NULL;
    HST_AUTO(end_going) struct going going = {0};
    const struct hst_plan_policy *policy = facts->policy != NULL ? facts->policy : hst_plan_policy_default();
    bool alone = plan == NULL || plan->ram_eviction_count == 0;
    if (alone && room_left(need->room) >= need->bytes) return HST_OK;
    HST_TRY(begin_going(need, &going, err));
    if (!alone && follow(&going, plan, &facts->ram) == 0 && room_left(need->room) >= need->bytes) return HST_OK;
    HST_TRY(hst_plan_rank(policy, need->room->candidates, need->room->candidate_count, &order, err));
    HST_TRY(choose(&going, order, err));
    return list(&going, policy, order, choice, err);
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
    HST_TRY(add_up(facts, plan, err));
    const struct need ram = {&facts->ram, plan->ram_bytes, HST_E_OUT_OF_RAM, "RAM"};
    const struct need device = {&facts->device, plan->device_bytes, HST_E_OUT_OF_DEVICE_MEMORY, "device"};
    plan->batch_of = calloc(facts->item_count + 1, sizeof *plan->batch_of);
    if (plan->batch_of == NULL) return hst_error_nomem(err);
    HST_TRY(hst_batches_make(facts->items, facts->item_count, plan->batch_of, &plan->batch_count, err));
    plan->policy = (facts->policy != NULL ? facts->policy : hst_plan_policy_default())->name;
    HST_TRY(make_room(&ram, facts, NULL, (struct choice){&plan->ram_evictions, &plan->ram_eviction_count, &plan->ram_rivals}, err));
    return make_room(&device, facts, plan, (struct choice){&plan->device_evictions, &plan->device_eviction_count, &plan->device_rivals}, err);
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

static void free_evictions(struct hst_plan_eviction *evictions, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(evictions[i].component_id);
    free(evictions);
}

static void free_rivals(struct hst_plan_rivals *rivals)
{
    for (size_t i = 0; i < rivals->count; i++)
        free(rivals->items[i].component_id);
}

void hst_plan_fini(struct hst_plan *plan)
{
    free(plan->batch_of);
    free_evictions(plan->ram_evictions, plan->ram_eviction_count);
    free_evictions(plan->device_evictions, plan->device_eviction_count);
    free_rivals(&plan->ram_rivals);
    free_rivals(&plan->device_rivals);
    *plan = (struct hst_plan){0};
}
