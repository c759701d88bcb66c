#include "os/filelease.h"

#include <fcntl.h>

bool hst_filelease_take(int fd)
{
    return fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
}

bool hst_filelease_broken(int fd)
{
    return fcntl(fd, F_GETLEASE) != F_RDLCK;
}

void hst_filelease_release(int fd)
{
    fcntl(fd, F_SETLEASE, F_UNLCK);
}
