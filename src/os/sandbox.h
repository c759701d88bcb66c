#ifndef HST_OS_SANDBOX_H
#define HST_OS_SANDBOX_H
/** @file
 * What a process takes from itself before it reads a stranger's bytes: files, network, other processes, more than its share of memory.
 * There is no way back. A program built with sanitizers keeps the system calls and the memory that they need, and says so. */
#include <stdint.h>

/** A protection that is there, as a bit. */
enum hst_sandbox_protection {
    HST_SANDBOX_NO_NEW_PRIVS = 1, /**< no program gives it rights */
    HST_SANDBOX_LIMITS = 2,       /**< memory, processor time, files, processes are limited */
    HST_SANDBOX_SECCOMP = 4,      /**< only the system calls of seccomp.c */
    HST_SANDBOX_LANDLOCK = 8,     /**< no path, no port, no signal to others */
};
/** All of them. */
#define HST_SANDBOX_ALL 15u

/** What is there after hst_sandbox_enter. */
struct hst_sandbox {
    uint32_t protections; /**< bits of enum hst_sandbox_protection */
    uint32_t landlock;    /**< version of Landlock, 0 = none */
};

/** How much a process may have. */
struct hst_sandbox_limits {
    uint64_t memory_bytes; /**< of address space */
    uint64_t cpu_seconds;  /**< of processor time, all its life */
    uint64_t fds;          /**< file descriptors, numbers below this one */
};

/** Close every fd from `first_fd` on and below it all but `first_fd - 1`; then take all that can be taken. What the kernel does not have is left out, and missing in
 * the result. */
struct hst_sandbox hst_sandbox_enter(const struct hst_sandbox_limits *limits, int first_fd);
#endif
