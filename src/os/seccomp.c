#include "os/seccomp.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define ARCHITECTURE 0u /* no filter is known to be right: hst_seccomp_enter says so */
#endif

/* What malloc, pread and a Unix socket need, and what ends a process. None of them takes a path, an address or another process but tgkill,
 * which has its own rule. A call that an architecture lacks has no row there. */
static const unsigned allowed[] = {
    SYS_pread64, SYS_read, SYS_recvmsg, SYS_sendmsg, SYS_ppoll, SYS_close,
#ifdef SYS_poll
    SYS_poll,
#endif
    SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise, SYS_futex, SYS_getrandom, SYS_clock_gettime,
    SYS_sysinfo, /* qsort of glibc wants to know how much memory there is before it takes some */
    /* the last words of an assertion, and its end */
    SYS_write, SYS_writev, SYS_getpid, SYS_gettid, SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_rt_sigreturn, SYS_exit, SYS_exit_group,
};
enum { ALLOWED = sizeof allowed / sizeof allowed[0], HEAD = 4, RULES = 2, RULE = 5, PROGRAM_MAX = HEAD + 2 * ALLOWED + RULES * RULE + 1 };

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define ARGUMENT(i) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + (i) * sizeof(__u64)) /* its low half: both are little-endian */
#define JUMP(test, value, then, otherwise) BPF_JUMP(BPF_JMP | (test) | BPF_K, value, then, otherwise)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)

static void add(struct sock_filter *program, unsigned short *length, const struct sock_filter *instructions, size_t count)
{
    for (size_t i = 0; i < count; i++)
        program[(*length)++] = instructions[i];
}

/* Maps no code, signals nobody but itself. */
static void add_rules(struct sock_filter *program, unsigned short *length)
{
    const struct sock_filter map[RULE] = {JUMP(BPF_JEQ, SYS_mmap, 0, 4), ARGUMENT(2), JUMP(BPF_JSET, PROT_EXEC, 0, 1), RETURN(SECCOMP_RET_KILL_PROCESS),
                                          RETURN(SECCOMP_RET_ALLOW)};
    const struct sock_filter die[RULE] = {JUMP(BPF_JEQ, SYS_tgkill, 0, 4), ARGUMENT(0), JUMP(BPF_JEQ, (unsigned)getpid(), 1, 0),
                                          RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW)};
    add(program, length, map, RULE);
    add(program, length, die, RULE);
}

static unsigned short make_program(struct sock_filter program[PROGRAM_MAX])
{
    /* Numbers mean nothing before the architecture is known: another one calls through the same door. */
    const struct sock_filter head[HEAD] = {LOAD(arch), JUMP(BPF_JEQ, ARCHITECTURE, 1, 0), RETURN(SECCOMP_RET_KILL_PROCESS), LOAD(nr)};
    const struct sock_filter last = RETURN(SECCOMP_RET_KILL_PROCESS);
    unsigned short length = 0;
    add(program, &length, head, HEAD);
    for (size_t i = 0; i < ALLOWED; i++) {
        const struct sock_filter row[] = {JUMP(BPF_JEQ, allowed[i], 0, 1), RETURN(SECCOMP_RET_ALLOW)};
        add(program, &length, row, 2);
    }
    add_rules(program, &length);
    add(program, &length, &last, 1);
    return length;
}

bool hst_seccomp_enter(void)
{
    struct sock_filter instructions[PROGRAM_MAX];
    struct sock_fprog program = {make_program(instructions), instructions};
    return ARCHITECTURE != 0 && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}
