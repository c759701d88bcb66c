#ifndef HST_DAEMON_YAMLFILE_H
#define HST_DAEMON_YAMLFILE_H
/** @file
 * A YAML file read event by event (libyaml), so that nothing nests and every complaint names its line. */
#include "base/error.h"
#include <yaml.h>

/** Takes an event; a negative result ends the reading and is its result. */
typedef int (*hst_yamlfile_fn)(void *context, const yaml_event_t *event, struct hst_error *err);

/** Read the file. HST_E_CONFIG when it cannot be read or is not YAML. */
int hst_yamlfile_read(const char *path, hst_yamlfile_fn fn, void *context, struct hst_error *err);
/** "PATH line N: WHAT". @return HST_E_CONFIG */
int hst_yamlfile_fail(const char *path, const yaml_event_t *event, struct hst_error *err, const char *what);
#endif
