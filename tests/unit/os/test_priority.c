/* A thread that stepped back runs behind the others, and the others as before. */
#include "cmocka_all.h"
#include "os/priority.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_CLASS_SHIFT = 13, IOPRIO_CLASS_IDLE = 3 };

static void *step_back(void *arg)
{
    int *found = arg;
    hst_priority_background();
    hst_priority_background();
    found[0] = sched_getscheduler(0);
    found[1] = (int)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0) >> IOPRIO_CLASS_SHIFT;
    return NULL;
}

static void only_the_calling_thread_steps_back(void **state)
{
    pthread_t thread;
    int found[2];
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, step_back, found), 0);
    pthread_join(thread, NULL);
    assert_int_equal(found[0], SCHED_IDLE);
    assert_int_equal(found[1], IOPRIO_CLASS_IDLE);
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_the_calling_thread_steps_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
