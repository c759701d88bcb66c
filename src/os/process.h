#ifndef HST_OS_PROCESS_H
#define HST_OS_PROCESS_H
/** @file
 * What a daemon says and asks about its own process, and others. */
#include "base/error.h"

/** No reading of our memory or fds by other processes of the user (PR_SET_DUMPABLE 0), no core dumps of weights, no SIGPIPE. */
void hst_process_harden(void);
/** End the process with exit code 1 if it still runs in `seconds`: a stop that hangs must not hang for ever. */
void hst_process_deadline(unsigned seconds);
/** Tell systemd ("READY=1"), when it listens ($NOTIFY_SOCKET). Failure is nobody's problem. */
void hst_process_notify(const char *state);
/** Its number. */
uint32_t hst_process_id(void);
/** Does the kernel number processes for it as for the host: is it in no container of its own numbers? */
bool hst_process_is_of_host(void);
/** The name of a process, as `ps -o comm` shows it: what it has given itself, control characters as '?'. @return false when it is gone, or hidden */
bool hst_process_name(uint32_t pid, char out[64]);
/** Is it run by root? */
bool hst_process_is_root(void);
/** Folder of the running program, without a trailing slash. */
int hst_process_program_folder(char *out, size_t out_size, struct hst_error *err);
/** Does this path name something that the process may execute? */
bool hst_process_may_run(const char *path);
/** What identifies this installation, not to be told to strangers (machine-id(5)); "" where there is none. */
void hst_process_machine_id(char out[40]);
#endif
