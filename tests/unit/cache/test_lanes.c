/* What is read from one disk does not wait for another. */
#include "cache/lanes.h"
#include "cmocka_all.h"

#include <semaphore.h>

static uv_loop_t loop;
static sem_t gate;
static _Atomic(int) finished;

static void wait_for_gate(void *arg)
{
    (void)arg;
    sem_wait(&gate);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void finish(void *arg)
{
    (void)arg;
    finished++;
}

static void begin(struct hst_lanes *lanes)
{
    finished = 0;
    sem_init(&gate, 0, 0);
    uv_loop_init(&loop);
    assert_int_equal(hst_lanes_init(lanes, &loop, 2, NULL), HST_OK);
}

static void end(struct hst_lanes *lanes)
{
    hst_lanes_fini(lanes);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void a_disk_that_hangs_keeps_nobody_waiting(void **state)
{
    struct hst_lanes lanes;
    (void)state;
    begin(&lanes);
    for (int i = 0; i < 8; i++)
        assert_int_equal(hst_exec_submit(hst_lanes_of(&lanes, 7), wait_for_gate, finish, NULL), HST_OK);
    assert_int_equal(hst_exec_submit(hst_lanes_of(&lanes, 8), nothing, finish, NULL), HST_OK);
    while (finished < 1)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(finished, 1);
    for (int i = 0; i < 8; i++)
        sem_post(&gate);
    end(&lanes);
    assert_int_equal(finished, 9);
}

static void a_disk_keeps_its_lane_and_more_disks_share(void **state)
{
    struct hst_lanes lanes;
    (void)state;
    begin(&lanes);
    struct hst_exec *first = hst_lanes_of(&lanes, 1), *second = hst_lanes_of(&lanes, 2);
    assert_ptr_not_equal(first, second);
    assert_ptr_equal(hst_lanes_of(&lanes, 1), first);
    assert_ptr_equal(first, lanes.execs[0]);
    for (uint64_t disk = 3; disk < 40; disk++)
        assert_non_null(hst_lanes_of(&lanes, disk));
    assert_int_equal(lanes.count, HST_LANES_MAX);
    assert_ptr_equal(hst_lanes_of(&lanes, 2), second);
    end(&lanes);
}

static struct hst_lanes *ending;

/* Told while the lanes end: it begins more, on a disk that has no lane yet. */
static void begin_more(void *arg)
{
    (void)arg;
    assert_int_equal(hst_exec_submit(hst_lanes_of(ending, 5), nothing, finish, NULL), HST_OK);
}

static void what_begins_while_they_end_is_done_too(void **state)
{
    struct hst_lanes lanes;
    (void)state;
    begin(&lanes);
    ending = &lanes;
    assert_int_equal(hst_exec_submit(hst_lanes_of(&lanes, 1), nothing, begin_more, NULL), HST_OK);
    assert_int_equal(hst_exec_submit(hst_lanes_of(&lanes, 2), nothing, begin_more, NULL), HST_OK);
    end(&lanes);
    assert_int_equal(finished, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_that_hangs_keeps_nobody_waiting),
        cmocka_unit_test(a_disk_keeps_its_lane_and_more_disks_share),
        cmocka_unit_test(what_begins_while_they_end_is_done_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
