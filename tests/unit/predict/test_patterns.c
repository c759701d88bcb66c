/* What was used when and after what, and what to expect of it. */
#include "cmocka_all.h"
#include "predict/patterns.h"

#include <stdio.h>
#include <string.h>

#define MONDAY (19723 * 86400.0) /* 2024-01-01 */
#define DAY 86400.0
#define HOUR 3600.0

static int setup(void **state)
{
    return hst_patterns_new((struct hst_patterns **)state, NULL);
}

static int teardown(void **state)
{
    hst_patterns_free(*state);
    return 0;
}

/* A, and a minute later B, so many times, an hour apart. @return the time after that */
static double repeat(struct hst_patterns *patterns, double now_s, int times)
{
    for (int i = 0; i < times; i++, now_s += HOUR) {
        hst_patterns_use(patterns, "a", now_s, 2);
        hst_patterns_use(patterns, "b", now_s + 60, 0);
    }
    return now_s;
}

static void what_always_followed_is_expected(void **state)
{
    struct hst_prediction found[4];
    double now_s = repeat(*state, MONDAY, 5);
    hst_patterns_use(*state, "a", now_s, 0);
    assert_int_equal(hst_patterns_next(*state, now_s, found, 4), 1);
    assert_string_equal(found[0].key, "b");
    assert_string_equal(found[0].after, "a");
    assert_true(found[0].probability > 0.6 && found[0].probability < 0.8);
    assert_true(hst_patterns_expect(*state, "b", now_s) == found[0].probability);
}

static void what_followed_once_is_not(void **state)
{
    struct hst_prediction found[4];
    double now_s = repeat(*state, MONDAY, 1);
    hst_patterns_use(*state, "a", now_s, 0);
    assert_int_equal(hst_patterns_next(*state, now_s, found, 4), 0);
}

static void what_follows_is_expected_for_a_while_only(void **state)
{
    struct hst_prediction found[4];
    double now_s = repeat(*state, MONDAY, 5);
    hst_patterns_use(*state, "a", now_s, 0);
    assert_int_equal(hst_patterns_next(*state, now_s + HST_PATTERN_FRESH_S + 1, found, 4), 0);
}

static void what_comes_much_later_does_not_follow(void **state)
{
    struct hst_prediction found[4];
    double now_s = MONDAY;
    for (int i = 0; i < 5; i++, now_s += DAY / 2) {
        hst_patterns_use(*state, "a", now_s, 0);
        hst_patterns_use(*state, "b", now_s + HST_PREDICT_HORIZON_S + 1, 0);
    }
    hst_patterns_use(*state, "a", now_s, 0);
    assert_int_equal(hst_patterns_next(*state, now_s, found, 4), 0);
}

static void uses_in_a_row_are_one_visit(void **state)
{
    double now_s = MONDAY;
    for (int i = 0; i < 5; i++, now_s += HOUR) {
        for (int j = 0; j < 7; j++)
            hst_patterns_use(*state, "a", now_s + j, 0);
        hst_patterns_use(*state, "b", now_s + 60, 0);
    }
    hst_patterns_use(*state, "a", now_s, 0);
    assert_int_equal(hst_patterns_find(*state, "a")->uses, 36);
    assert_true(hst_patterns_expect(*state, "b", now_s) > 0.6);
}

/* Used at nine on the working days from this Monday on. */
static void use_at_nine(struct hst_patterns *patterns, int days)
{
    for (int day = 0; day < days; day++)
        if (day % 7 < 5) hst_patterns_use(patterns, "nine", MONDAY + day * DAY + 9.2 * HOUR, 3);
}

static void what_was_used_at_this_hour_is_expected_then(void **state)
{
    use_at_nine(*state, 12);
    double saturday = MONDAY + 12 * DAY, monday = MONDAY + 14 * DAY;
    assert_true(hst_patterns_expect(*state, "nine", monday + 8.9 * HOUR) > 0.6); /* the hour is near */
    assert_true(hst_patterns_expect(*state, "nine", monday + 8.5 * HOUR) == 0);
    assert_true(hst_patterns_expect(*state, "nine", monday + 10.1 * HOUR) == 0);
    assert_true(hst_patterns_expect(*state, "nine", saturday + 9.1 * HOUR) == 0);
}

static void the_later_in_the_hour_the_less(void **state)
{
    use_at_nine(*state, 12);
    double nine = MONDAY + 14 * DAY + 9 * HOUR;
    assert_true(hst_patterns_expect(*state, "nine", nine + 1800) < hst_patterns_expect(*state, "nine", nine + 60));
    hst_patterns_use(*state, "nine", nine + 60, 0);
    assert_true(hst_patterns_expect(*state, "nine", nine + 120) == 0); /* it has come */
}

static void a_habit_that_was_given_up_fades(void **state)
{
    use_at_nine(*state, 12);
    double later = MONDAY + 35 * DAY + 8.9 * HOUR;
    assert_true(hst_patterns_expect(*state, "nine", later) < 0.3);
}

