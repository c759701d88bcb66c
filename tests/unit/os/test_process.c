/* A daemon hides its memory, tells systemd, and never hangs in its own stop. */
#include "base/cleanup.h"
#include "cmocka_all.h"
#include "os/process.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static void hides_its_memory(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        hst_process_harden();
        _exit(prctl(PR_GET_DUMPABLE));
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Whatever it calls itself: what is shown on a terminal must not be able to move its cursor. */
static void a_process_has_a_name_without_control_characters(void **state)
{
    (void)state;
    char was[16], name[64];
    prctl(PR_GET_NAME, was);
    prctl(PR_SET_NAME, "a\033[2J\177b");
    assert_true(hst_process_name(hst_process_id(), name));
    assert_string_equal(name, "a?[2J?b");
    prctl(PR_SET_NAME, was);
    assert_false(hst_process_name(UINT32_MAX, name)); /* no process has that number */
    assert_string_equal(name, "");
}

static void a_stop_that_hangs_ends_at_the_deadline(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        hst_process_deadline(1);
        for (;;)
            pause();
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
}

static void tells_whoever_listens(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char got[32] = "";
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/hoist-notify-%d", (int)getpid());
    HST_AUTO(hst_closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    unsetenv("NOTIFY_SOCKET");
    hst_process_notify("nobody");
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    hst_process_notify("READY=1");
    assert_int_equal(recv(fd, got, sizeof got, MSG_DONTWAIT), 7);
    assert_string_equal(got, "READY=1");
    unlink(address.sun_path);
    unsetenv("NOTIFY_SOCKET");
}

static void knows_where_it_runs_from(void **state)
{
    (void)state;
    char folder[512];
    assert_int_equal(hst_process_program_folder(folder, sizeof folder, NULL), 0);
    assert_true(folder[0] == '/' && folder[strlen(folder) - 1] != '/');
    assert_true(hst_process_may_run("/bin/sh"));
    assert_false(hst_process_may_run("/etc/passwd"));
    assert_int_equal(hst_process_is_root(), geteuid() == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hides_its_memory),
        cmocka_unit_test(a_process_has_a_name_without_control_characters),
        cmocka_unit_test(a_stop_that_hangs_ends_at_the_deadline),
        cmocka_unit_test(tells_whoever_listens),
        cmocka_unit_test(knows_where_it_runs_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
