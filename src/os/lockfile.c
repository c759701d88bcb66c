#include "os/lockfile.h"

#include "base/cleanup.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

int hst_lockfile_take(const char *path, struct hst_error *err)
{
    HST_AUTO(hst_closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return hst_file_errno(err, errno, "open the lock file", path);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return hst_steal_fd(&fd);
    if (errno != EWOULDBLOCK) return hst_file_errno(err, errno, "lock", path);
    return hst_error_set(err, HST_E_ALREADY_RUNNING, "another daemon is running here: it has locked %s", path);
}
