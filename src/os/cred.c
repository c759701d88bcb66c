#include "os/cred.h"

#include "os/file.h"

#include <errno.h>
#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GROUPS_MAX = 1024 }; /* supplementary groups looked at; a user in more of them needs to be the owner */

int hst_cred_of_socket(int fd, struct hst_cred *ret_cred, struct hst_error *err)
{
    struct ucred cred;
    socklen_t length = sizeof cred;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) < 0) return hst_file_errno(err, errno, "identify", "the peer of a socket");
    *ret_cred = (struct hst_cred){.pid = cred.pid, .uid = cred.uid};
    return HST_OK;
}

static bool is_member(int fd, gid_t group)
{
    struct ucred cred = {0};
    socklen_t length = sizeof cred;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) == 0 && cred.gid == group) return true;
    gid_t groups[GROUPS_MAX];
    length = sizeof groups;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) < 0) return false;
    for (size_t i = 0; i < length / sizeof groups[0]; i++)
        if (groups[i] == group) return true;
    return false;
}

bool hst_cred_owns(const struct hst_cred *cred)
{
    return cred->uid == 0 || cred->uid == geteuid();
}

bool hst_cred_allowed(int fd, const struct hst_cred *cred, int64_t group)
{
    return hst_cred_owns(cred) || (group >= 0 && is_member(fd, (gid_t)group));
}

int hst_cred_find_group(const char *name, int64_t *ret_group, struct hst_error *err)
{
    const struct group *group = getgrnam(name);
    if (group == NULL) return hst_error_set(err, HST_E_CONFIG, "there is no group %s", name);
    *ret_group = group->gr_gid;
    return HST_OK;
}
