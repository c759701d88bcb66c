#include "os/space.h"

#include "base/checked.h"
#include "os/file.h"

#include <errno.h>
#include <sys/statvfs.h>

int hst_space_check(const char *folder, uint64_t bytes, struct hst_error *err)
{
    struct statvfs fs;
    uint64_t available;
    if (statvfs(folder, &fs) < 0) return hst_file_errno(err, errno, "look at", folder);
    if (!hst_checked_mul(fs.f_bavail, fs.f_frsize, &available) || available >= bytes) return HST_OK;
    return hst_error_set(err, HST_E_NO_SPACE, "%llu bytes are needed in %s, and %llu are free", (unsigned long long)bytes, folder, (unsigned long long)available);
}
