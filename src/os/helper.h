#ifndef HST_OS_HELPER_H
#define HST_OS_HELPER_H
/** @file
 * A program of our own that works for us in a process of its own, with one end of a SOCK_SEQPACKET pair as its fd 3 and nothing else of
 * ours but stderr; or apart from us, with a socket to listen on. Any thread; libuv's processes are not touched. */
#include "base/error.h"

/** Which fd of the helper is its end of the pair. */
#define HST_HELPER_FD 3

/** A running helper. */
struct hst_helper {
    int pid;       /**< of the process; 0 = none */
    int fd;        /**< our end, non-blocking; -1 = closed */
    int exit_code; /**< once it has ended by itself: what it exited with; until then, and when a signal ended it, 0 */
};

/** What to start, when it is more than a program. */
struct hst_helper_command {
    const char *program;            /**< path */
    const char *const *arguments;   /**< after the program's name, ended by NULL; NULL = none */
    const char *const *environment; /**< beginnings of variables of ours that it gets ("CUDA_", "HOME="), ended by NULL; NULL = none */
    int output;                     /**< its stdout, borrowed; 0 = what it prints is thrown away */
};

/** Start the program (no arguments, no environment, a process group of its own, no signal blocked or ignored). HST_E_WORKER_UNAVAILABLE. */
int hst_helper_start(const char *program, struct hst_helper *ret_helper, struct hst_error *err);
/** The same with arguments, variables, an output. HST_E_WORKER_UNAVAILABLE. */
int hst_helper_start_as(const struct hst_helper_command *command, struct hst_helper *ret_helper, struct hst_error *err);
/** Start the program apart from us: with `fd` as its fd 3 and nothing else of ours, in a session of its own. It lives on after us. HST_E_WORKER_UNAVAILABLE. */
int hst_helper_start_apart(const char *program, int fd, int *ret_pid, struct hst_error *err);
/** Processor time it has used, in ms; 0 when that is not known. */
uint64_t hst_helper_cpu_ms(const struct hst_helper *helper);
/** Close our end, which asks it to exit. */
void hst_helper_dismiss(struct hst_helper *helper);
/** Close our end and wait until it ends, or kill it after a moment. @return the signal it died of, 0 when it exited by itself */
int hst_helper_reap(struct hst_helper *helper);
/** Kill it, or learn what has ended it. @return the signal it died of (SIGKILL when it lived), 0 when it exited by itself */
int hst_helper_kill(struct hst_helper *helper);
/** What a helper does about its parent: it ends with it, hides its memory, and does not die of what is typed at the parent's terminal. */
void hst_helper_settle(const char *name);
/** The same for one whose parent's threads come and go: what ends it is the end of its socket, not that of the thread that started it. */
void hst_helper_settle_for_all(const char *name);
/** What a helper does that was started apart: it hides its memory, holds no folder, has as many fds as it may, and none of others. */
void hst_helper_settle_apart(void);
/** Name of a signal for people ("SIGSEGV"), or "signal". */
const char *hst_helper_signal_name(int signal_number);
#endif
