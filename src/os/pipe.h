#ifndef HST_OS_PIPE_H
#define HST_OS_PIPE_H
/** @file
 * Pipes as life lines: whoever holds the write end is alive; when the last copy of it is closed, in any process, the read end ends. */
#include "base/error.h"

/** Make one, both ends non-blocking and CLOEXEC, owned by the caller. */
int hst_pipe_new(int *ret_read_fd, int *ret_write_fd, struct hst_error *err);
/** Is it the read end of such a pipe? */
bool hst_pipe_is_reader(int fd);
/** Throw away what was written. @return true when every write end is closed */
bool hst_pipe_ended(int read_fd);
#endif
