#include "os/sandbox.h"

#include "os/landlock.h"
#include "os/seccomp.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Sanitizers reserve terabytes of address space, and read files of /proc and write one when they report. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define RELAXED true
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RELAXED true
#endif
#ifndef RELAXED
#define RELAXED false
#endif

enum { CLOSE_RANGE = 436 }; /* Linux 5.9; the same number everywhere */

static void close_others(int first_fd)
{
    for (int fd = 0; fd < first_fd - 1; fd++)
        if (!RELAXED || fd != STDERR_FILENO) close(fd);
    if (syscall(CLOSE_RANGE, (unsigned)first_fd, ~0u, 0u) == 0) return;
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    for (rlim_t fd = (rlim_t)first_fd; fd < limit.rlim_cur && fd < 65536; fd++)
        close((int)fd);
}

/* No more than this, and no more than what is allowed already. */
static bool limit(__rlimit_resource_t resource, rlim_t most)
{
    struct rlimit now;
    if (getrlimit(resource, &now) < 0) return false;
    if (now.rlim_max < most) most = now.rlim_max;
    return setrlimit(resource, &(struct rlimit){most, most}) == 0;
}

static bool set_limits(const struct hst_sandbox_limits *limits)
{
    const struct {
        __rlimit_resource_t resource;
        rlim_t most;
    } rows[] = {{RLIMIT_CPU, limits->cpu_seconds}, {RLIMIT_NOFILE, limits->fds}, {RLIMIT_NPROC, 0}, {RLIMIT_CORE, 0}, {RLIMIT_MEMLOCK, 0},
                {RLIMIT_MSGQUEUE, 0}, {RLIMIT_FSIZE, 0}, {RLIMIT_AS, limits->memory_bytes}};
    size_t count = sizeof rows / sizeof rows[0] - (RELAXED ? 2 : 0); /* without the last two */
    bool set = true;
    for (size_t i = 0; i < count; i++)
        set = limit(rows[i].resource, rows[i].most) && set;
    return set;
}

struct hst_sandbox hst_sandbox_enter(const struct hst_sandbox_limits *limits, int first_fd)
{
    struct hst_sandbox got = {0};
    close_others(first_fd);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) got.protections |= HST_SANDBOX_NO_NEW_PRIVS;
    if (set_limits(limits)) got.protections |= HST_SANDBOX_LIMITS;
    if (RELAXED) return got;
    got.landlock = hst_landlock_take_all();
    if (got.landlock > 0) got.protections |= HST_SANDBOX_LANDLOCK;
    if (hst_seccomp_enter()) got.protections |= HST_SANDBOX_SECCOMP;
    return got;
}
