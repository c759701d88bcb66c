/* Whatever the driver returns, and when it does not: a load works, or says why not and leaves nothing, and the next one works. */
#include "loading.h"
#include "os/clock.h"

enum { LIMIT_MS = 400 };

static int start(void **state)
{
    (void)state;
    loading_init(&the_loading, "64M");
    return 0;
}

static void out_of_memory_at_each_allocation_leaves_nothing(void **state)
{
    struct loading *loading = *state;
    for (int n = 1; n <= SEGMENTS; n++) {
        struct hst_error err = {0};
        loading_script(loading, "@hoist-device cuMemCreate %d = 2\n", n);
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
    for (int n = loading_count_calls(loading); n > 0; n -= loading_step()) {
        struct hst_error err = {0};
        loading_link(loading, 20000, 10);
        loading_script(loading, format, n);
        int got = loading_once(loading, &err);
        if (got < 0 && got != status && got != HST_E_DEVICE_UNAVAILABLE) fail_msg("call %d: %d %s", n, got, err.text);
        if (got < 0) assert_true(err.text[0] != '\0');
        failed += got < 0;
    }
    assert_true(failed > 10 / loading_step());
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

static void a_fault_at_any_call_of_every_process_is_a_lost_card(void **state)
{
    fail_each_call_with(*state, "@hoist-device * %d = 700 sticky\n", HST_E_DEVICE_LOST);
}

static void a_fault_of_one_context_goes_unnoticed(void **state)
{
    loading_in_spite_of(*state, "@hoist-device cuM* %d = 700 sticky once\n");
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
    card_script(&loading->card, "@hoist-device cuMemcpyHtoDAsync * delay 100\n");
    assert_int_equal(loading_once(loading, NULL), 0);
}

static void a_context_that_failed_is_replaced_with_its_process(void **state)
{
    struct loading *loading = *state;
    struct hst_error err = {0};
    assert_int_equal(loading_once(loading, NULL), 0);
    int pid = hst_gpu_link_pid(loading->link);
    card_script(&loading->card, "@hoist-device cuMemcpyHtoDAsync 2 late 700 once\n");
    assert_int_equal(loading_once(loading, NULL), 0);
    assert_int_equal(kill(pid, 0), -1);
    card_script(&loading->card, "@hoist-device cuMemcpyHtoDAsync 2 late 700\n");
    assert_int_equal(loading_once(loading, &err), HST_E_DEVICE_LOST);
    assert_non_null(strstr(err.text, "700"));
    loading_works(loading);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        loading_test(out_of_memory_at_each_allocation_leaves_nothing),
        loading_test(no_memory_at_any_call_is_survived),
        loading_test(a_refusal_of_any_call_is_survived),
        loading_test(a_fault_at_any_call_of_every_process_is_a_lost_card),
        loading_test(a_fault_of_one_context_goes_unnoticed),
        loading_test(a_call_that_hangs_ends_at_the_limit),
        loading_test(copies_that_never_end_end_at_the_limit),
        loading_test(a_load_that_is_slow_is_not_one_that_hangs),
        loading_test(a_context_that_failed_is_replaced_with_its_process),
        loading_test(memory_of_a_lost_card_is_found_to_be_gone),
    };
    return cmocka_run_group_tests(tests, start, loading_end_group);
}
