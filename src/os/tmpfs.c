#include "os/tmpfs.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "os/file.h"
#include "os/place.h"
#include "os/seqpacket.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { ANSWER_MS = 2000 };
static const char place[] = "/tmp"; /* covered in a namespace of our own alone */

/* ---- in the child, between fork and _exit: system calls only ---- */

static bool write_text(const char *path, const char *text)
{
    HST_AUTO(hst_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* A mount namespace; for an ordinary user in a user namespace in which he is who he was. To write his maps he must be dumpable again
 * (user_namespaces(7)): this child lives for a millisecond, and at a time when no weights are there yet. */
static bool enter_namespace(const char *uid_map, const char *gid_map)
{
    if (unshare(CLONE_NEWNS) == 0) return true;
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_text("/proc/self/uid_map", uid_map) && write_text("/proc/self/setgroups", "deny") &&
           write_text("/proc/self/gid_map", gid_map);
}

static int make_view(void)
{
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    int view = (int)syscall(SYS_open_tree, AT_FDCWD, place, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC); /* glibc has functions for both since 2.36 */
    if (view < 0 || syscall(SYS_mount_setattr, view, "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0) return -1;
    return openat(view, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void mount_and_send(int socket, const char *options, const char *uid_map, const char *gid_map)
{
    int fds[2] = {-1, -1}, error;
    bool good = enter_namespace(uid_map, gid_map) && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                mount("hoist", place, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) == 0;
    if (good) fds[0] = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fds[0] >= 0) fds[1] = make_view();
    error = fds[1] >= 0 ? 0 : errno;
    struct hst_seqpacket_parts parts = {.head = &error, .head_length = sizeof error, .fds = fds, .fd_count = error == 0 ? 2 : 0};
    hst_seqpacket_send(socket, &parts, NULL);
    _exit(0);
}

/* ---- in our own process ---- */

static int take_answer(int socket, struct hst_tmpfs *ret_tmpfs, struct hst_error *err)
{
    HST_AUTO(hst_seqpacket_fds_close) struct hst_seqpacket_fds fds = {.count = 0};
    int error = ETIMEDOUT;
    int length = hst_seqpacket_wait(socket, false, ANSWER_MS) ? hst_seqpacket_receive(socket, &error, sizeof error, &fds, NULL) : 0;
    if (length != (int)sizeof error || fds.count != 2) return hst_file_errno(err, error, "mount", "a tmpfs of our own");
    ret_tmpfs->write_dir = fds.fds[0];
    ret_tmpfs->read_dir = fds.fds[1];
    fds.count = 0;
    return HST_OK;
}

int hst_tmpfs_new(uint64_t size_bytes, struct hst_tmpfs *ret_tmpfs, struct hst_error *err)
{
    char options[96], uid_map[32], gid_map[32];
    int ends[2];
    ret_tmpfs->write_dir = ret_tmpfs->read_dir = -1;
    snprintf(options, sizeof options, "huge=always,mode=0700,size=%llu", (unsigned long long)hst_round_up(size_bytes, HST_PLACE_HUGE_BYTES));
    snprintf(uid_map, sizeof uid_map, "%u %u 1", geteuid(), geteuid());
    snprintf(gid_map, sizeof gid_map, "%u %u 1", getegid(), getegid());
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return hst_file_errno(err, errno, "make", "a socket");
    HST_AUTO(hst_closep) int ours = ends[0], theirs = ends[1];
    pid_t child = fork();
    if (child == 0) mount_and_send(theirs, options, uid_map, gid_map);
    hst_closep(&theirs);
    int status = child > 0 ? take_answer(ours, ret_tmpfs, err) : hst_file_errno(err, errno, "start", "a process");
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* What is less than a huge page takes small ones: a huge one would be charged whole. @return 0 or an errno */
static int reserve_tail(char *tail, uint64_t size_bytes)
{
    if (size_bytes == 0) return 0;
    if (madvise(tail, size_bytes, MADV_NOHUGEPAGE) < 0 && errno != EINVAL) return errno;
    if (madvise(tail, size_bytes, MADV_POPULATE_WRITE) == 0) return 0;
    return errno == EFAULT ? ENOSPC : errno;
}

/* @return 0 or an errno */
static int reserve(int fd, uint64_t size_bytes, struct hst_memfd *memory)
{
    uint64_t head = hst_round_down(size_bytes, HST_PLACE_HUGE_BYTES);
    if (ftruncate(fd, (off_t)size_bytes) < 0) return errno;
    int error = head > 0 ? posix_fallocate(fd, 0, (off_t)head) : 0;
    if (error != 0) return error;
    memory->address = hst_place_map(fd, 0, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED);
    if (memory->address == NULL) return errno;
    memory->size_bytes = size_bytes;
    memory->huge = true;
    return reserve_tail((char *)memory->address + head, size_bytes - head);
}

int hst_tmpfs_file(struct hst_tmpfs *tmpfs, uint64_t size_bytes, struct hst_memfd *ret_memory, struct hst_error *err)
{
    char name[40];
    struct hst_memfd memory = {.fd = -1};
    snprintf(name, sizeof name, "hoist-%llu", (unsigned long long)++tmpfs->next);
    HST_AUTO(hst_closep) int fd = openat(tmpfs->write_dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return hst_memfd_refuse(err, errno, size_bytes);
    int error = reserve(fd, size_bytes, &memory);
    if (error == 0) memory.fd = openat(tmpfs->read_dir, name, O_RDONLY | O_CLOEXEC);
    if (error == 0 && memory.fd < 0) error = errno;
    unlinkat(tmpfs->write_dir, name, 0);
    if (error != 0) {
        hst_memfd_fini(&memory);
        return hst_memfd_refuse(err, error, size_bytes);
    }
    *ret_memory = memory;
    ret_memory->write_fd = hst_steal_fd(&fd);
    return HST_OK;
}

void hst_tmpfs_fini(struct hst_tmpfs *tmpfs)
{
    hst_closep(&tmpfs->write_dir);
    hst_closep(&tmpfs->read_dir);
}
