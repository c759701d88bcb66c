#ifndef HST_DAEMON_INSPECT_H
#define HST_DAEMON_INSPECT_H
/** @file
 * One-shot uses of the catalog without a daemon: `hoistd --verify PATH`, `hoistd --scan-once --models DIR`. JSON on stdout. */
#include "daemon/settings.h"

/** Say what a file or folder is. @return exit code: 0, 5 when it is not usable, 3 when it is not there */
int hst_inspect_verify(const struct hst_settings *settings);
/** Scan the folders and print every model. @return exit code */
int hst_inspect_scan(const struct hst_settings *settings);
#endif
