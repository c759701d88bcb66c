#ifndef HST_CLI_TALK_H
#define HST_CLI_TALK_H
/** @file
 * Asking the daemon. */
#include "cli/command.h"

/** A connection, made when it is first needed. Zero-initialise; free with hst_talk_fini. */
struct hst_talk {
    const char *socket;          /**< NULL = as libhoist finds it */
    struct hoist_client *client; /**< owned */
};
/** Ask; `body` (stolen) may be NULL. *ret_data is owned by the caller. @return 0, or -1 with `error` filled (hoist_error_clear) */
int hst_talk_ask(struct hst_talk *talk, const char *method, const char *path, json_t *body, json_t **ret_data, struct hoist_error *error);
/** hst_talk_ask, with failures reported as `what`. @return exit code */
int hst_talk(const struct hst_arguments *arguments, const char *what, const char *method, const char *path, json_t *body, json_t **ret_data);
/** hst_talk, and the answer printed: as JSON with --json, else by `print`. @return exit code */
int hst_talk_show(const struct hst_arguments *arguments, const char *what, const char *method, const char *path, json_t *body, void (*print)(const json_t *data));
/** Start a job (`body` with wait=false), show its progress, wait for its end. *ret_job is owned by the caller. @return exit code */
int hst_talk_job(const struct hst_arguments *arguments, const char *what, const char *path, json_t *body, json_t **ret_job);
/** Ask for `path` again until what runs there has ended, and show its progress: under its own step, or under `step` (may be NULL). *data is replaced by the newest
 * answer; an error in it is ours. @return 0, or -1 with `error` filled (hoist_error_clear) */
int hst_talk_follow(struct hst_talk *talk, const char *path, const char *step, json_t **data, struct hoist_error *error);
/** Turn an error object of the daemon into `error` (hoist_error_clear). */
void hst_talk_read_failure(const json_t *failure, struct hoist_error *error);
/** A path of the API: `format` with %s for parts that are percent-encoded here. @return out */
const char *hst_talk_path(char out[4096], const char *format, const char *part);
/** The fields that --component, --precision and --optimize stand for. New reference. */
json_t *hst_talk_wish(const struct hst_arguments *arguments);
/** The fields that load, cache, pin, plan, unload and evict have in common: these, the model, --device and --pin. New reference. */
json_t *hst_talk_load(const struct hst_arguments *arguments);
/** Disconnect. */
void hst_talk_fini(struct hst_talk *talk);
/** A string as it may be shown: control characters, which would move a terminal's cursor or worse, are written as \\x1b, in the value too. NULL = none. */
const char *hst_talk_shown(json_t *value);
/** Text of a field as it may be shown, or "-". */
const char *hst_talk_text(const json_t *object, const char *key);
/** Number of a field, or 0. */
double hst_talk_number(const json_t *object, const char *key);
#endif