static void a_full_table_forgets_the_coldest(void **state)
{
    struct hst_patterns *patterns = *state;
    char key[32];
    for (unsigned i = 0; i < HST_PATTERNS_MAX; i++) {
        snprintf(key, sizeof key, "k%u", i);
        hst_patterns_use(patterns, key, MONDAY + i, 0);
        if (i != 7) hst_patterns_use(patterns, key, MONDAY + i, 0);
    }
    hst_patterns_use(patterns, "another", MONDAY + 9999, 0);
    assert_int_equal(hst_patterns_count(patterns), HST_PATTERNS_MAX);
    assert_null(hst_patterns_find(patterns, "k7"));
    assert_non_null(hst_patterns_find(patterns, "k6"));
    assert_int_equal(hst_patterns_find(patterns, "k6")->after_count, 0); /* k7 followed it */
}

static void followers_are_bounded_and_the_rarest_gives_way(void **state)
{
    struct hst_patterns *patterns = *state;
    char key[32];
    double now_s = repeat(patterns, MONDAY, 3);
    for (unsigned i = 0; i < 40; i++, now_s += HOUR) {
        snprintf(key, sizeof key, "k%u", i);
        hst_patterns_use(patterns, "a", now_s, 0);
        hst_patterns_use(patterns, key, now_s + 1, 0);
    }
    const struct hst_pattern *a = hst_patterns_find(patterns, "a");
    bool has_b = false;
    assert_int_equal(a->after_count, HST_PATTERN_AFTER_MAX);
    for (size_t i = 0; i < a->after_count; i++)
        has_b = has_b || strcmp(a->after[i].next->key, "b") == 0;
    assert_true(has_b);
}

static void the_most_probable_come_first_and_no_more_than_asked_for(void **state)
{
    struct hst_patterns *patterns = *state;
    struct hst_prediction found[2];
    double now_s = repeat(patterns, MONDAY, 12);
    for (int i = 0; i < 4; i++, now_s += HOUR) {
        hst_patterns_use(patterns, "a", now_s, 0);
        hst_patterns_use(patterns, i % 2 == 0 ? "c" : "d", now_s + 60, 0);
    }
    hst_patterns_use(patterns, "a", now_s, 0);
    assert_int_equal(hst_patterns_next(patterns, now_s, found, 2), 2);
    assert_string_equal(found[0].key, "b");
    assert_true(found[0].probability > found[1].probability);
    assert_int_equal(hst_patterns_next(patterns, now_s, found, 1), 1);
    assert_string_equal(found[0].key, "b");
}

static void what_cannot_be_a_key_and_odd_times_do_no_harm(void **state)
{
    struct hst_patterns *patterns = *state;
    struct hst_prediction found[1];
    char longest[HST_PATTERN_KEY_MAX + 1] = {0};
    memset(longest, 'x', HST_PATTERN_KEY_MAX);
    hst_patterns_use(patterns, longest, MONDAY, 0);
    hst_patterns_use(patterns, "", MONDAY, 0);
    hst_patterns_use(patterns, "past", -5, 0);
    assert_int_equal(hst_patterns_count(patterns), 0);
    hst_patterns_use(patterns, "a", MONDAY + 400 * DAY, 0);
    hst_patterns_use(patterns, "a", MONDAY, 0); /* the clock was set back */
    assert_int_equal(hst_patterns_find(patterns, "a")->uses, 2);
    assert_int_equal(hst_patterns_next(patterns, MONDAY, found, 1), 0);
    assert_int_equal(hst_patterns_next(patterns, MONDAY, found, 0), 0);
}

static void loading_times_are_averaged(void **state)
{
    hst_patterns_use(*state, "a", MONDAY, 4);
    hst_patterns_use(*state, "a", MONDAY + 1, 0);
    hst_patterns_use(*state, "a", MONDAY + 2, 2);
    assert_true(hst_patterns_find(*state, "a")->load_s == 3);
}

static void what_is_recalled_is_expected_as_before(void **state)
{
    struct hst_patterns *kept;
    size_t cursor = 0;
    double now_s = repeat(*state, MONDAY, 5);
    assert_int_equal(hst_patterns_new(&kept, NULL), 0);
    for (const struct hst_pattern *pattern; (pattern = hst_patterns_each(*state, &cursor));) {
        struct hst_pattern *copy = hst_patterns_recall(kept, pattern->key);
        copy->uses = pattern->uses;
        copy->visits = pattern->visits;
        for (size_t i = 0; i < pattern->after_count; i++)
            hst_patterns_recall_after(copy, hst_patterns_recall(kept, pattern->after[i].next->key), pattern->after[i].times);
    }
    hst_patterns_use(*state, "a", now_s, 0);
    hst_patterns_use(kept, "a", now_s, 0);
    assert_true(hst_patterns_expect(kept, "b", now_s) == hst_patterns_expect(*state, "b", now_s));
    hst_patterns_free(kept);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_always_followed_is_expected),
        TEST(what_followed_once_is_not),
        TEST(what_follows_is_expected_for_a_while_only),
        TEST(what_comes_much_later_does_not_follow),
        TEST(uses_in_a_row_are_one_visit),
        TEST(what_was_used_at_this_hour_is_expected_then),
        TEST(the_later_in_the_hour_the_less),
        TEST(a_habit_that_was_given_up_fades),
        TEST(a_full_table_forgets_the_coldest),
        TEST(followers_are_bounded_and_the_rarest_gives_way),
        TEST(the_most_probable_come_first_and_no_more_than_asked_for),
        TEST(what_cannot_be_a_key_and_odd_times_do_no_harm),
        TEST(loading_times_are_averaged),
        TEST(what_is_recalled_is_expected_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
