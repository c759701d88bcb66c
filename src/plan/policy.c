#include "plan/policy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** What was used this long ago or less is about as likely to be used as what was used just now (found, as UNSEEN, with the tuning traces of bench/policies). */
#define HORIZON_S 300.0
/** Uses that everything is believed to have had: one or two say little. */
#define UNSEEN 2.0

/* Least recently used first. */
static double value_lru(const struct hst_plan_candidate *candidate)
{
    return (double)candidate->last_used_seq;
}

/* Least often used first, of late. */
static double value_lfu(const struct hst_plan_candidate *candidate)
{
    return candidate->heat;
}

/* How often it is used, by what is known: uses of late, weighed down while it is not used (as in hyperbolic caching: Blankstein et al., USENIX ATC
 * 2017), or the time that is predicted. */
static double use_rate(const struct hst_plan_candidate *candidate)
{
    double rate = (UNSEEN + candidate->heat) / (HORIZON_S + candidate->idle_s);
    if (candidate->next_use_s > 0) rate = fmax(rate, 1 / candidate->next_use_s);
    return rate;
}

/* Seconds of loading that a byte of it saves a second (the cost over size of GreedyDual-Size-Frequency: Cherkasova, HPL-98-69). */
static double value_cost(const struct hst_plan_candidate *candidate)
{
    double cost = candidate->reload_ns > 0 ? (double)candidate->reload_ns / 1e9 : (double)candidate->bytes / 1e9;
    double bytes = candidate->bytes > 0 ? (double)candidate->bytes : 1;
    return use_rate(candidate) * cost / bytes;
}

static const struct hst_plan_policy policies[] = {{"cost", value_cost}, {"lru", value_lru}, {"lfu", value_lfu}};

const struct hst_plan_policy *hst_plan_policy_find(const char *name)
{
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++)
        if (strcmp(policies[i].name, name) == 0) return &policies[i];
    return NULL;
}

const struct hst_plan_policy *hst_plan_policy_default(void)
{
    return &policies[0];
}

/* A candidate and what it is worth. */
struct ranked {
    const struct hst_plan_candidate *candidate;
    size_t index;
    double value;
};

static int compare(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->candidate->expired != y->candidate->expired) return x->candidate->expired ? -1 : 1;
    if (x->value < y->value || x->value > y->value) return x->value < y->value ? -1 : 1;
    int names = strcmp(x->candidate->component_id, y->candidate->component_id);
    return names != 0 ? names : (x->index > y->index) - (x->index < y->index);
}

double hst_plan_value(const struct hst_plan_policy *policy, const struct hst_plan_candidate *candidate)
{
    return policy->value(candidate) * exp2(candidate->priority);
}

int hst_plan_rank(const struct hst_plan_policy *policy, const struct hst_plan_candidate *candidates, size_t count, size_t **ret_order, struct hst_error *err)
{
    struct ranked *ranked = calloc(count + 1, sizeof *ranked);
    size_t *order = calloc(count + 1, sizeof *order);
    if (ranked == NULL || order == NULL) {
        free(ranked);
        free(order);
        return hst_error_nomem(err);
    }
    for (size_t i = 0; i < count; i++)
        ranked[i] = (struct ranked){&candidates[i], i, hst_plan_value(policy, &candidates[i])};
    qsort(ranked, count, sizeof *ranked, compare);
    for (size_t i = 0; i < count; i++)
        order[i] = ranked[i].index;
    free(ranked);
    *ret_order = order;
    return HST_OK;
}

/* "3 h", "12 min", "4 s", "7 ms". */
static void write_time(double seconds, char *text, size_t size)
{
    if (seconds < 1)
        snprintf(text, size, "%.0f ms", seconds * 1e3);
    else if (seconds < 120)
        snprintf(text, size, "%.0f s", seconds);
    else if (seconds < 7200)
        snprintf(text, size, "%.0f min", seconds / 60);
    else
        snprintf(text, size, "%.0f h", seconds / 3600);
}

void hst_plan_explain(const struct hst_plan_policy *policy, const struct hst_plan_candidate *candidate, char *text, size_t size)
{
    char idle[24], time[24], cost[48] = "";
    write_time(candidate->idle_s, idle, sizeof idle);
    write_time(fmax(1e-3, (double)candidate->reload_ns / 1e9), time, sizeof time);
    if (candidate->reload_ns > 0) snprintf(cost, sizeof cost, ", comes back in %s", time);
    const char *first = candidate->expired ? "its time to live is over" : "nobody holds it";
    snprintf(text, size, "%s: not used for %s, %.1f uses of late%s; worth least to %s", first, idle, candidate->heat, cost, policy->name);
}
