/* Whatever the driver returns, whenever the process ends: a load works, or says why not and leaves nothing, and the next one works. */
#include "loading.h"
#include "os/clock.h"

#include <poll.h>
#include <pthread.h>

enum { LIMIT_MS = 400 };

static struct loading the_loading;

static int start(void **state)
{
    (void)state;
    loading_init(&the_loading, "64M");
    return 0;
}

static int end(void **state)
{
    (void)state;
    loading_fini(&the_loading);
    return 0;
}

static int set_up(void **state)
{
    *state = &the_loading;
    card_script(&the_loading.card, "");
    loading_link(&the_loading, 20000, 10);
    return 0;
}

static int tear_down(void **state)
{
    loading_end(*state);
    return 0;
}

static void script(struct loading *loading, const char *format, int number)
{
    char text[128];
    snprintf(text, sizeof text, format, number);
    card_script(&loading->card, text);
}

/* How many calls of the driver a load by a new process makes. */
static int count_calls(struct loading *loading)
{
    char text[160], file[128];
    int count = 0;
    snprintf(file, sizeof file, "%s.calls", loading->card.state);
    snprintf(text, sizeof text, "@hoist-device * * count %s\n", file);
    card_script(&loading->card, text);
    assert_int_equal(loading_once(loading, NULL), 0);
    FILE *calls = fopen(file, "r");
    for (int c; (c = fgetc(calls)) != EOF;)
        count += c == '\n';
    fclose(calls);
    remove(file);
    assert_true(count > 40);
    return count;
}

static void out_of_memory_at_each_allocation_leaves_nothing(void **state)
{
    struct loading *loading = *state;
    for (int n = 1; n <= SEGMENTS; n++) {
        struct hst_error err = {0};
        script(loading, "@hoist-device cuMemCreate %d = 2\n", n);
        assert_int_equal(loading_once(loading, &err), HST_E_OUT_OF_DEVICE_MEMORY);
        assert_int_equal(err.required_bytes, 20 * MIB);
        assert_int_equal(err.available_bytes, loading->free_bytes);
    }
    loading_works(loading);
}

/* By a process of its own for each: there the first calls are made as well. */
static void fail_each_call_with(struct loading *loading, const char *format, int status)
{
    int failed = 0;
    for (int n = count_calls(loading); n > 0; n--) {
        struct hst_error err = {0};
        loading_link(loading, 20000, 10);
        script(loading, format, n);
        int got = loading_once(loading, &err);
        if (got < 0 && got != status && got != HST_E_DEVICE_UNAVAILABLE) fail_msg("call %d: %d %s", n, got, err.text);
        if (got < 0) assert_true(err.text[0] != '\0');
        failed += got < 0;
    }
    assert_true(failed > 10);
    loading_link(loading, 20000, 10);
    loading_works(loading);
}

static void no_memory_at_any_call_is_survived(void **state)
{
    fail_each_call_with(*state, "@hoist-device * %d = 2\n", HST_E_OUT_OF_DEVICE_MEMORY);
}

static void a_refusal_of_any_call_is_survived(void **state)
{
    fail_each_call_with(*state, "@hoist-device * %d = 1\n", HST_E_DEVICE_FAILED);
}

static void a_fault_at_any_call_is_survived(void **state)
{
    fail_each_call_with(*state, "@hoist-device * %d = 700 sticky once\n", HST_E_DEVICE_LOST);
}

static void being_killed_at_any_call_goes_unnoticed(void **state)
{
    struct loading *loading = *state;
    for (int n = count_calls(loading); n > 0; n--) {
        struct hst_error err = {0};
        loading_link(loading, 20000, 10);
        script(loading, "@hoist-device * %d kill once\n", n);
        if (loading_once(loading, &err) < 0) fail_msg("call %d: %s", n, err.text);
    }
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

static void a_call_that_hangs_ends_at_the_limit(void **state)
{
    static const char *const functions[] = {"cuCtxCreate", "cuMemCreate", "cuMemExportToShareableHandle", "cuMemMap", "cuMemcpyHtoDAsync", "cuEventSynchronize", "cuMemUnmap"};
    struct loading *loading = *state;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        struct hst_error err = {0};
        char text[96];
        loading_link(loading, LIMIT_MS, 10);
        snprintf(text, sizeof text, "@hoist-device %s * hang\n", functions[i]);
        card_script(&loading->card, text);
        uint64_t began = hst_clock_ns();
        assert_int_equal(loading_once(loading, &err), HST_E_DEVICE_FAILED);
        assert_non_null(strstr(err.text, "does not answer"));
        assert_true(hst_clock_ms_since(began) >= LIMIT_MS && hst_clock_ms_since(began) < 20 * LIMIT_MS);
        loading_works(loading);
    }
}

