#include "os/fstype.h"

#include <stddef.h>
#include <sys/vfs.h>

/* Magic numbers of statfs(2): ext2/3/4, xfs, btrfs, f2fs, zfs is not here: its ARC is no page cache. */
static const long locals[] = {0xef53, 0x58465342, 0x9123683e, 0xf2f52010};
/* NFS, SMB, CIFS, SMB2, 9p, FUSE, Ceph, AFS, Coda, Lustre, GPFS: what other machines (or programs) change, this kernel does not see. */
static const long silent[] = {0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x01021997, 0x65735546, 0x00c36400, 0x5346414f, 0x73757245, 0x0bd00bd0, 0x47504653};
enum { TMPFS = 0x01021994 };

enum hst_fstype hst_fstype_of(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0) return HST_FSTYPE_OTHER;
    for (size_t i = 0; i < sizeof locals / sizeof locals[0]; i++)
        if ((long)fs.f_type == locals[i]) return HST_FSTYPE_LOCAL;
    return fs.f_type == TMPFS ? HST_FSTYPE_MEMORY : HST_FSTYPE_OTHER;
}

bool hst_fstype_tells_changes(const char *path)
{
    struct statfs fs;
    if (statfs(path, &fs) < 0) return true;
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++)
        if ((long)fs.f_type == silent[i]) return false;
    return true;
}
