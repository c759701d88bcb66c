/* What every eviction policy does alike: it orders candidates, whole and without contradiction, and the plan takes no more than it needs. */
#include "cmocka_all.h"
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

static const char *const policies[] = {"lru"};
#define POLICIES (sizeof policies / sizeof policies[0])
enum { CANDIDATES = 12 };

static void make(struct hst_plan_candidate candidates[CANDIDATES])
{
    for (size_t i = 0; i < CANDIDATES; i++)
        candidates[i] = (struct hst_plan_candidate){"m:part", 100 + 37 * i % 7 * 100, 1 + i * 5 % CANDIDATES, 1000000 * (1 + i % 3)};
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void orders_without_contradiction(void **state)
{
    struct hst_plan_candidate c[CANDIDATES];
    (void)state;
    make(c);
    for (size_t p = 0; p < POLICIES; p++) {
        const struct hst_plan_policy *policy = hst_plan_policy_find(policies[p]);
        for (size_t i = 0; i < CANDIDATES; i++) {
            assert_int_equal(policy->compare(&c[i], &c[i]), 0);
            for (size_t j = 0; j < CANDIDATES; j++) {
                assert_int_equal(sign(policy->compare(&c[i], &c[j])), -sign(policy->compare(&c[j], &c[i])));
                for (size_t k = 0; k < CANDIDATES; k++)
                    if (policy->compare(&c[i], &c[j]) < 0 && policy->compare(&c[j], &c[k]) < 0) assert_true(policy->compare(&c[i], &c[k]) < 0);
            }
        }
    }
}

static void takes_enough_and_no_more(void **state)
{
    struct hst_plan_candidate c[CANDIDATES];
    (void)state;
    make(c);
    uint64_t all = 0;
    for (size_t i = 0; i < CANDIDATES; i++)
        all += c[i].bytes;
    for (size_t p = 0; p < POLICIES; p++)
        for (uint64_t wanted = 1; wanted <= all + 1; wanted += 50) {
            const struct hst_plan_item item = {.component_id = "new:part", .role = "part", .size_bytes = wanted, .ram_bytes = wanted};
            struct hst_plan_facts facts = {.items = &item, .item_count = 1, .ram = {all, all, c, CANDIDATES}, .policy = hst_plan_policy_find(policies[p])};
            struct hst_plan plan = {0};
            int status = hst_plan_make(&facts, &plan, NULL);
            assert_int_equal(status, wanted <= all ? HST_OK : HST_E_OUT_OF_RAM);
            uint64_t freed = 0, smallest = UINT64_MAX;
            for (size_t i = 0; i < plan.ram_eviction_count; i++) {
                freed += plan.ram_evictions[i].bytes;
                smallest = plan.ram_evictions[i].bytes < smallest ? plan.ram_evictions[i].bytes : smallest;
                assert_true(plan.ram_evictions[i].reason[0] != '\0');
            }
            if (status == HST_OK) assert_true(freed >= wanted && freed - plan.ram_evictions[plan.ram_eviction_count - 1].bytes < wanted);
            hst_plan_fini(&plan);
        }
}

static void an_unknown_name_is_none(void **state)
{
    (void)state;
    assert_null(hst_plan_policy_find("no-such-policy"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_without_contradiction),
        cmocka_unit_test(takes_enough_and_no_more),
        cmocka_unit_test(an_unknown_name_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
