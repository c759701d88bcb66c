#include "os/process.h"

#include "base/cleanup.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

void hst_process_harden(void)
{
    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGPIPE, SIG_IGN);
}

static void give_up(int signal_number)
{
    (void)signal_number;
    _exit(1);
}

void hst_process_deadline(unsigned seconds)
{
    signal(SIGALRM, give_up);
    alarm(seconds);
}

void hst_process_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || strlen(path) >= sizeof address.sun_path) return;
    size_t length = strlen(path);
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') address.sun_path[0] = '\0';
    HST_AUTO(hst_closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    (void)sent;
}

uint32_t hst_process_id(void)
{
    return (uint32_t)getpid();
}

bool hst_process_is_of_host(void)
{
    static const char host[] = "pid:[4026531836]"; /* the kernel's PROC_PID_INIT_INO: the same on every machine */
    char space[64];
    return readlink("/proc/self/ns/pid", space, sizeof space) == (ssize_t)strlen(host) && memcmp(space, host, strlen(host)) == 0;
}

/* The first line of a small file, "" where there is none. */
static void read_line(const char *path, char *out, int size)
{
    FILE *file = fopen(path, "re");
    out[0] = '\0';
    if (file == NULL) return;
    if (fgets(out, size, file) == NULL) out[0] = '\0';
    fclose(file);
    out[strcspn(out, "\n")] = '\0';
}

bool hst_process_name(uint32_t pid, char out[64])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/comm", pid);
    read_line(path, out, 64);
    for (char *at = out; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f) *at = '?';
    return out[0] != '\0';
}

bool hst_process_is_root(void)
{
    return geteuid() == 0;
}

int hst_process_program_folder(char *out, size_t out_size, struct hst_error *err)
{
    ssize_t length = readlink("/proc/self/exe", out, out_size - 1);
    if (length <= 0) return hst_error_set(err, HST_E_IO, "cannot find the program's own path: %s", strerror(errno));
    out[length] = '\0';
    char *slash = strrchr(out, '/');
    if (slash != NULL) *slash = '\0';
    return HST_OK;
}

bool hst_process_may_run(const char *path)
{
    return access(path, X_OK) == 0;
}

void hst_process_machine_id(char out[40])
{
    read_line("/etc/machine-id", out, 40);
}
