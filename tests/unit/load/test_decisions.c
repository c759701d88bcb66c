/* Records of evictions: the newest are kept, and what comes back too soon is marked once. */
#include "cmocka_all.h"
#include "load/decisions.h"

#include <stdio.h>

#define SECOND INT64_C(1000000000)

static const struct hst_decision *note(struct hst_decisions *decisions, const char *id, const char *device_id, enum hst_decision_cause cause)
{
    struct hst_decision decision = {.cause = cause, .bytes = 10};
    snprintf(decision.component_id, sizeof decision.component_id, "%s", id);
    snprintf(decision.device_id, sizeof decision.device_id, "%s", device_id);
    return hst_decisions_note(decisions, &decision);
}

static void the_newest_are_kept_and_come_first(void **state)
{
    struct hst_decisions decisions = {0};
    size_t cursor = 0, count = 0;
    uint64_t expected = HST_DECISIONS_KEPT + 10;
    (void)state;
    assert_null(hst_decisions_next(&decisions, &cursor));
    for (size_t i = 0; i < HST_DECISIONS_KEPT + 10; i++)
        assert_non_null(note(&decisions, "a:unet", "", HST_CAUSE_ROOM));
    for (const struct hst_decision *at; (at = hst_decisions_next(&decisions, &cursor)); count++)
        assert_int_equal(at->id, expected--);
    assert_int_equal(count, HST_DECISIONS_KEPT);
    assert_int_equal(decisions.counts[HST_CAUSE_ROOM], HST_DECISIONS_KEPT + 10);
    assert_int_equal(decisions.bytes, 10 * (HST_DECISIONS_KEPT + 10));
    hst_decisions_fini(&decisions);
}

static void what_is_back_soon_is_marked_once(void **state)
{
    struct hst_decisions decisions = {0};
    (void)state;
    int64_t then = note(&decisions, "a:unet", "", HST_CAUSE_ROOM)->at_wall_ns;
    assert_null(hst_decisions_reloaded(&decisions, "a:vae", "", then + SECOND));
    assert_null(hst_decisions_reloaded(&decisions, "a:unet", "host:0", then + SECOND));
    assert_int_equal(hst_decisions_reloaded(&decisions, "a:unet", "", then + SECOND)->reloaded_wall_ns, then + SECOND);
    assert_null(hst_decisions_reloaded(&decisions, "a:unet", "", then + 2 * SECOND));
    assert_int_equal(decisions.thrash_count, 1);
    hst_decisions_fini(&decisions);
}

static void what_is_back_later_or_was_asked_to_go_is_no_mistake(void **state)
{
    struct hst_decisions decisions = {0};
    (void)state;
    int64_t then = note(&decisions, "a:unet", "", HST_CAUSE_ROOM)->at_wall_ns;
    assert_null(hst_decisions_reloaded(&decisions, "a:unet", "", then + HST_THRASH_SECONDS * SECOND));
    for (int cause = HST_CAUSE_ROOM; cause < HST_CAUSE_COUNT; cause++) {
        bool is_mistake = cause == HST_CAUSE_ROOM || cause == HST_CAUSE_PRESSURE;
        then = note(&decisions, hst_decision_cause_name(cause), "", cause)->at_wall_ns;
        assert_true((hst_decisions_reloaded(&decisions, hst_decision_cause_name(cause), "", then + SECOND) != NULL) == is_mistake);
    }
    assert_int_equal(decisions.thrash_count, 2);
    hst_decisions_fini(&decisions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_are_kept_and_come_first),
        cmocka_unit_test(what_is_back_soon_is_marked_once),
        cmocka_unit_test(what_is_back_later_or_was_asked_to_go_is_no_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
