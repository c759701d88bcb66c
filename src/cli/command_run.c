/* hoist exec, serve, doctor: programs on this machine. */
#include "cli/cards.h"
#include "cli/disks.h"
#include "cli/program.h"
#include "cli/talk.h"
#include "cli/term.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int hst_command_serve(const struct hst_arguments *arguments)
{
    return hst_program_become_hoistd((const char *const *)arguments->rest);
}

/* "@model-id" becomes the path of the model. @return exit code */
static int resolve(const struct hst_arguments *arguments, char **argument)
{
    char path[4096];
    json_t *model;
    int code = hst_talk(arguments, "finding the model failed", "GET", hst_talk_path(path, "/api/models/%s", *argument + 1), NULL, &model);
    if (code != HST_EXIT_DONE) return code;
    *argument = strdup(hst_talk_text(model, "path"));
    json_decref(model);
    return *argument != NULL ? HST_EXIT_DONE : HST_EXIT_MEMORY;
}

int hst_command_exec(const struct hst_arguments *arguments)
{
    char **program = arguments->rest;
    for (size_t i = 0; i < arguments->count; i++) {
        if (program[i][0] != '@' || program[i][1] == '\0') continue;
        int code = resolve(arguments, &program[i]);
        if (code != HST_EXIT_DONE) return code;
    }
    setenv("HOIST_PATCH", "1", 1);
    if (hst_given(arguments, HST_OPTION_SOCKET)) setenv("HOIST_SOCKET", arguments->values[HST_OPTION_SOCKET], 1);
    return hst_program_become(program);
}

static void check_memlock(json_t *checks)
{
    struct rlimit limit = {0};
    char found[HST_TERM_TEXT] = "unlimited";
    getrlimit(RLIMIT_MEMLOCK, &limit);
    bool limited = limit.rlim_cur != RLIM_INFINITY && geteuid() != 0;
    if (limited) hst_term_size((double)limit.rlim_cur, found);
    hst_examine(checks, "memory that may be locked", found,
            limited ? "page cache cannot be held in place: set LimitMEMLOCK=infinity in the unit, or memlock in /etc/security/limits.conf" : NULL);
}

static void check_backings(json_t *checks, const json_t *cache)
{
    size_t index, unlocked = 0;
    json_t *component;
    json_array_foreach(json_object_get(cache, "components"), index, component)
        unlocked += json_is_false(json_object_get(json_object_get(component, "ram"), "locked"));
    hst_examine(checks, "components held in place", unlocked == 0 ? "all" : "some are not locked", unlocked == 0 ? NULL : "see memory that may be locked, for the daemon's user");
}

static void check_scan(json_t *checks, const json_t *scan)
{
    bool failed = hst_talk_number(scan, "errors") > 0;
    hst_examine(checks, "folders of models", failed ? "some could not be read" : "were read", failed ? "the daemon's log says which" : NULL);
}

static void check_parsers(json_t *checks, const json_t *scan)
{
    const char *sandbox = json_string_value(json_object_get(scan, "sandbox"));
    const char *advice = sandbox == NULL ? "start hoistd without --no-sandbox" : "this kernel lacks what is named missing; the others hold";
    hst_examine(checks, "parsers of model files", sandbox != NULL ? sandbox : "run in the daemon itself", sandbox != NULL && strstr(sandbox, "missing") == NULL ? NULL : advice);
}

static void check_cards(struct hst_talk *talk, json_t *checks, struct hoist_error *error)
{
    json_t *list = NULL;
    if (hst_talk_ask(talk, "GET", "/api/device/list", NULL, &list, error) == 0) hst_cards_examine(checks, list);
    json_decref(list);
}

static void check_cache(json_t *checks, const json_t *cache)
{
    check_backings(checks, cache);
    hst_pages_examine(checks, cache);
}

static void check_daemon(const struct hst_arguments *arguments, json_t *checks)
{
    struct hst_talk talk = {.socket = arguments->values[HST_OPTION_SOCKET]};
    struct hoist_error error = {0};
    json_t *cache = NULL, *scan = NULL;
    int status = hst_talk_ask(&talk, "GET", "/api/model/cache", NULL, &cache, &error);
    hst_examine(checks, "daemon", status == 0 ? "answers" : error.message, status == 0 ? NULL : "start it: hoist serve --models DIR");
    if (status == 0) check_cache(checks, cache);
    if (status == 0) status = hst_talk_ask(&talk, "GET", "/api/model/scan", NULL, &scan, &error);
    if (status == 0) check_scan(checks, scan);
    if (status == 0) check_parsers(checks, scan);
    if (status == 0) hst_disks_examine(checks, cache, scan);
    if (status == 0) check_cards(&talk, checks, &error);
    json_decref(cache);
    json_decref(scan);
    hoist_error_clear(&error);
    hst_talk_fini(&talk);
}

static int print_checks(const json_t *checks)
{
    size_t index;
    json_t *check;
    int code = HST_EXIT_DONE;
    json_array_foreach((json_t *)checks, index, check) {
        bool good = json_is_true(json_object_get(check, "ok"));
        printf("%s%-4s%s %s: %s\n", hst_term_style(stdout, good ? HST_STYLE_GOOD : HST_STYLE_WARN), good ? "ok" : "look", hst_term_plain(stdout),
               hst_talk_text(check, "check"), hst_talk_text(check, "found"));
        if (!good) printf("     %s\n", hst_talk_text(check, "advice"));
        if (!good) code = HST_EXIT_FAILED;
    }
    return code;
}

int hst_command_doctor(const struct hst_arguments *arguments)
{
    json_t *checks = json_array();
    int code = HST_EXIT_DONE;
    check_daemon(arguments, checks);
    check_memlock(checks);
    if (hst_given(arguments, HST_OPTION_JSON))
        hst_term_json(checks);
    else
        code = print_checks(checks);
    json_decref(checks);
    return code;
}
