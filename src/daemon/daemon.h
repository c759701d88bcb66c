#ifndef HST_DAEMON_DAEMON_H
#define HST_DAEMON_DAEMON_H
/** @file
 * hoistd put together: the parts in the order they start in, stopped in the opposite order. The only file that names every layer. */
#include "daemon/settings.h"

/** Run in the foreground until SIGTERM or SIGINT. @return the process's exit code; errors were logged */
int hst_daemon_run(const struct hst_settings *settings);
#endif
