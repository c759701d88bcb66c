/* hoist hash: the hashes of a model, now. */
#include "cli/hash_lines.h"
#include "cli/talk.h"
#include "cli/term.h"

#include <string.h>
#include <time.h>

static bool is_under_way(const json_t *model)
{
    static const char *const states[] = {"queued", "running", "paused"};
    const char *state = hst_talk_text(json_object_get(model, "hashing"), "state");
    for (size_t i = 0; i < 3; i++)
        if (strcmp(states[i], state) == 0) return true;
    return false;
}

static int follow(struct hst_talk *talk, const char *path, json_t **model, struct hoist_error *error)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    int status = 0;
    while (status == 0 && is_under_way(*model)) {
        nanosleep(&pause, NULL);
        json_decref(*model);
        *model = NULL;
        status = hst_talk_ask(talk, "GET", path, NULL, model, error);
    }
    return status;
}

/* @return exit code */
static int print(const struct hst_arguments *arguments, const json_t *model)
{
    if (hst_given(arguments, HST_OPTION_JSON))
        hst_term_json(model);
    else
        hst_hash_lines_print(model);
    return strcmp(hst_talk_text(json_object_get(model, "hashing"), "state"), "done") == 0 ? HST_EXIT_DONE : HST_EXIT_FAILED;
}

int hst_command_hash(const struct hst_arguments *arguments)
{
    struct hst_talk talk = {.socket = arguments->values[HST_OPTION_SOCKET]};
    struct hoist_error error = {0};
    json_t *model = NULL;
    char path[4096];
    int status = hst_talk_ask(&talk, "POST", hst_talk_path(path, "/api/models/%s/hash", arguments->rest[0]), NULL, &model, &error);
    if (status == 0) status = follow(&talk, hst_talk_path(path, "/api/models/%s", arguments->rest[0]), &model, &error);
    int code = status < 0 ? hst_term_error("hashing failed", &error) : print(arguments, model);
    json_decref(model);
    hoist_error_clear(&error);
    hst_talk_fini(&talk);
    return code;
}
