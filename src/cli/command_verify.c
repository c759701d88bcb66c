/* hoist verify: is a model whole and sound? A file is looked at here, a model of the catalog by the daemon. */
#include "cli/program.h"
#include "cli/talk.h"
#include "cli/term.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_names(const char *title, const json_t *names)
{
    size_t index;
    json_t *name;
    json_array_foreach((json_t *)names, index, name)
        printf("%-13s %s\n", index == 0 ? title : "", hst_talk_shown(name));
}

static enum hst_style style_of(const char *state)
{
    static const struct {
        const char *state;
        enum hst_style style;
    } styles[] = {{"ok", HST_STYLE_GOOD}, {"warning", HST_STYLE_WARN}, {"failed", HST_STYLE_BAD}};
    for (size_t i = 0; i < sizeof styles / sizeof styles[0]; i++)
        if (strcmp(styles[i].state, state) == 0) return styles[i].style;
    return HST_STYLE_DIM;
}

static void print_component(const json_t *component)
{
    if (hst_talk_number(component, "nan") + hst_talk_number(component, "infinite") + hst_talk_number(component, "zero_weights") == 0) return;
    printf("%-13s %s: %.0f NaN, %.0f infinite, %.0f weights of zeros alone\n", "", hst_talk_text(component, "component_id"), hst_talk_number(component, "nan"),
           hst_talk_number(component, "infinite"), hst_talk_number(component, "zero_weights"));
    print_names("  NaN in", json_object_get(component, "nan_tensors"));
    print_names("  infinite in", json_object_get(component, "infinite_tensors"));
    print_names("  zeros in", json_object_get(component, "zero_weight_tensors"));
}

static void print_check(const json_t *check)
{
    const char *state = hst_talk_text(check, "state");
    const json_t *details = json_object_get(check, "details");
    size_t index;
    json_t *component;
    printf("%-13s %s%-8s%s %s\n", hst_talk_text(check, "check"), hst_term_style(stdout, style_of(state)), state, hst_term_plain(stdout), hst_talk_text(check, "text"));
    print_names("  missing", json_object_get(details, "missing_files"));
    print_names("  missing", json_object_get(details, "missing_half_names"));
    print_names("  unequal", json_object_get(details, "unequal_pair_names"));
    json_array_foreach(json_object_get(details, "components"), index, component)
        print_component(component);
}

static void print_validation(const json_t *validation)
{
    bool valid = json_is_true(json_object_get(validation, "valid"));
    char size[HST_TERM_TEXT], time[HST_TERM_TEXT];
    size_t index;
    json_t *check;
    json_array_foreach(json_object_get(validation, "checks"), index, check)
        print_check(check);
    printf("%-13s %s%s%s, %s read in %s\n", "verdict", hst_term_style(stdout, valid ? HST_STYLE_GOOD : HST_STYLE_BAD), valid ? "valid" : "not valid", hst_term_plain(stdout),
           hst_term_size(hst_talk_number(validation, "bytes_read"), size), hst_term_ms(hst_talk_number(validation, "duration_ms"), time));
}

/* Without a daemon: hoistd looks at the file and ends. */
static int verify_file(const struct hst_arguments *arguments)
{
    json_t *model;
    const char *deep = hst_given(arguments, HST_OPTION_DEEP) ? "--deep" : NULL;
    int code = hst_program_ask("verifying failed", (const char *const[]){"--verify", arguments->rest[0], deep, NULL}, &model);
    if (model == NULL) return code;
    if (hst_given(arguments, HST_OPTION_JSON)) {
        hst_term_json(model);
    } else {
        hst_command_print_model(model);
        putchar('\n');
        print_validation(json_object_get(model, "validation"));
    }
    json_decref(model);
    return code;
}

static int print_result(const struct hst_arguments *arguments, const json_t *validation)
{
    if (hst_given(arguments, HST_OPTION_JSON)) {
        hst_term_json(validation);
    } else {
        printf("%s%s%s\n", hst_term_style(stdout, HST_STYLE_BOLD), hst_talk_text(validation, "model_id"), hst_term_plain(stdout));
        print_validation(validation);
    }
    return json_is_true(json_object_get(validation, "valid")) ? HST_EXIT_DONE : HST_EXIT_INVALID;
}

static int verify_model(const struct hst_arguments *arguments)
{
    struct hst_talk talk = {.socket = arguments->values[HST_OPTION_SOCKET]};
    struct hoist_error error = {0};
    json_t *validation = NULL, *body = json_pack("{s:b, s:b}", "deep", hst_given(arguments, HST_OPTION_DEEP), "wait", 0);
    char path[4096];
    hst_talk_path(path, "/api/models/%s/validate", arguments->rest[0]);
    int status = hst_talk_ask(&talk, "POST", path, body, &validation, &error);
    if (status == 0) status = hst_talk_follow(&talk, path, "validate", &validation, &error);
    int code = status < 0 ? hst_term_error("verifying failed", &error) : print_result(arguments, validation);
    if (code == HST_EXIT_UNREACHABLE) fputs("try: hoist verify FILE, which needs no daemon\n", stderr);
    json_decref(validation);
    hoist_error_clear(&error);
    hst_talk_fini(&talk);
    return code;
}

/* What lies there is a file, whatever the catalog calls its models. */
int hst_command_verify(const struct hst_arguments *arguments)
{
    const char *what = arguments->rest[0];
    bool is_file = strchr(what, '/') != NULL || access(what, F_OK) == 0;
    return is_file ? verify_file(arguments) : verify_model(arguments);
}
