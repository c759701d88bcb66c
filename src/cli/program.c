#include "cli/program.h"

#include "cli/command.h"
#include "cli/talk.h"
#include "cli/term.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { HOISTD_ARGUMENTS_MAX = 2 * HST_ARGUMENTS_MAX + 4 };

void hst_program_folder(char out[4096])
{
    ssize_t length = readlink("/proc/self/exe", out, 4095);
    out[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(out, '/');
    if (slash != NULL) *slash = '\0';
}

/* hoistd beside this program, else the one on the PATH. */
static void find_hoistd(char out[4096 + 16])
{
    char folder[4096];
    hst_program_folder(folder);
    snprintf(out, 4096 + 16, "%s/hoistd", folder);
    if (access(out, X_OK) != 0) strcpy(out, "hoistd");
}

static void make_arguments(char *program, const char *const *given, char *out[HOISTD_ARGUMENTS_MAX])
{
    size_t count = 1;
    out[0] = program;
    for (; *given != NULL && count + 1 < HOISTD_ARGUMENTS_MAX; given++)
        out[count++] = (char *)*given;
    out[count] = NULL;
}

static int cannot_run(const char *program)
{
    int error = errno;
    fprintf(stderr, "hoist: running %s failed: %s\ntry: name a program that is on the PATH\n", program, strerror(error));
    return error == ENOENT ? HST_EXIT_NOT_FOUND : HST_EXIT_FAILED;
}

int hst_program_become(char *const *arguments)
{
    execvp(arguments[0], arguments);
    return cannot_run(arguments[0]);
}

int hst_program_become_hoistd(const char *const *arguments)
{
    char program[4096 + 16], *list[HOISTD_ARGUMENTS_MAX];
    find_hoistd(program);
    make_arguments(program, arguments, list);
    return hst_program_become(list);
}

static pid_t spawn(char *const *arguments, int output)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    errno = posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return errno == 0 ? pid : -1;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : HST_EXIT_FAILED;
}

/* Start hoistd with its output in a pipe. *ret_output is owned by the caller. @return its pid, or -1 */
static pid_t start_hoistd(const char *const *arguments, FILE **ret_output)
{
    char program[4096 + 16], *list[HOISTD_ARGUMENTS_MAX];
    int ends[2];
    find_hoistd(program);
    make_arguments(program, arguments, list);
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    pid_t pid = spawn(list, ends[1]);
    int error = errno;
    close(ends[1]);
    *ret_output = fdopen(ends[0], "r");
    errno = error;
    return pid;
}

/* {"error": ...} is what a run says that failed. */
static void take_failure(const char *what, json_t **json)
{
    struct hoist_error error = {0};
    const json_t *failure = json_object_get(*json, "error");
    if (failure == NULL) return;
    hst_talk_read_failure(failure, &error);
    hst_term_error(what, &error);
    hoist_error_clear(&error);
    json_decref(*json);
    *json = NULL;
}

int hst_program_ask(const char *what, const char *const *arguments, json_t **ret_json)
{
    FILE *output = NULL;
    pid_t pid = start_hoistd(arguments, &output);
    int code = pid < 0 ? cannot_run("hoistd") : HST_EXIT_DONE;
    *ret_json = pid > 0 && output != NULL ? json_loadf(output, 0, NULL) : NULL;
    if (output != NULL) fclose(output);
    if (pid > 0) code = wait_for(pid);
    take_failure(what, ret_json);
    return code;
}
