/* The log shows the levels asked for, and a message is one line whatever it contains. */
#include "base/log.h"
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static size_t logged(char *out, size_t size)
{
    int pipe_fds[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(pipe_fds), 0);
    dup2(pipe_fds[1], STDERR_FILENO);
    hst_log(HST_LOG_ERROR, "test", "one\ntwo %d", 3);
    hst_log(HST_LOG_DEBUG, "test", "hidden");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipe_fds[1]);
    ssize_t got = read(pipe_fds[0], out, size - 1);
    close(pipe_fds[0]);
    out[got > 0 ? got : 0] = '\0';
    return strlen(out);
}

static void writes_one_escaped_line_a_message(void **state)
{
    (void)state;
    char out[512];
    hst_log_set_level(HST_LOG_INFO);
    assert_true(logged(out, sizeof out) > 0);
    assert_non_null(strstr(out, "Z error test: one\\x0atwo 3\n"));
    assert_null(strstr(out, "hidden"));
    hst_log_set_level(HST_LOG_DEBUG);
    logged(out, sizeof out);
    assert_non_null(strstr(out, "hidden"));
}

static void knows_the_names_of_levels(void **state)
{
    (void)state;
    assert_int_equal(hst_log_level_parse("warn"), HST_LOG_WARN);
    assert_int_equal(hst_log_level_parse("loud"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_one_escaped_line_a_message),
        cmocka_unit_test(knows_the_names_of_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
