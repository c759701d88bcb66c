/* Whatever a hoist-device says, hoistd says what is wrong, keeps nothing of it and ends it. */
#include "base/cleanup.h"
#include "cmocka_all.h"
#include "fds.h"
#include "gpu/link.h"
#include "os/clock.h"
#include "os/process.h"

#include <stdio.h>
#include <string.h>

/* Let a false one allocate. */
static int allocate(const char *manner, struct hst_error *err)
{
    char folder[1024], program[1100];
    struct hst_gpu_link *link;
    const uint64_t size = 2097152;
    int fd, before = count_fds();
    assert_int_equal(hst_process_program_folder(folder, sizeof folder, NULL), 0);
    snprintf(program, sizeof program, "%s/false-device", folder);
    assert_int_equal(setenv("CUDA_FALSE", manner, 1), 0);
    assert_int_equal(hst_gpu_link_new(&(struct hst_gpu_link_config){.program = program, .uuid = "GPU-1", .limit_ms = 300}, &link, NULL), 0);
    int status = hst_gpu_link_allocate(link, &size, 1, &fd, err);
    hst_gpu_link_free(link);
    assert_int_equal(count_fds(), before);
    return status;
}

static void what_is_no_answer_is_said(void **state)
{
    (void)state;
    static const char *const manners[] = {"no_greeting", "nonsense", "result_of_another", "two_greetings", "no_result", "too_many_files"};
    for (size_t i = 0; i < sizeof manners / sizeof manners[0]; i++) {
        struct hst_error err = {0};
        assert_int_equal(allocate(manners[i], &err), HST_E_DEVICE_FAILED);
        if (strstr(err.text, "an answer that is none") == NULL) fail_msg("%s: %s", manners[i], err.text);
    }
}

static void a_result_without_its_files_is_none(void **state)
{
    (void)state;
    struct hst_error err = {0};
    assert_int_equal(allocate("too_few_files", &err), HST_E_DEVICE_FAILED);
    assert_non_null(strstr(err.text, "0 of 1"));
}

static void a_status_that_there_is_not_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(allocate("good_status", NULL), HST_E_PROTOCOL);
}

static void who_says_nothing_is_ended(void **state)
{
    (void)state;
    struct hst_error err = {0};
    uint64_t began = hst_clock_ns();
    assert_int_equal(allocate("silence", &err), HST_E_DEVICE_FAILED);
    assert_non_null(strstr(err.text, "does not answer"));
    assert_true(hst_clock_ms_since(began) < 3000);
}

/* Progress in which nothing progresses. */
static void who_only_talks_is_ended(void **state)
{
    (void)state;
    struct hst_error err = {0};
    uint64_t began = hst_clock_ns();
    assert_int_equal(allocate("only_progress", &err), HST_E_DEVICE_FAILED);
    assert_non_null(strstr(err.text, "does not answer"));
    assert_true(hst_clock_ms_since(began) < 3000);
}

static void who_ends_at_once_is_said_with_its_exit_code(void **state)
{
    (void)state;
    struct hst_error err = {0};
    assert_int_equal(allocate("none of these", &err), HST_E_DEVICE_FAILED);
    assert_non_null(strstr(err.text, "exit code 0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_answer_is_said),
        cmocka_unit_test(a_result_without_its_files_is_none),
        cmocka_unit_test(a_status_that_there_is_not_is_an_error),
        cmocka_unit_test(who_says_nothing_is_ended),
        cmocka_unit_test(who_only_talks_is_ended),
        cmocka_unit_test(who_ends_at_once_is_said_with_its_exit_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
