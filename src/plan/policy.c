#include "plan/plan.h"

#include <string.h>

static int sign(bool less, bool greater)
{
    return (int)greater - (int)less;
}

/* Least recently used first. */
static int compare_lru(const struct hst_plan_candidate *a, const struct hst_plan_candidate *b)
{
    return sign(a->last_used_seq < b->last_used_seq, a->last_used_seq > b->last_used_seq);
}

static const struct hst_plan_policy policies[] = {{"lru", compare_lru}};

const struct hst_plan_policy *hst_plan_policy_find(const char *name)
{
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++)
        if (strcmp(policies[i].name, name) == 0) return &policies[i];
    return NULL;
}