static void copies_that_never_end_end_at_the_limit(void **state)
{
    struct loading *loading = *state;
    struct hst_error err = {0};
    loading_link(loading, LIMIT_MS, 10);
    card_script(&loading->card, "@hoist-device cuMemcpyHtoDAsync 3 stall\n");
    assert_int_equal(loading_once(loading, &err), HST_E_DEVICE_FAILED);
    loading_works(loading);
}

/* It takes longer than the limit, but something arrives all the while. */
static void a_load_that_is_slow_is_not_one_that_hangs(void **state)
{
    struct loading *loading = *state;
    loading_link(loading, LIMIT_MS, 10);
    card_script(&loading->card, "@hoist-device cuMemcpyHtoDAsync * delay 200\n");
    assert_int_equal(loading_once(loading, NULL), 0);
}

static void a_context_that_failed_is_replaced_with_its_process(void **state)
{
    struct loading *loading = *state;
    struct hst_error err = {0};
    assert_int_equal(loading_once(loading, NULL), 0);
    int pid = hst_gpu_link_pid(loading->link);
    card_script(&loading->card, "@hoist-device cuMemcpyHtoDAsync 2 late 700 once\n");
    assert_int_equal(loading_once(loading, &err), HST_E_DEVICE_LOST);
    assert_non_null(strstr(err.text, "700"));
    assert_int_equal(kill(pid, 0), -1);
    loading_works(loading);
    assert_true(hst_gpu_link_pid(loading->link) != pid);
}

static void memory_of_a_lost_card_is_found_to_be_gone(void **state)
{
    struct loading *loading = *state;
    int fds[SEGMENTS];
    const struct hst_gpu_memory memory = {fds, loading->sizes, SEGMENTS};
    assert_int_equal(hst_gpu_link_allocate(loading->link, loading->sizes, SEGMENTS, fds, NULL), 0);
    assert_int_equal(hst_gpu_link_check(loading->link, &memory, NULL), 0);
    card_script(&loading->card, "lost\n");
    assert_int_equal(hst_gpu_link_check(loading->link, &memory, NULL), HST_E_DEVICE_LOST);
    assert_int_equal(hst_gpu_link_check(loading->link, &memory, NULL), HST_E_DEVICE_UNAVAILABLE);
    card_script(&loading->card, "");
    assert_int_equal(hst_gpu_link_check(loading->link, &memory, NULL), HST_E_DEVICE_FAILED);
    for (size_t i = 0; i < SEGMENTS; i++)
        close(fds[i]);
}

/* ---- killed at random ---- */

struct killer {
    struct loading *loading;
    _Atomic(bool) stop;
    int kills;
};

static void *kill_now_and_then(void *arg)
{
    struct killer *killer = arg;
    unsigned seed = 1;
    while (!killer->stop) {
        poll(NULL, 0, rand_r(&seed) % 40);
        int pid = hst_gpu_link_pid(killer->loading->link);
        if (pid > 0 && kill(pid, SIGKILL) == 0) killer->kills++;
    }
    return NULL;
}

static void killed_two_hundred_times_it_leaves_nothing(void **state)
{
    struct loading *loading = *state;
    struct killer killer = {.loading = loading};
    pthread_t thread;
    int loaded = 0;
    card_script(&loading->card, "");
    assert_int_equal(pthread_create(&thread, NULL, kill_now_and_then, &killer), 0);
    uint64_t began = hst_clock_ns();
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

#define scripted(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        scripted(out_of_memory_at_each_allocation_leaves_nothing),
        scripted(no_memory_at_any_call_is_survived),
        scripted(a_refusal_of_any_call_is_survived),
        scripted(a_fault_at_any_call_is_survived),
        scripted(being_killed_at_any_call_goes_unnoticed),
        scripted(one_that_is_killed_again_and_again_fails_and_waits),
        scripted(a_call_that_hangs_ends_at_the_limit),
        scripted(copies_that_never_end_end_at_the_limit),
        scripted(a_load_that_is_slow_is_not_one_that_hangs),
        scripted(a_context_that_failed_is_replaced_with_its_process),
        scripted(memory_of_a_lost_card_is_found_to_be_gone),
        scripted(killed_two_hundred_times_it_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, start, end);
}
