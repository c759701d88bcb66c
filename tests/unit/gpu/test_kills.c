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
    for (int i = 0; i < 10 && strstr(err.text, "the next start is in") == NULL; i++)
        assert_int_equal(loading_once(loading, &err), HST_E_DEVICE_FAILED);
    assert_non_null(strstr(err.text, "the next start is in"));
    card_script(&loading->card, "");
    for (uint64_t began = hst_clock_ns(); loading_once(loading, NULL) < 0 && hst_clock_ms_since(began) < 15000;)
        poll(NULL, 0, 20);
    loading_works(loading);
}

/* One kill, at some moment of a load. */
struct killer {
    struct loading *loading;
    int after_ms;
    int kills;
};

static void *kill_once(void *arg)
{
    struct killer *killer = arg;
    poll(NULL, 0, killer->after_ms);
    int pid = hst_gpu_link_pid(killer->loading->link);
    if (pid > 0 && kill(pid, SIGKILL) == 0) killer->kills++;
    while (pid > 0 && hst_gpu_link_pid(killer->loading->link) == pid) /* none of the next load's */
        poll(NULL, 0, 1);
    return NULL;
}

/* The call that it hits is made once more, and works. */
static void killed_two_hundred_times_it_is_not_noticed(void **state)
{
    struct loading *loading = *state;
    struct killer killer = {.loading = loading};
    struct hst_error err = {0};
    unsigned seed = 1;
    uint64_t began = hst_clock_ns();
    loading_works(loading);
    int longest_ms = (int)hst_clock_ms_since(began) + 2;
    while (killer.kills < 200 / loading_step()) {
        pthread_t thread;
        killer.after_ms = rand_r(&seed) % longest_ms;
        assert_int_equal(pthread_create(&thread, NULL, kill_once, &killer), 0);
        int status = loading_once(loading, &err);
        pthread_join(thread, NULL);
        if (status < 0) fail_msg("after %d kills: %s", killer.kills, err.text);
    }
    loading_works(loading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loading_test(being_killed_at_any_call_goes_unnoticed),
        loading_test(one_that_is_killed_again_and_again_fails_and_waits),
        loading_test(killed_two_hundred_times_it_is_not_noticed),
    };
    return cmocka_run_group_tests(tests, start, loading_end_group);
}
