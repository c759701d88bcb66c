#include "os/seqpacket.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "os/clock.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* SCM_MAX_FD of the kernel: with room for as many, no fd can arrive that we do not see. With less room the kernel may still install one
 * more than asked for (CMSG_SPACE rounds up; measured), so closing only the announced ones leaks. */
enum { KERNEL_FDS_MAX = 253, BACKLOG = 128, CONNECT_RETRY_MS = 2 };

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(KERNEL_FDS_MAX * sizeof(int))];
};

void hst_seqpacket_fds_close(struct hst_seqpacket_fds *fds)
{
    for (size_t i = 0; i < fds->count; i++)
        if (fds->fds[i] >= 0) close(fds->fds[i]);
    fds->count = 0;
}

int hst_seqpacket_fds_copy(const int *fds, size_t count, struct hst_seqpacket_fds *ret_fds, struct hst_error *err)
{
    ret_fds->count = 0;
    for (size_t i = 0; i < count; i++) {
        int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        if (copy < 0) {
            int error = errno;
            hst_seqpacket_fds_close(ret_fds);
            return hst_file_errno(err, error, "copy", "a descriptor");
        }
        ret_fds->fds[ret_fds->count++] = copy;
    }
    return HST_OK;
}

static int set_address(struct sockaddr_un *address, const char *path, struct hst_error *err)
{
    if (strlen(path) >= sizeof address->sun_path)
        return hst_error_set(err, HST_E_CONFIG, "the socket path %s is longer than %zu bytes", path, sizeof address->sun_path - 1);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    strcpy(address->sun_path, path);
    return HST_OK;
}

static int new_socket(struct hst_error *err)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 ? fd : hst_file_errno(err, errno, "make", "a socket");
}

static int remove_stale(const char *path, struct hst_error *err)
{
    struct stat st;
    if (lstat(path, &st) < 0) return HST_OK;
    if (!S_ISSOCK(st.st_mode)) return hst_error_set(err, HST_E_CONFIG, "%s is in the way and is no socket", path);
    return unlink(path) == 0 ? HST_OK : hst_file_errno(err, errno, "remove the stale socket", path);
}

/* The mode of the socket before bind is the mode of the file that bind makes, less the umask: it is never wider than asked for. */
static bool bind_file(int fd, const struct sockaddr_un *address, unsigned mode, int64_t group)
{
    return fchmod(fd, mode) == 0 && bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 &&
           (group < 0 || lchown(address->sun_path, (uid_t)-1, (gid_t)group) == 0) && chmod(address->sun_path, mode) == 0;
}

int hst_seqpacket_listen(const char *path, unsigned mode, int64_t group, struct hst_error *err)
{
    struct sockaddr_un address;
    HST_TRY(set_address(&address, path, err));
    HST_TRY(remove_stale(path, err));
    HST_AUTO(hst_closep) int fd = new_socket(err);
    HST_TRY(fd);
    if (!bind_file(fd, &address, mode, group)) return hst_file_errno(err, errno, "make the socket", path);
    if (listen(fd, BACKLOG) < 0) return hst_file_errno(err, errno, "listen on", path);
    return hst_steal_fd(&fd);
}

int hst_seqpacket_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void refuse_one(int listener, int *spare_fd)
{
    hst_closep(spare_fd);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) close(fd);
    *spare_fd = hst_seqpacket_spare();
}

static bool is_temporary(int error)
{
    return error == EAGAIN || error == EINTR || error == ECONNABORTED;
}

int hst_seqpacket_accept(int listener, int *spare_fd, struct hst_error *err)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) return fd;
    int error = errno;
    if (is_temporary(error)) return HST_SEQPACKET_AGAIN;
    if (error == EMFILE || error == ENFILE) refuse_one(listener, spare_fd);
    return hst_file_errno(err, error, "accept", "a connection");
}

/* A Unix socket connects at once, or not at all while the backlog is full. */
static int connect_until(int fd, const struct sockaddr_un *address, uint64_t deadline_ns)
{
    for (;;) {
        if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0) return 0;
        if ((errno != EAGAIN && errno != EINTR) || hst_clock_ns() >= deadline_ns) return errno;
        poll(NULL, 0, CONNECT_RETRY_MS);
    }
}

int hst_seqpacket_connect(const char *path, unsigned timeout_ms, struct hst_error *err)
{
    struct sockaddr_un address;
    HST_TRY(set_address(&address, path, err));
    HST_AUTO(hst_closep) int fd = new_socket(err);
    HST_TRY(fd);
    int error = connect_until(fd, &address, hst_clock_ns() + timeout_ms * UINT64_C(1000000));
    if (error == EACCES || error == EPERM) return hst_error_set(err, HST_E_PERMISSION, "may not connect to hoistd at %s", path);
    if (error != 0) return hst_error_set(err, HST_E_UNREACHABLE, "hoistd does not answer at %s: %s", path, strerror(error));
    return hst_steal_fd(&fd);
}

