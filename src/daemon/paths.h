#ifndef HST_DAEMON_PATHS_H
#define HST_DAEMON_PATHS_H
/** @file
 * Where the daemon's files go when no setting says so (contract section 2; XDG Base Directory Specification 0.8). */
#include "daemon/settings.h"

/** Longest path, with its NUL. */
#define HST_PATH_MAX 4096u

/** Path of the Unix socket. HST_E_CONFIG when there is no setting and nothing to derive it from. */
int hst_paths_socket(const struct hst_settings *settings, char out[HST_PATH_MAX], struct hst_error *err);
/** Folder of the state. */
int hst_paths_state(const struct hst_settings *settings, char out[HST_PATH_MAX], struct hst_error *err);
/** Python interpreter for workers: the setting, .venv of the source tree the program was built in, else python3. */
int hst_paths_python(const struct hst_settings *settings, char out[HST_PATH_MAX], struct hst_error *err);
/** hoist-scan: $HOIST_SCAN, beside this program (a build folder), or where it was installed. HST_E_CONFIG when it is at none of them. */
int hst_paths_scan(char out[HST_PATH_MAX], struct hst_error *err);
/** hoist-keeper: $HOIST_KEEPER, or as hst_paths_scan. */
int hst_paths_keeper(char out[HST_PATH_MAX], struct hst_error *err);
/** hoist-device: $HOIST_DEVICE, or as hst_paths_scan. */
int hst_paths_device(char out[HST_PATH_MAX], struct hst_error *err);
#endif
