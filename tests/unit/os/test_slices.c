/* Long work on the loop thread leaves turns to everybody else. */
#include "cmocka_all.h"
#include "os/clock.h"
#include "os/slices.h"

struct work {
    struct hst_slices slices;
    unsigned steps, wanted;
};

static bool step(void *context)
{
    struct work *work = context;
    uint64_t start = hst_clock_ns();
    while (hst_clock_ns() - start < 100000) /* as long as a step may take */
        ;
    return ++work->steps < work->wanted;
}

static void work_is_done_in_turns_of_a_few_milliseconds(void **state)
{
    struct work work = {.wanted = 300};
    uv_loop_t loop;
    unsigned turns = 0;
    (void)state;
    uv_loop_init(&loop);
    assert_int_equal(hst_slices_init(&work.slices, &loop, step, &work, NULL), 0);
    assert_int_equal(uv_run(&loop, UV_RUN_NOWAIT), 0); /* nothing to do keeps no loop alive */
    hst_slices_go(&work.slices);
    while (uv_run(&loop, UV_RUN_NOWAIT) != 0)
        turns++;
    assert_int_equal(work.steps, 300);
    assert_in_range(turns, 10, 300);
    hst_slices_fini(&work.slices);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void it_stops_in_the_middle(void **state)
{
    struct work work = {.wanted = 1000000};
    uv_loop_t loop;
    (void)state;
    uv_loop_init(&loop);
    hst_slices_fini(&work.slices);
    assert_int_equal(hst_slices_init(&work.slices, &loop, step, &work, NULL), 0);
    hst_slices_go(&work.slices);
    uv_run(&loop, UV_RUN_NOWAIT);
    hst_slices_fini(&work.slices);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_true(work.steps < 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(work_is_done_in_turns_of_a_few_milliseconds), cmocka_unit_test(it_stops_in_the_middle)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
