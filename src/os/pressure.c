#include "os/pressure.h"

#include "base/cleanup.h"
#include "os/machine.h"
#include "os/meminfo.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 512 };

/* "some avg10=0.12 ...": the number, or -1. */
static double avg10_of(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    if (at == NULL || (at != text && at[-1] != '\n')) return -1;
    const char *value = at + strlen(line);
    size_t length = strspn(value, "0123456789.");
    char *end;
    double share = strtod(value, &end);
    bool good = length > 0 && length < 8 && end == value + length && *end == ' ' && share <= 100;
    return good ? share : -1;
}

bool hst_pressure_parse(const char *text, struct hst_pressure *ret_pressure)
{
    double some = avg10_of(text, "some avg10="), full = avg10_of(text, "full avg10=");
    if (some < 0) return false;
    *ret_pressure = (struct hst_pressure){true, some, full < 0 ? 0 : full};
    return true;
}

/* Files of PSI: the machine's, and that of the innermost cgroup that has one. */
struct paths {
    char of[HST_PRESSURE_TRIGGERS][TEXT_MAX];
    size_t count;
};

static void add_cgroup(void *context, const char *folder, int version)
{
    struct paths *paths = context;
    char path[TEXT_MAX], text[TEXT_MAX];
    if (version != 2 || paths->count == HST_PRESSURE_TRIGGERS) return;
    int length = snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.pressure", folder);
    if (length < (int)sizeof path && hst_machine_read(path, text, sizeof text) > 0) memcpy(paths->of[paths->count++], path, sizeof path);
}

static struct paths find_paths(void)
{
    struct paths paths = {.of = {"/proc/pressure/memory"}, .count = 1};
    hst_meminfo_each_cgroup(add_cgroup, &paths);
    return paths;
}

struct hst_pressure hst_pressure_read(void)
{
    struct hst_pressure worst = {0};
    struct paths paths = find_paths();
    for (size_t i = 0; i < paths.count; i++) {
        char text[TEXT_MAX];
        struct hst_pressure one;
        (void)hst_machine_read(paths.of[i], text, sizeof text);
        if (hst_pressure_parse(text, &one) && (!worst.known || one.some_avg10 > worst.some_avg10)) worst = one;
    }
    return worst;
}

/* -1 when the kernel does not let us. */
static int arm(const char *path, const char *wish)
{
    HST_AUTO(hst_closep) int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || write(fd, wish, strlen(wish) + 1) < 0) return -1;
    return hst_steal_fd(&fd);
}

struct hst_pressure_trigger hst_pressure_arm(unsigned stall_ms, unsigned window_ms)
{
    struct hst_pressure_trigger trigger = {0};
    struct paths paths = find_paths();
    char wish[64];
    snprintf(wish, sizeof wish, "some %u000 %u000", stall_ms, window_ms);
    for (size_t i = 0; i < paths.count && !hst_machine_is_described(); i++) {
        int fd = arm(paths.of[i], wish);
        if (fd >= 0) trigger.fds[trigger.count++] = fd;
    }
    return trigger;
}

void hst_pressure_disarm(struct hst_pressure_trigger *trigger)
{
    while (trigger->count > 0)
        hst_closep(&trigger->fds[--trigger->count]);
}
