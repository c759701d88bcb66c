#include "os/helper.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "os/clock.h"
#include "os/process.h"
#include "os/seqpacket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

/* One that was asked to exit does so at once; one that was killed hangs only in a disk that does not answer, and then it is left behind. */
enum { EXIT_MS = 1000, LEAVE_MS = 1000 };

/* How it is started. */
struct start {
    const struct hst_helper_command *command;
    int fd;     /* becomes its HST_HELPER_FD */
    bool apart; /* from us */
};

/* Does every helper get it? What tells sanitizers where to report. */
static bool is_for_all(const char *variable)
{
    static const char *const kept[] = {"ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS=", "LSAN_OPTIONS="};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (hst_starts_with(variable, kept[i])) return true;
    return false;
}

static bool is_for_it(const char *variable, const char *const *beginnings)
{
    for (; beginnings != NULL && *beginnings != NULL; beginnings++)
        if (hst_starts_with(variable, *beginnings)) return true;
    return false;
}

/* Of our environment, what it gets. */
static char **make_environment(const char *const *beginnings)
{
    extern char **environ;
    size_t count = 0, kept = 0;
    while (environ[count] != NULL)
        count++;
    char **list = calloc(count + 1, sizeof *list);
    for (size_t i = 0; list != NULL && i < count; i++)
        if (is_for_all(environ[i]) || is_for_it(environ[i], beginnings)) list[kept++] = environ[i];
    return list;
}

static char **make_arguments(const struct hst_helper_command *command)
{
    size_t count = 0;
    while (command->arguments != NULL && command->arguments[count] != NULL)
        count++;
    char **list = calloc(count + 2, sizeof *list);
    if (list == NULL) return NULL;
    list[0] = (char *)command->program;
    for (size_t i = 0; i < count; i++)
        list[i + 1] = (char *)command->arguments[i];
    return list;
}

static int set_output(posix_spawn_file_actions_t *files, int output)
{
    if (output > 0) return posix_spawn_file_actions_adddup2(files, output, STDOUT_FILENO);
    return posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
}

static int set_files(posix_spawn_file_actions_t *files, const struct start *start)
{
    int error = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0) error = set_output(files, start->command->output);
    if (error == 0 && start->apart) error = posix_spawn_file_actions_addopen(files, STDERR_FILENO, "/dev/null", O_WRONLY, 0); /* who reads ours must see its end */
    return error == 0 ? posix_spawn_file_actions_adddup2(files, start->fd, HST_HELPER_FD) : error;
}

static int set_attributes(posix_spawnattr_t *attributes, bool apart)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setpgroup(attributes, 0);
    short group = apart ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP;
    return posix_spawnattr_setflags(attributes, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | group));
}

/* @return 0 or an errno */
static int spawn(const struct start *start, pid_t *ret_pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    HST_AUTO(hst_freep) char **environment = make_environment(start->command->environment);
    HST_AUTO(hst_freep) char **arguments = make_arguments(start->command);
    if (environment == NULL || arguments == NULL) return ENOMEM;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    int error = set_files(&files, start);
    if (error == 0) error = set_attributes(&attributes, start->apart);
    if (error == 0) error = posix_spawn(ret_pid, start->command->program, &files, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return error;
}

static int cannot_start(const char *program, int error, struct hst_error *err)
{
    return hst_error_set(err, HST_E_WORKER_UNAVAILABLE, "cannot start %s: %s", program, strerror(error));
}

int hst_helper_start_as(const struct hst_helper_command *command, struct hst_helper *ret_helper, struct hst_error *err)
{
    int ends[2];
    pid_t pid = 0;
    if (hst_seqpacket_pair(ends, NULL) < 0) return cannot_start(command->program, errno, err);
    int error = spawn(&(struct start){command, ends[1], false}, &pid);
    close(ends[1]);
    if (error == 0) {
        *ret_helper = (struct hst_helper){.pid = pid, .fd = ends[0]};
        return HST_OK;
    }
    close(ends[0]);
    return cannot_start(command->program, error, err);
}

int hst_helper_start(const char *program, struct hst_helper *ret_helper, struct hst_error *err)
{
    return hst_helper_start_as(&(struct hst_helper_command){.program = program}, ret_helper, err);
}

int hst_helper_start_apart(const char *program, int fd, int *ret_pid, struct hst_error *err)
{
    pid_t pid = 0;
    int error = spawn(&(struct start){&(struct hst_helper_command){.program = program}, fd, true}, &pid);
    if (error != 0) return cannot_start(program, error, err);
    *ret_pid = pid;
    return HST_OK;
}

uint64_t hst_helper_cpu_ms(const struct hst_helper *helper)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(helper->pid, &clock) != 0 || clock_gettime(clock, &used) < 0) return 0;
    return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

void hst_helper_dismiss(struct hst_helper *helper)
{
    hst_closep(&helper->fd);
}

/* Wait at most so long. @return did it end? Then *ret_signal is what killed it, or 0 */
static bool wait_for(struct hst_helper *helper, unsigned ms, int *ret_signal)
{
    uint64_t deadline = hst_clock_ns() + ms * UINT64_C(1000000);
    int status = 0;
    pid_t got;
    while ((got = waitpid(helper->pid, &status, WNOHANG)) == 0 && hst_clock_ns() < deadline)
        poll(NULL, 0, 1);
    *ret_signal = got == helper->pid && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (got == helper->pid && WIFEXITED(status)) helper->exit_code = WEXITSTATUS(status);
    return got != 0;
}

int hst_helper_kill(struct hst_helper *helper)
{
    int signal_number = SIGKILL;
    hst_helper_dismiss(helper);
    if (helper->pid > 0) {
        kill(helper->pid, SIGKILL);
        wait_for(helper, LEAVE_MS, &signal_number);
    }
    helper->pid = 0;
    return signal_number;
}

int hst_helper_reap(struct hst_helper *helper)
{
    int signal_number = 0;
    hst_helper_dismiss(helper);
    if (helper->pid > 0 && !wait_for(helper, EXIT_MS, &signal_number)) return hst_helper_kill(helper);
    helper->pid = 0;
    return signal_number;
}

void hst_helper_settle_for_all(const char *name)
{
    static const int typed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    hst_process_harden();
    prctl(PR_SET_NAME, name);
    for (size_t i = 0; i < sizeof typed / sizeof typed[0]; i++)
        signal(typed[i], SIG_IGN);
}

void hst_helper_settle(const char *name)
{
    hst_helper_settle_for_all(name);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void hst_helper_settle_apart(void)
{
    struct rlimit files;
    hst_process_harden();
    close_range(HST_HELPER_FD + 1, ~0u, 0);
    if (chdir("/") == 0 && getrlimit(RLIMIT_NOFILE, &files) == 0) setrlimit(RLIMIT_NOFILE, &(struct rlimit){files.rlim_max, files.rlim_max});
}

const char *hst_helper_signal_name(int signal_number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGABRT, "SIGABRT"}, {SIGFPE, "SIGFPE"}, {SIGILL, "SIGILL"}, {SIGTRAP, "SIGTRAP"},
                 {SIGKILL, "SIGKILL"}, {SIGXCPU, "SIGXCPU"}, {SIGSYS, "SIGSYS: it asked the kernel for what it may not have"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].number == signal_number) return names[i].name;
    return "a signal";
}
