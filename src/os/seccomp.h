#ifndef HST_OS_SECCOMP_H
#define HST_OS_SECCOMP_H
/** @file
 * The system calls that are left to a process which reads what it is handed and answers: memory, reading, one socket, ending.
 * Any other ends it on the spot. */
#include <stdbool.h>

/** Allow only those from now on, for ever; no_new_privs must be set. @return false where the kernel or the architecture has no such filter */
bool hst_seccomp_enter(void);
#endif
