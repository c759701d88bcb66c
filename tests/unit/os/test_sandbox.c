/* In the sandbox a process can read what it holds and compute; whatever else it tries ends it, or is refused. */
#include "base/cleanup.h"
#include "cmocka_all.h"
#include "os/landlock.h"
#include "os/sandbox.h"
#include "os/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const struct hst_sandbox_limits limits = {UINT64_C(2) << 30, 60, 8};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Run it in a process in the sandbox, with /proc/self/exe as fd 3. @return what waitpid says */
static int run(void (*attempt)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        if (fd != 3) dup2(fd, 3);
        prctl(PR_SET_DUMPABLE, 0);
        hst_sandbox_enter(&limits, 4);
        attempt();
        syscall(SYS_exit_group, 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void open_a_file(void) { syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0); }
static void make_a_socket(void) { syscall(SYS_socket, AF_INET, SOCK_STREAM, 0); }
static void connect_somewhere(void) { syscall(SYS_connect, 3, "", 0); }
static void run_a_program(void) { syscall(SYS_execve, "/bin/true", NULL, NULL); }
static void trace(void) { syscall(SYS_ptrace, PTRACE_ATTACH, getppid(), 0, 0); }
static void ask_for_its_parent(void) { syscall(SYS_getppid); }
static void kill_another(void) { syscall(SYS_kill, 1, 0); }
static void signal_another(void) { syscall(SYS_tgkill, 1, 1, 0); }
static void fork_a_process(void) { syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }
static void map_code(void) { syscall(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void make_code(void) { syscall(SYS_mprotect, 0, 4096, PROT_EXEC); }
static void undo_its_limits(void) { syscall(SYS_prlimit64, 0, RLIMIT_AS, NULL, NULL); }
static void read_memory_of_another(void) { syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0); }
static void make_a_memfd(void) { syscall(SYS_memfd_create, "x", 0); }
static void change_its_rights(void) { syscall(SYS_prctl, PR_SET_DUMPABLE, 1); }
static void use_rings(void) { syscall(425 /* io_uring_setup */, 1, NULL); }
#ifdef __x86_64__
static void call_as_x32(void) { syscall(0x40000000 | SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0); }
/* 11 is execve there, and munmap, which is allowed, here. */
static void call_as_i386(void) { __asm__ volatile("int $0x80" ::"a"(11), "b"(0), "c"(0), "d"(0) : "memory"); }
#endif

static void what_it_may_not_have_ends_it(void **state)
{
    (void)state;
    static void (*const attempts[])(void) = {
        open_a_file, make_a_socket, connect_somewhere, run_a_program, trace, ask_for_its_parent, kill_another, signal_another, fork_a_process, map_code,
        make_code, undo_its_limits, read_memory_of_another, make_a_memfd, change_its_rights, use_rings,
#ifdef __x86_64__
        call_as_x32,
#endif
    };
    if (SANITIZED) skip();
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
        int status = run(attempts[i]);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS) fail_msg("attempt %zu: status %x", i, (unsigned)status);
    }
}

static void numbers_of_another_architecture_are_no_way_out(void **state)
{
    (void)state;
    if (SANITIZED) skip();
#ifdef __x86_64__
    int status = run(call_as_i386);
    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV); /* SIGSEGV: the kernel knows no i386 */
#else
    skip();
#endif
}

static void read_and_compute(void)
{
    char head[4];
    bool read_it = pread(3, head, sizeof head, 0) == 4 && memcmp(head, "\x7f" "ELF", 4) == 0;
    char *small = malloc(100), *large = malloc(64 << 20);
    if (large != NULL) memset(large, 1, 64 << 20);
    large = large != NULL ? realloc(large, 128 << 20) : NULL;
    bool computed = small != NULL && large != NULL && large[1000] == 1;
    free(small);
    free(large);
    syscall(SYS_exit_group, read_it && computed ? 7 : 1);
}

static void it_can_read_what_it_holds_and_compute(void **state)
{
    (void)state;
    int status = run(read_and_compute);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void take_too_much(void)
{
    syscall(SYS_exit_group, malloc((size_t)3 << 30) == NULL ? 7 : 1);
}

static void find_other_files(void)
{
    int found = 0;
    for (int fd = 0; fd < 100; fd++)
        found += fd != 3 && syscall(SYS_close, fd) == 0;
    syscall(SYS_exit_group, found == 0 ? 7 : found);
}

static void end_by_an_assertion(void)
{
    abort();
}

static void its_memory_is_limited_and_its_files_are_closed(void **state)
{
    (void)state;
    if (SANITIZED) skip();
    int kept = open("/etc/passwd", O_RDONLY);
    assert_int_equal(WEXITSTATUS(run(take_too_much)), 7);
    assert_int_equal(WEXITSTATUS(run(find_other_files)), 7);
    assert_int_equal(WTERMSIG(run(end_by_an_assertion)), SIGABRT);
    close(kept);
}

/* Landlock alone, so that its part shows: seccomp would end the process before. */
static void landlock_takes_every_path(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (hst_landlock_take_all() == 0) _exit(99);
        _exit(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES ? 7 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    if (WEXITSTATUS(status) == 99) skip(); /* this kernel has none */
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void *give_up_rights(void *fd)
{
    char head[4];
    bool got = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && hst_seccomp_enter();
    return (void *)(intptr_t)(got && pread((int)(intptr_t)fd, head, 4, 0) == 4);
}

/* Paths and system calls belong to a thread: one gives them up and ends, the others keep theirs. */
static void a_thread_alone_can_give_them_up(void **state)
{
    (void)state;
    HST_AUTO(hst_closep) int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    pthread_t thread;
    void *good;
    if (SANITIZED) skip();
    pthread_create(&thread, NULL, give_up_rights, (void *)(intptr_t)fd);
    pthread_join(thread, &good);
    assert_non_null(good);
    HST_AUTO(hst_closep) int other = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(other >= 0);
}

static void it_says_what_protects_it(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct hst_sandbox got = hst_sandbox_enter(&limits, 4);
        uint32_t least = HST_SANDBOX_NO_NEW_PRIVS | HST_SANDBOX_LIMITS | (SANITIZED ? 0 : HST_SANDBOX_SECCOMP);
        syscall(SYS_exit_group, (got.protections & least) == least && ((got.protections & HST_SANDBOX_LANDLOCK) != 0) == (got.landlock > 0) ? 7 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_may_not_have_ends_it),
        cmocka_unit_test(numbers_of_another_architecture_are_no_way_out),
        cmocka_unit_test(it_can_read_what_it_holds_and_compute),
        cmocka_unit_test(its_memory_is_limited_and_its_files_are_closed),
        cmocka_unit_test(landlock_takes_every_path),
        cmocka_unit_test(a_thread_alone_can_give_them_up),
        cmocka_unit_test(it_says_what_protects_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
