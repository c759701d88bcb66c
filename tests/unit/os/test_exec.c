/* Jobs run off the loop thread, their results come back on it, and freeing waits for both. */
#include "cmocka_all.h"
#include "os/exec.h"

#include <pthread.h>
#include <unistd.h>

static uv_loop_t loop;
static pthread_t loop_thread;

struct probe {
    struct hst_exec *exec;
    _Atomic(bool) worked_here;
    int posted;
    int done;
};

static void count_post(void *arg)
{
    assert_true(pthread_equal(pthread_self(), loop_thread));
    ((struct probe *)arg)->posted++;
}

static void work(void *arg)
{
    struct probe *probe = arg;
    if (pthread_equal(pthread_self(), loop_thread)) probe->worked_here = true;
    hst_exec_post(probe->exec, count_post, probe);
}

static void done(void *arg)
{
    assert_true(pthread_equal(pthread_self(), loop_thread));
    ((struct probe *)arg)->done++;
}

static void runs_jobs_elsewhere_and_finishes_them_here(void **state)
{
    (void)state;
    struct probe probe = {0};
    assert_int_equal(hst_exec_new(&loop, "test", 3, &probe.exec, NULL), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(hst_exec_submit(probe.exec, work, done, &probe), 0);
    assert_int_equal(hst_exec_pending(probe.exec), 100);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(hst_exec_pending(probe.exec), 0);
    assert_int_equal(probe.done, 100);
    assert_false(probe.worked_here);
    hst_exec_free(probe.exec);
    assert_int_equal(probe.posted, 100);
}

static void slow(void *arg)
{
    usleep(20000);
    work(arg);
}

static void free_waits_for_running_jobs(void **state)
{
    (void)state;
    struct probe probe = {0};
    assert_int_equal(hst_exec_new(&loop, "test", 2, &probe.exec, NULL), 0);
    for (int i = 0; i < 4; i++)
        hst_exec_submit(probe.exec, slow, done, &probe);
    hst_exec_free(probe.exec);
    assert_int_equal(probe.done, 4);
    assert_int_equal(probe.posted, 4);
    hst_exec_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_jobs_elsewhere_and_finishes_them_here),
        cmocka_unit_test(free_waits_for_running_jobs),
    };
    loop_thread = pthread_self();
    uv_loop_init(&loop);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return uv_loop_close(&loop) == 0 ? failed : 1;
}
