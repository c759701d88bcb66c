/* Ranges against a row of bits that says the same. */
#include "cmocka_all.h"
#include "keeper/limits.h"
#include "keeper/ranges.h"

#include <stdbool.h>
#include <stdlib.h>

enum { BITS = 200 };

static void check(const struct hst_ranges *ranges, const bool bits[BITS])
{
    bool found[BITS] = {0};
    for (size_t i = 0; i < ranges->count; i++) {
        const struct hst_keeper_range *range = &ranges->items[i];
        assert_true(range->size_bytes > 0);
        if (i > 0) assert_true(range->offset > range[-1].offset + range[-1].size_bytes);
        for (uint64_t at = range->offset; at < range->offset + range->size_bytes; at++)
            found[at] = true;
    }
    for (int i = 0; i < BITS; i++)
        assert_int_equal(found[i], bits[i]);
}

static void they_are_the_set_that_was_added_less_what_was_removed(void **state)
{
    struct hst_ranges ranges = {0};
    bool bits[BITS] = {0};
    (void)state;
    srand(7);
    for (int step = 0; step < 20000; step++) {
        struct hst_keeper_range range = {(uint64_t)(rand() % BITS), 0};
        bool adds = rand() % 2;
        range.size_bytes = (uint64_t)rand() % (BITS - range.offset) % 20;
        assert_int_equal(adds ? hst_ranges_add(&ranges, &range, NULL) : hst_ranges_remove(&ranges, &range, NULL), 0);
        for (uint64_t at = range.offset; at < range.offset + range.size_bytes; at++)
            bits[at] = adds;
        check(&ranges, bits);
    }
    hst_ranges_fini(&ranges);
}

static void there_is_a_most_of_them(void **state)
{
    struct hst_ranges ranges = {0};
    struct hst_error err = {0};
    (void)state;
    for (uint64_t i = 0; i < HST_KEEPER_RANGES_MAX; i++)
        assert_int_equal(hst_ranges_add(&ranges, &(struct hst_keeper_range){i * 10, 5}, NULL), 0);
    assert_int_equal(hst_ranges_add(&ranges, &(struct hst_keeper_range){10000000, 5}, &err), HST_E_LIMIT_EXCEEDED);
    assert_int_equal(hst_ranges_remove(&ranges, &(struct hst_keeper_range){12, 1}, &err), HST_E_LIMIT_EXCEEDED);
    assert_int_equal(ranges.count, HST_KEEPER_RANGES_MAX);
    hst_ranges_fini(&ranges);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(they_are_the_set_that_was_added_less_what_was_removed), cmocka_unit_test(there_is_a_most_of_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
