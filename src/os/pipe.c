#include "os/pipe.h"

#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int hst_pipe_new(int *ret_read_fd, int *ret_write_fd, struct hst_error *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) return hst_file_errno(err, errno, "make", "a pipe");
    *ret_read_fd = fds[0];
    *ret_write_fd = fds[1];
    return HST_OK;
}

bool hst_pipe_is_reader(int fd)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) == O_RDONLY && (flags & O_NONBLOCK) != 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

bool hst_pipe_ended(int read_fd)
{
    char thrown_away[512];
    ssize_t got;
    do {
        got = read(read_fd, thrown_away, sizeof thrown_away);
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got == 0;
}
