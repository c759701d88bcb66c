/* Plans are arithmetic: batches by dependency, evictions by policy, refusals with the figures. */
#include "cmocka_all.h"
#include "plan/plan.h"

#include <string.h>

static struct hst_plan_item item(const char *role, const char *const *needs, size_t count)
{
    return (struct hst_plan_item){.component_id = role, .role = role, .depends_on = needs, .depends_on_count = count, .ram_bytes = 10, .device_bytes = 10};
}

static void items_without_dependencies_load_at_once(void **state)
{
    struct hst_plan_item items[] = {item("a", NULL, 0), item("b", NULL, 0)};
    struct hst_plan_facts facts = {.items = items, .item_count = 2, .ram = {.budget_bytes = 20}, .device = {.budget_bytes = 20}};
    struct hst_plan plan;
    (void)state;
    assert_int_equal(hst_plan_make(&facts, &plan, NULL), 0);
    assert_int_equal(plan.batch_count, 1);
    assert_int_equal(plan.ram_bytes, 20);
    hst_plan_fini(&plan);
}

static void a_dependant_comes_a_batch_later(void **state)
{
    static const char *const on_a[] = {"a"}, *const on_b[] = {"b", "not-asked-for"};
    struct hst_plan_item items[] = {item("c", on_b, 2), item("b", on_a, 1), item("a", NULL, 0)};
    struct hst_plan_facts facts = {.items = items, .item_count = 3, .ram = {.budget_bytes = 99}, .device = {.budget_bytes = 99}};
    struct hst_plan plan;
    (void)state;
    assert_int_equal(hst_plan_make(&facts, &plan, NULL), 0);
    assert_int_equal(plan.batch_count, 3);
    assert_int_equal(plan.batch_of[0], 2);
    assert_int_equal(plan.batch_of[2], 0);
    hst_plan_fini(&plan);
}

static void a_circle_is_refused(void **state)
{
    static const char *const on_a[] = {"a"}, *const on_b[] = {"b"};
    struct hst_plan_item items[] = {item("a", on_b, 1), item("b", on_a, 1)}, self = item("a", on_a, 1);
    struct hst_plan_facts facts = {.items = items, .item_count = 2, .ram = {.budget_bytes = 99}, .device = {.budget_bytes = 99}};
    struct hst_plan plan;
    (void)state;
    assert_int_equal(hst_plan_make(&facts, &plan, NULL), HST_E_INVALID_FILE);
    facts.items = &self;
    facts.item_count = 1;
    assert_int_equal(hst_plan_make(&facts, &plan, NULL), HST_E_INVALID_FILE);
}

static void the_least_recently_used_goes_first_and_no_more_than_needed(void **state)
{
    struct hst_plan_candidate candidates[] = {{"new", 10, 9, 0}, {"old", 10, 1, 0}, {"middle", 10, 5, 0}};
    struct hst_plan_item wanted = item("a", NULL, 0);
    struct hst_plan_facts facts = {.items = &wanted, .item_count = 1, .ram = {30, 30, candidates, 3}, .device = {.budget_bytes = 10}, .policy = hst_plan_policy_find("lru")};
    struct hst_plan plan;
    (void)state;
    assert_int_equal(hst_plan_make(&facts, &plan, NULL), 0);
    assert_int_equal(plan.ram_eviction_count, 1);
    assert_int_equal(plan.ram_evictions[0].candidate, 1);
    assert_non_null(strstr(plan.ram_evictions[0].reason, "lru"));
    assert_string_equal(plan.policy, "lru");
    assert_true(plan.ram_evictions[0].value == 1);
    assert_int_equal(plan.ram_rivals.count, 2); /* those that stay, the next to go first */
    assert_string_equal(plan.ram_rivals.items[0].component_id, "middle");
    assert_true(plan.ram_rivals.items[1].value == 9);
    assert_int_equal(plan.device_rivals.count, 0);
    assert_int_equal(plan.device_eviction_count, 0);
    hst_plan_fini(&plan);
}

static void what_leaves_the_device_with_its_ram_is_counted_before_anything_is_chosen(void **state)
{
    struct hst_plan_candidate ram[] = {{"a", 10, .last_used_seq = 1, .memory = 1}, {"b", 10, .last_used_seq = 2, .memory = 2}};
    struct hst_plan_candidate device[] = {{"c", 10, .last_used_seq = 1}, {"a", 10, .last_used_seq = 5, .memory = 1}};
    struct hst_plan_item wanted = item("x", NULL, 0);
    struct hst_plan_facts facts = {.items = &wanted, .item_count = 1, .ram = {20, 20, ram, 2}, .device = {20, 20, device, 2}, .policy = hst_plan_policy_find("lru")};
    struct hst_plan plan;
    (void)state;
    assert_int_equal(hst_plan_make(&facts, &plan, NULL), 0);
    assert_int_equal(plan.ram_eviction_count, 1);
    assert_int_equal(plan.device_eviction_count, 1); /* c stays: a makes the room, and would go in any case */
    assert_string_equal(plan.device_evictions[0].component_id, "a");
    assert_true(plan.device_evictions[0].follows && !plan.ram_evictions[0].follows);
    hst_plan_fini(&plan);
    facts.device.used_bytes = 0; /* it goes even where there is room */
    assert_int_equal(hst_plan_make(&facts, &plan, NULL), 0);
    assert_int_equal(plan.device_eviction_count, 1);
    hst_plan_fini(&plan);
    facts.ram.used_bytes = 0;
    assert_int_equal(hst_plan_make(&facts, &plan, NULL), 0);
    assert_int_equal(plan.device_eviction_count, 0);
    hst_plan_fini(&plan);
}

static void no_room_at_all_is_refused_with_figures(void **state)
{
    struct hst_plan_candidate candidate = {"x", 4, 1, 0};
    struct hst_plan_item wanted = item("a", NULL, 0);
    struct hst_plan_facts facts = {.items = &wanted, .item_count = 1, .ram = {.budget_bytes = 99}, .device = {12, 9, &candidate, 1}};
    struct hst_plan plan;
    struct hst_error err = {0};
    (void)state;
    assert_int_equal(hst_plan_make(&facts, &plan, &err), HST_E_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(err.required_bytes, 10);
    assert_int_equal(err.available_bytes, 3);
    assert_int_equal(err.evictable_bytes, 4);
}

static void sizes_that_overflow_are_refused(void **state)
{
    struct hst_plan_item items[] = {item("a", NULL, 0), item("b", NULL, 0)};
    struct hst_plan_facts facts = {.items = items, .item_count = 2, .ram = {.budget_bytes = 99}};
    struct hst_plan plan;
    (void)state;
    items[0].ram_bytes = UINT64_MAX;
    assert_int_equal(hst_plan_make(&facts, &plan, NULL), HST_E_LIMIT_EXCEEDED);
}

static void a_policy_is_found_by_name(void **state)
{
    (void)state;
    assert_string_equal(hst_plan_policy_find("lru")->name, "lru");
    assert_null(hst_plan_policy_find("random"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_without_dependencies_load_at_once), cmocka_unit_test(a_dependant_comes_a_batch_later),
        cmocka_unit_test(a_circle_is_refused), cmocka_unit_test(the_least_recently_used_goes_first_and_no_more_than_needed),
        cmocka_unit_test(no_room_at_all_is_refused_with_figures),
        cmocka_unit_test(what_leaves_the_device_with_its_ram_is_counted_before_anything_is_chosen), cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(a_policy_is_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
