/* What came of predictions, and when no more is brought in on them. */
#include "cmocka_all.h"
#include "predict/ledger.h"

#include <stdio.h>

static struct hst_ledger ledger;
static double now_s;

static int setup(void **state)
{
    (void)state;
    ledger = (struct hst_ledger){0};
    now_s = 1000;
    return 0;
}

/* A prediction of 2 s, brought in when the ledger says so, that comes true or not. */
static void predict(bool right)
{
    if (hst_ledger_enter(&ledger, "a", now_s, 2)) hst_ledger_loaded(&ledger, "a", 2, 100);
    bool is_there = hst_ledger_find(&ledger, "a")->bytes > 0;
    now_s += right ? 60 : HST_PREDICT_HORIZON_S + 1;
    if (right)
        hst_ledger_use(&ledger, "a", now_s, is_there ? 0 : 2);
    else
        hst_ledger_expire(&ledger, now_s);
}

static void nothing_is_brought_in_before_two_predictions_were_right(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ledger.state, HST_LEDGER_LEARNING);
        predict(true);
    }
    assert_int_equal(ledger.state, HST_LEDGER_IS_ON);
    assert_int_equal(ledger.score.loaded, 0);
    assert_true(ledger.score.wasted_s == 0 && ledger.score.saved_s == 0);
    predict(true);
    assert_int_equal(ledger.score.loaded, 1);
    assert_true(ledger.score.saved_s == 2 && ledger.score.saved_bytes == 100);
    assert_true(hst_ledger_precision(&ledger) == 1 && hst_ledger_recall(&ledger) == 1);
}

static void it_goes_off_when_most_are_wrong_and_on_again_on_paper(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        predict(true);
    while (ledger.state == HST_LEDGER_IS_ON)
        predict(false);
    assert_int_equal(ledger.state, HST_LEDGER_IS_OFF);
    double wasted_s = ledger.score.wasted_s;
    uint64_t loaded = ledger.score.loaded;
    assert_true(wasted_s > 0 && wasted_s <= 20); /* no more than it was right before */
    for (int i = 0; i < 20; i++)
        predict(false);
    assert_true(ledger.score.wasted_s == wasted_s);
    assert_int_equal(ledger.score.loaded, loaded);
    for (int i = 0; i < 60 && ledger.state != HST_LEDGER_IS_ON; i++)
        predict(true);
    assert_int_equal(ledger.state, HST_LEDGER_IS_ON);
    assert_int_equal(ledger.score.switches, 3);
}

static void it_does_not_flap_between_the_two_thresholds(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        predict(true);
    uint64_t switches = ledger.score.switches;
    for (int i = 0; i < 200; i++)
        predict(i % 5 < 3); /* 60% */
    assert_int_equal(ledger.score.switches, switches);
}

static void seconds_count_and_not_predictions(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        hst_ledger_enter(&ledger, "small", now_s, 0.1);
        hst_ledger_use(&ledger, "small", now_s + 1, 0.1);
    }
    hst_ledger_enter(&ledger, "large", now_s, 30);
    hst_ledger_expire(&ledger, now_s + HST_PREDICT_HORIZON_S + 1);
    assert_int_equal(ledger.state, HST_LEDGER_IS_OFF);
}

static void what_was_gone_again_before_it_was_used_is_wasted(void **state)
{
    (void)state;
    ledger.state = HST_LEDGER_IS_ON;
    assert_true(hst_ledger_enter(&ledger, "a", now_s, 2));
    hst_ledger_loaded(&ledger, "a", 2, 100);
    hst_ledger_use(&ledger, "a", now_s + 60, 2);
    assert_int_equal(ledger.score.misses, 1);
    assert_int_equal(ledger.score.foreseen, 0);
    assert_int_equal(ledger.score.wasted_bytes, 100);
    assert_true(ledger.score.saved_s == 0);
}

static void what_was_given_up_is_wasted_and_goes_on_on_paper(void **state)
{
    (void)state;
    ledger.state = HST_LEDGER_IS_ON;
    assert_true(hst_ledger_enter(&ledger, "a", now_s, 2));
    hst_ledger_gave_up(&ledger, "a", 0.5, 30);
    assert_true(ledger.score.wasted_s == 0.5 && ledger.score.wasted_bytes == 30);
    hst_ledger_use(&ledger, "a", now_s + 60, 2);
    assert_int_equal(ledger.score.hits, 1);
    assert_true(ledger.score.saved_s == 0);
}

static void a_prediction_is_open_once_and_they_are_bounded(void **state)
{
    char key[32];
    (void)state;
    hst_ledger_enter(&ledger, "a", now_s, 2);
    hst_ledger_enter(&ledger, "a", now_s, 2);
    assert_int_equal(ledger.open_count, 1);
    for (unsigned i = 0; i < 2 * HST_LEDGER_OPEN_MAX; i++) {
        snprintf(key, sizeof key, "k%u", i);
        hst_ledger_enter(&ledger, key, now_s, 2);
    }
    assert_int_equal(ledger.open_count, HST_LEDGER_OPEN_MAX);
    assert_int_equal(ledger.score.made, HST_LEDGER_OPEN_MAX);
    hst_ledger_expire(&ledger, now_s + HST_PREDICT_HORIZON_S + 1);
    assert_int_equal(ledger.open_count, 0);
    assert_int_equal(ledger.score.misses, HST_LEDGER_OPEN_MAX);
}

static void unforeseen_loads_lower_the_recall(void **state)
{
    (void)state;
    assert_true(hst_ledger_recall(&ledger) < 0 && hst_ledger_precision(&ledger) < 0);
    predict(true);
    hst_ledger_use(&ledger, "b", now_s, 3);
    hst_ledger_use(&ledger, "b", now_s, 0); /* it is there: nothing to predict */
    assert_true(hst_ledger_recall(&ledger) == 0.5);
}

static void what_was_true_long_ago_has_to_prove_itself_again(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        predict(true);
    hst_ledger_expire(&ledger, now_s + HST_LEDGER_HALF_S);
    assert_int_equal(ledger.state, HST_LEDGER_IS_ON);
    hst_ledger_expire(&ledger, now_s + 10 * HST_LEDGER_HALF_S);
    assert_int_equal(ledger.state, HST_LEDGER_LEARNING);
    assert_true(ledger.score.recent_right == 0);
}

static void states_have_names(void **state)
{
    (void)state;
    for (int i = 0; i <= HST_LEDGER_IS_OFF; i++)
        assert_int_equal(hst_ledger_state_of(hst_ledger_state_name((enum hst_ledger_state)i)), i);
    assert_int_equal(hst_ledger_state_of("nonsense"), HST_LEDGER_LEARNING);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_brought_in_before_two_predictions_were_right),
        TEST(it_goes_off_when_most_are_wrong_and_on_again_on_paper),
        TEST(it_does_not_flap_between_the_two_thresholds),
        TEST(seconds_count_and_not_predictions),
        TEST(what_was_gone_again_before_it_was_used_is_wasted),
        TEST(what_was_given_up_is_wasted_and_goes_on_on_paper),
        TEST(a_prediction_is_open_once_and_they_are_bounded),
        TEST(unforeseen_loads_lower_the_recall),
        TEST(what_was_true_long_ago_has_to_prove_itself_again),
        TEST(states_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
