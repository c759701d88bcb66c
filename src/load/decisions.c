#include "load/decisions.h"

#include "os/clock.h"

#include <stdlib.h>
#include <string.h>

const char *hst_decision_cause_name(enum hst_decision_cause cause)
{
    static const char *const names[HST_CAUSE_COUNT] = {"room", "asked", "ttl", "pressure"};
    return names[cause];
}

const struct hst_decision *hst_decisions_note(struct hst_decisions *decisions, const struct hst_decision *decision)
{
    decisions->counts[decision->cause]++;
    decisions->bytes += decision->bytes;
    if (decisions->ring == NULL) decisions->ring = calloc(HST_DECISIONS_KEPT, sizeof *decisions->ring);
    if (decisions->ring == NULL) return NULL;
    struct hst_decision *kept = &decisions->ring[++decisions->last_id % HST_DECISIONS_KEPT];
    *kept = *decision;
    kept->id = decisions->last_id;
    kept->at_wall_ns = hst_clock_wall_ns();
    kept->reloaded_wall_ns = 0;
    return kept;
}

const struct hst_decision *hst_decisions_next(const struct hst_decisions *decisions, size_t *cursor)
{
    if (*cursor >= HST_DECISIONS_KEPT || *cursor >= decisions->last_id) return NULL;
    return &decisions->ring[(decisions->last_id - (*cursor)++) % HST_DECISIONS_KEPT];
}

static bool is_of(const struct hst_decision *decision, const char *component_id, const char *device_id)
{
    return strcmp(decision->component_id, component_id) == 0 && strcmp(decision->device_id, device_id) == 0;
}

const struct hst_decision *hst_decisions_reloaded(struct hst_decisions *decisions, const char *component_id, const char *device_id, int64_t now_wall_ns)
{
    size_t cursor = 0;
    for (const struct hst_decision *at; (at = hst_decisions_next(decisions, &cursor));) {
        if (!is_of(at, component_id, device_id)) continue;
        bool soon = now_wall_ns - at->at_wall_ns < HST_THRASH_SECONDS * INT64_C(1000000000);
        bool decided = at->cause == HST_CAUSE_ROOM || at->cause == HST_CAUSE_PRESSURE;
        if (!soon || !decided || at->reloaded_wall_ns != 0) return NULL;
        struct hst_decision *decision = &decisions->ring[at->id % HST_DECISIONS_KEPT];
        decision->reloaded_wall_ns = now_wall_ns;
        decisions->thrash_count++;
        return decision;
    }
    return NULL;
}

void hst_decisions_fini(struct hst_decisions *decisions)
{
    free(decisions->ring);
    *decisions = (struct hst_decisions){0};
}
