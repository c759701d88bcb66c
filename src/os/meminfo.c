#include "os/meminfo.h"

#include "base/checked.h"
#include "os/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 8192, FOLDER_MAX = 512 };

/* The number after `label` in /proc/meminfo, in bytes; UINT64_MAX when it is not there. */
static uint64_t kib_of(const char *text, const char *label)
{
    uint64_t kib = hst_machine_number(text, label), bytes;
    return kib != UINT64_MAX && hst_checked_mul(kib, 1024, &bytes) ? bytes : UINT64_MAX;
}

static void read_file(const char *folder, const char *name, char text[TEXT_MAX])
{
    char path[FOLDER_MAX + 64];
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", folder, name);
    (void)hst_machine_read(path, text, TEXT_MAX);
}

/* The one number of a file; "max" is none. */
static uint64_t number_in(const char *folder, const char *name)
{
    char text[TEXT_MAX], line[TEXT_MAX + 8];
    read_file(folder, name, text);
    snprintf(line, sizeof line, "is %s", text);
    return hst_machine_number(line, "is");
}

/* Page cache that the kernel can take back at once: what is locked is on neither list. */
static uint64_t reclaimable(const char *folder, const char *active, const char *inactive)
{
    char text[TEXT_MAX];
    uint64_t sum = 0;
    read_file(folder, "memory.stat", text);
    const uint64_t parts[] = {hst_machine_number(text, active), hst_machine_number(text, inactive)};
    for (size_t i = 0; i < 2; i++)
        if (parts[i] != UINT64_MAX && !hst_checked_add(sum, parts[i], &sum)) return 0;
    return sum;
}

/* Where limits and usage of a cgroup stand. */
static const struct version {
    int number;
    const char *controller; /* field of /proc/self/cgroup */
    const char *mount;      /* under /sys/fs/cgroup */
    const char *limits[2];
    const char *usage;
    const char *active, *inactive; /* in memory.stat */
} versions[] = {
    {2, "", "", {"memory.max", "memory.high"}, "memory.current", "active_file", "inactive_file"},
    {1, "memory", "/memory", {"memory.limit_in_bytes", "memory.limit_in_bytes"}, "memory.usage_in_bytes", "total_active_file", "total_inactive_file"},
};
enum { VERSIONS = sizeof versions / sizeof versions[0] };

static void narrow(void *context, const char *folder, int number)
{
    struct hst_meminfo *info = context;
    const struct version *version = number == 2 ? &versions[0] : &versions[1];
    uint64_t limit = hst_min_u64(number_in(folder, version->limits[0]), number_in(folder, version->limits[1]));
    uint64_t usage = number_in(folder, version->usage);
    if (limit == UINT64_MAX || usage == UINT64_MAX) return;
    usage -= hst_min_u64(usage, reclaimable(folder, version->active, version->inactive));
    info->limit_bytes = hst_min_u64(info->limit_bytes, limit);
    info->left_bytes = hst_min_u64(info->left_bytes, limit > usage ? limit - usage : 0);
}

/* Who is told of cgroups. */
struct visit {
    void (*fn)(void *context, const char *folder, int version);
    void *context;
};

/* That folder, and its parents. */
static void climb(const struct visit *visit, char *path, const struct version *version)
{
    for (char *end = path + strlen(path); end != NULL; end = strrchr(path, '/')) {
        char folder[FOLDER_MAX];
        *end = '\0';
        snprintf(folder, sizeof folder, "%s%s", version->mount, path);
        visit->fn(visit->context, folder, version->number);
    }
}

/* A line "id:controllers:/path". */
static void read_line(const struct visit *visit, char *line)
{
    char *controllers = strchr(line, ':'), *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (path == NULL || strstr(path, "/..") != NULL) return;
    *path++ = '\0';
    for (size_t i = 0; i < VERSIONS; i++)
        if (strcmp(controllers + 1, versions[i].controller) == 0) climb(visit, path, &versions[i]);
}

void hst_meminfo_each_cgroup(void (*fn)(void *context, const char *folder, int version), void *context)
{
    struct visit visit = {fn, context};
    char text[TEXT_MAX];
    (void)hst_machine_read("/proc/self/cgroup", text, sizeof text);
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;)
        read_line(&visit, line);
}

struct hst_meminfo hst_meminfo_read(void)
{
    struct hst_meminfo info = {.limit_bytes = UINT64_MAX, .left_bytes = UINT64_MAX};
    char text[TEXT_MAX];
    (void)hst_machine_read("/proc/meminfo", text, sizeof text);
    hst_meminfo_each_cgroup(narrow, &info);
    info.available_bytes = kib_of(text, "MemAvailable");
    info.total_bytes = hst_min_u64(kib_of(text, "MemTotal"), info.limit_bytes);
    info.headroom_bytes = hst_min_u64(info.available_bytes, info.left_bytes);
    return info;
}

uint64_t hst_meminfo_total_bytes(void)
{
    return hst_meminfo_read().total_bytes;
}

uint64_t hst_meminfo_headroom_bytes(void)
{
    return hst_meminfo_read().headroom_bytes;
}
