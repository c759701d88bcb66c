#include "os/meminfo.h"

#include "base/checked.h"

#include <stdio.h>
#include <string.h>

/* The number after `label` in /proc/meminfo, in bytes; UINT64_MAX when it is not there. */
static uint64_t meminfo(const char *label)
{
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    unsigned long long kib = 0;
    uint64_t found = UINT64_MAX;
    while (file != NULL && found == UINT64_MAX && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, label, strlen(label)) == 0 && sscanf(line + strlen(label), ": %llu", &kib) == 1) found = kib * 1024;
    if (file != NULL) fclose(file);
    return found;
}

static uint64_t number_in(const char *folder, const char *name)
{
    char path[512];
    unsigned long long value = 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) return UINT64_MAX;
    int got = fscanf(file, "%llu", &value); /* "max" is no number: no limit */
    fclose(file);
    return got == 1 ? value : UINT64_MAX;
}

/* Where the limit and the usage of a cgroup stand, by controller field of /proc/self/cgroup. */
static const struct {
    const char *controller, *mount, *limit, *usage;
} versions[] = {
    {"", "", "memory.max", "memory.current"},
    {"memory", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"},
};
enum { VERSIONS = sizeof versions / sizeof versions[0] };

struct cgroup {
    uint64_t limit;
    uint64_t left;
};

/* A line "id:controllers:/path": narrow `group` by the limits of that folder and of its parents. */
static void narrow(struct cgroup *group, char *path, size_t version)
{
    for (char *end = path + strlen(path); end != NULL; end = strrchr(path, '/')) {
        char folder[400];
        *end = '\0';
        snprintf(folder, sizeof folder, "%s%s", versions[version].mount, path);
        uint64_t limit = number_in(folder, versions[version].limit), usage = number_in(folder, versions[version].usage);
        if (limit == UINT64_MAX || usage == UINT64_MAX) continue;
        group->limit = hst_min_u64(group->limit, limit);
        group->left = hst_min_u64(group->left, limit > usage ? limit - usage : 0);
    }
}

static void read_line(struct cgroup *group, char *line)
{
    char *controllers = strchr(line, ':'), *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (path == NULL) return;
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    for (size_t i = 0; i < VERSIONS; i++)
        if (strcmp(controllers + 1, versions[i].controller) == 0) narrow(group, path, i);
}

static struct cgroup read_cgroup(void)
{
    struct cgroup group = {UINT64_MAX, UINT64_MAX};
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[512];
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        read_line(&group, line);
    if (file != NULL) fclose(file);
    return group;
}

uint64_t hst_meminfo_total_bytes(void)
{
    return hst_min_u64(meminfo("MemTotal"), read_cgroup().limit);
}

uint64_t hst_meminfo_headroom_bytes(void)
{
    return hst_min_u64(meminfo("MemAvailable"), read_cgroup().left);
}
