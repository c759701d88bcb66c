#include "os/landlock.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/landlock.h, of which systems have older versions than their kernels. The numbers are the same on every architecture. */
enum { CREATE_RULESET = 444, RESTRICT_SELF = 446, ASK_VERSION = 1 };

struct ruleset {
    uint64_t files;  /* version 1 */
    uint64_t ports;  /* version 4 */
    uint64_t scopes; /* version 6 */
};

/* Rights to files that a version has, as bits; the last row holds for all later ones. Unknown rights would make the kernel refuse. */
static const uint64_t file_rights[] = {0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff};
enum { LAST_ROW = sizeof file_rights / sizeof file_rights[0] - 1, PORTS_FROM = 4, SCOPES_FROM = 6, ALL_PORTS = 3, ALL_SCOPES = 3 };

static size_t size_of(long version)
{
    if (version >= SCOPES_FROM) return sizeof(struct ruleset);
    return version >= PORTS_FROM ? offsetof(struct ruleset, scopes) : offsetof(struct ruleset, ports);
}

unsigned hst_landlock_take_all(void)
{
    long version = syscall(CREATE_RULESET, NULL, (size_t)0, ASK_VERSION);
    if (version < 1) return 0;
    struct ruleset none = {.files = file_rights[version < LAST_ROW ? version : LAST_ROW],
                           .ports = version >= PORTS_FROM ? ALL_PORTS : 0,
                           .scopes = version >= SCOPES_FROM ? ALL_SCOPES : 0};
    long fd = syscall(CREATE_RULESET, &none, size_of(version), 0);
    if (fd < 0) return 0;
    long taken = syscall(RESTRICT_SELF, (int)fd, 0);
    close((int)fd);
    return taken == 0 ? (unsigned)version : 0;
}
