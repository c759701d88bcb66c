/* A helper is started with one socket and nothing else, and its end is always known. */
#include "cmocka_all.h"
#include "os/helper.h"
#include "os/seqpacket.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void what_is_not_there_cannot_be_started(void **state)
{
    (void)state;
    struct hst_helper helper;
    struct hst_error err = {0};
    assert_int_equal(hst_helper_start("/no/such/program", &helper, &err), HST_E_WORKER_UNAVAILABLE);
    assert_non_null(strstr(err.text, "/no/such/program"));
}

static void one_that_exits_closes_its_socket(void **state)
{
    (void)state;
    struct hst_helper helper;
    struct hst_seqpacket_fds fds;
    char byte;
    assert_int_equal(hst_helper_start("/bin/true", &helper, NULL), 0);
    assert_true(hst_seqpacket_wait(helper.fd, false, 5000));
    assert_int_equal(hst_seqpacket_receive(helper.fd, &byte, 1, &fds, NULL), HST_E_UNREACHABLE);
    hst_helper_reap(&helper);
    assert_int_equal(helper.pid, 0);
    assert_int_equal(helper.fd, -1);
}

static void a_command_gets_its_arguments_its_variables_and_an_output(void **state)
{
    (void)state;
    static const char *const arguments[] = {"-c", "printf %s \"$CARD_A$CARD_B$OTHER\"; exit 7", NULL}, *const variables[] = {"CARD_", NULL};
    int ends[2];
    char said[16] = "";
    struct hst_helper helper;
    assert_int_equal(setenv("CARD_A", "a", 1) + setenv("CARD_B", "b", 1) + setenv("OTHER", "c", 1), 0);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(hst_helper_start_as(&(struct hst_helper_command){"/bin/sh", arguments, variables, ends[1]}, &helper, NULL), 0);
    close(ends[1]);
    assert_int_equal(read(ends[0], said, sizeof said), 2);
    assert_string_equal(said, "ab");
    hst_helper_reap(&helper);
    assert_int_equal(helper.exit_code, 7);
    close(ends[0]);
}

static void one_that_lives_is_killed(void **state)
{
    (void)state;
    struct hst_helper helper;
    assert_int_equal(hst_helper_start("/usr/bin/yes", &helper, NULL), 0);
    pid_t pid = helper.pid;
    while (hst_helper_cpu_ms(&helper) < 20)
        usleep(1000);
    assert_int_equal(hst_helper_kill(&helper), SIGKILL);
    assert_int_equal(kill(pid, 0), -1); /* not even a zombie */
    assert_int_equal(hst_helper_kill(&helper), SIGKILL); /* harmless */
    assert_int_equal(hst_helper_cpu_ms(&(struct hst_helper){pid, -1}), 0);
}

static void signals_have_names(void **state)
{
    (void)state;
    assert_string_equal(hst_helper_signal_name(SIGSEGV), "SIGSEGV");
    assert_string_equal(hst_helper_signal_name(SIGUSR1), "a signal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_there_cannot_be_started),
        cmocka_unit_test(one_that_exits_closes_its_socket),
        cmocka_unit_test(a_command_gets_its_arguments_its_variables_and_an_output),
        cmocka_unit_test(one_that_lives_is_killed),
        cmocka_unit_test(signals_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