int hst_seqpacket_pair(int ret_ends[2], struct hst_error *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_ends) == 0) return HST_OK;
    return hst_file_errno(err, errno, "make", "a pair of sockets");
}

static void attach_fds(struct msghdr *message, union control *control, const struct hst_seqpacket_parts *parts)
{
    if (parts->fd_count == 0) return;
    size_t bytes = parts->fd_count * sizeof(int);
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(bytes);
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(bytes), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), parts->fds, bytes);
}

/* ETOOMANYREFS: fds sent to peers that do not read count against our limit; it passes when they read or are dropped. */
static bool send_may_pass(int error)
{
    static const int passing[] = {EAGAIN, EINTR, ENOBUFS, ENOMEM, ETOOMANYREFS};
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        if (passing[i] == error) return true;
    return false;
}

int hst_seqpacket_send(int fd, const struct hst_seqpacket_parts *parts, struct hst_error *err)
{
    struct iovec pieces[] = {{(void *)parts->head, parts->head_length}, {(void *)parts->body, parts->body_length}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = parts->body_length > 0 ? 2 : 1};
    union control control = {0};
    attach_fds(&message, &control, parts);
    if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 1;
    if (send_may_pass(errno)) return HST_SEQPACKET_AGAIN;
    return hst_error_set(err, HST_E_UNREACHABLE, "the connection was lost while sending: %s", strerror(errno));
}

/* Keep the fds of one control message, close those beyond the limit. @return false when there were any of those */
static bool keep_fds(const struct cmsghdr *header, struct hst_seqpacket_fds *ret_fds)
{
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    bool fits = true;
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        if (ret_fds->count < HST_SEQPACKET_FDS_MAX) {
            ret_fds->fds[ret_fds->count++] = fd;
            continue;
        }
        close(fd);
        fits = false;
    }
    return fits;
}

static bool collect_fds(struct msghdr *message, struct hst_seqpacket_fds *ret_fds)
{
    bool fits = true;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header))
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) fits = keep_fds(header, ret_fds) && fits;
    return fits;
}

static int gone(struct hst_error *err)
{
    return hst_error_set(err, HST_E_UNREACHABLE, "the connection was closed by the other side");
}

int hst_seqpacket_receive(int fd, void *buffer, size_t size, struct hst_seqpacket_fds *ret_fds, struct hst_error *err)
{
    struct iovec piece = {buffer, size};
    union control control;
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ret_fds->count = 0;
    ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0) return errno == EAGAIN || errno == EINTR ? HST_SEQPACKET_AGAIN : gone(err);
    bool whole = collect_fds(&message, ret_fds) && (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    if (whole && length > 0) return (int)length;
    hst_seqpacket_fds_close(ret_fds);
    return whole ? gone(err) : hst_error_set(err, HST_E_PROTOCOL, "a packet is longer or brings more fds than allowed");
}

bool hst_seqpacket_wait(int fd, bool writable, int timeout_ms)
{
    struct pollfd poller = {.fd = fd, .events = writable ? POLLOUT : POLLIN};
    return poll(&poller, 1, timeout_ms) != 0;
}

/* Milliseconds until then, for poll(2). */
static int left_until(uint64_t deadline_ns)
{
    uint64_t now = hst_clock_ns();
    return deadline_ns == UINT64_MAX ? -1 : deadline_ns <= now ? 0 : (int)hst_min_u64((deadline_ns - now) / 1000000 + 1, INT_MAX);
}

static uint64_t deadline_of(int timeout_ms)
{
    return timeout_ms < 0 ? UINT64_MAX : hst_clock_ns() + (uint64_t)timeout_ms * 1000000;
}

static int late(struct hst_error *err)
{
    return hst_error_set(err, HST_E_CANCELLED, "nothing was heard in time");
}

int hst_seqpacket_send_within(int fd, const struct hst_seqpacket_parts *parts, int timeout_ms, struct hst_error *err)
{
    uint64_t deadline = deadline_of(timeout_ms);
    int sent;
    while ((sent = hst_seqpacket_send(fd, parts, err)) == HST_SEQPACKET_AGAIN)
        if (!hst_seqpacket_wait(fd, true, left_until(deadline))) return late(err);
    return sent < 0 ? sent : HST_OK;
}

int hst_seqpacket_receive_within(int fd, void *buffer, size_t size, struct hst_seqpacket_fds *ret_fds, int timeout_ms, struct hst_error *err)
{
    uint64_t deadline = deadline_of(timeout_ms);
    int length;
    while ((length = hst_seqpacket_receive(fd, buffer, size, ret_fds, err)) == HST_SEQPACKET_AGAIN)
        if (!hst_seqpacket_wait(fd, false, left_until(deadline))) return late(err);
    return length;
}

bool hst_seqpacket_drained(int fd)
{
    int unread = 0;
    return ioctl(fd, SIOCOUTQ, &unread) == 0 && unread == 0;
}

uint64_t hst_seqpacket_fd_limit(void)
{
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}
