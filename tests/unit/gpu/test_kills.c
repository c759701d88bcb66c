/* Whenever hoist-device is killed, a load works with another one, or says why not and leaves nothing, and the next one works. */
#include "loading.h"
#include "os/clock.h"

#include <poll.h>
#include <pthread.h>

static int start(void **state)
{
    (void)state;
    loading_init(&the_loading, "64M");
    return 0;
}

static void being_killed_at_any_call_goes_unnoticed(void **state)
{
    loading_in_spite_of(*state, "@hoist-device * %d kill once\n");
}

static void one_that_is_killed_again_and_again_fails_and_waits(void **state)
{
    struct loading *loading = *state;
    struct hst_error err = {0};
    card_script(&loading->card, "@hoist-device cuMemCreate * kill\n");
    assert_int_equal(loading_once(loading, &err), HST_E_DEVICE_FAILED);
    assert_non_null(strstr(err.text, "SIGKILL"));
    for (int i = 0; i < 3; i++)
        assert_int_equal(loading_once(loading, &err), HST_E_DEVICE_FAILED);
    assert_non_null(strstr(err.text, "the next start is in"));
    poll(NULL, 0, 1000);
    loading_works(loading);
}

struct killer {
    struct loading *loading;
    int longest_ms; /* between two kills: some loads end in time, some do not */
    _Atomic(bool) stop;
    _Atomic(int) kills;
};

static void *kill_now_and_then(void *arg)
{
    struct killer *killer = arg;
    unsigned seed = 1;
    while (!killer->stop) {
        poll(NULL, 0, rand_r(&seed) % killer->longest_ms);
        int pid = hst_gpu_link_pid(killer->loading->link);
        if (pid > 0 && kill(pid, SIGKILL) == 0) killer->kills++;
    }
    return NULL;
}

static void killed_two_hundred_times_it_leaves_nothing(void **state)
{
    struct loading *loading = *state;
    struct killer killer = {.loading = loading};
    uint64_t began = hst_clock_ns();
    pthread_t thread;
    int loaded = 0;
    loading_works(loading);
    killer.longest_ms = 2 * (int)hst_clock_ms_since(began) + 20;
    assert_int_equal(pthread_create(&thread, NULL, kill_now_and_then, &killer), 0);
    began = hst_clock_ns();
    while (killer.kills < 200 && hst_clock_ms_since(began) < 60000) {
        int status = loading_once(loading, NULL);
        assert_true(status == HST_OK || status == HST_E_DEVICE_FAILED);
        loaded += status == HST_OK;
    }
    killer.stop = true;
    pthread_join(thread, NULL);
    assert_true(killer.kills >= 200);
    assert_true(loaded > 0);
    while (loading_once(loading, NULL) < 0 && hst_clock_ms_since(began) < 90000) /* it may have to wait with its start */
        poll(NULL, 0, 50);
    loading_works(loading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loading_test(being_killed_at_any_call_goes_unnoticed),
        loading_test(one_that_is_killed_again_and_again_fails_and_waits),
        loading_test(killed_two_hundred_times_it_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, start, loading_end_group);
}
