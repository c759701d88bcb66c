/* hoist scan, ls, show: what there is. */
#include "cli/hash_lines.h"
#include "cli/program.h"
#include "cli/relations.h"
#include "cli/metadata.h"
#include "cli/talk.h"
#include "cli/term.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void add_row(json_t *rows, const char *const *texts, size_t count)
{
    json_t *row = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(row, json_string(texts[i]));
    json_array_append_new(rows, row);
}

/* Where a model is: "host:0", "ram" or "disk". */
static const char *place_of(const json_t *model)
{
    const char *device = json_string_value(json_array_get(json_object_get(model, "loaded_on"), 0));
    if (device != NULL) return device;
    return json_is_true(json_object_get(model, "is_cached")) ? "ram" : "disk";
}

/* "flux1 dev", or what is known of it. */
static const char *family_of(const json_t *model, char out[HST_TERM_TEXT])
{
    const json_t *variant = json_object_get(model, "variant");
    snprintf(out, HST_TERM_TEXT, "%s%s%s", hst_talk_text(model, "family"), json_is_string(variant) ? " " : "", json_is_string(variant) ? json_string_value(variant) : "");
    return out;
}

/* Its state, and whose weights it has: "ok, same as other". */
static const char *state_of(const json_t *model, char out[512])
{
    const json_t *duplicates = json_object_get(model, "duplicates");
    const char *first = json_string_value(json_array_get(duplicates, 0));
    if (first == NULL) return hst_talk_text(model, "state");
    int used = snprintf(out, 512, "%s, same as %s", hst_talk_text(model, "state"), first);
    if (json_array_size(duplicates) > 1) snprintf(out + used, 512 - (size_t)used, " and %zu more", json_array_size(duplicates) - 1);
    return out;
}

static void print_models(const json_t *models)
{
    json_t *rows = json_array(), *model;
    size_t index, unusable = 0;
    char size[HST_TERM_TEXT], family[HST_TERM_TEXT], state[512];
    add_row(rows, (const char *const[]){"MODEL", "TYPE", "FAMILY", "PRECISION", "SIZE", "WHERE", "STATE"}, 7);
    json_array_foreach((json_t *)models, index, model) {
        add_row(rows, (const char *const[]){hst_talk_text(model, "model_id"), hst_talk_text(model, "type"), family_of(model, family),
                                            hst_talk_text(model, "precision"), hst_term_size(hst_talk_number(model, "size_bytes"), size), place_of(model),
                                            state_of(model, state)}, 7);
        unusable += strcmp(hst_talk_text(model, "state"), "ok") != 0;
    }
    hst_term_table(rows);
    if (unusable > 0) printf("\n%zu of them cannot be used: hoist show MODEL says why\n", unusable);
    json_decref(rows);
}

/* "?key=value&..." of the options that were given. */
static void add_filter(char path[4096], const char *key, const char *value)
{
    char encoded[4096], format[64];
    if (value == NULL) return;
    snprintf(format, sizeof format, "%s%s=%%s", strchr(path, '?') != NULL ? "&" : "?", key);
    size_t used = strlen(path);
    snprintf(path + used, 4096 - used, "%s", hst_talk_path(encoded, format, value));
}

static void print_library(const json_t *data)
{
    const json_t *models = json_object_get(data, "models");
    if (json_array_size(models) == 0)
        puts("no models; hoist scan looks again, hoistd --models DIR names the folders");
    else
        print_models(models);
}

int hst_command_ls(const struct hst_arguments *arguments)
{
    char path[4096] = "/api/model/available";
    add_filter(path, "type", arguments->values[HST_OPTION_TYPE]);
    add_filter(path, "family", arguments->values[HST_OPTION_FAMILY]);
    add_filter(path, "search", arguments->values[HST_OPTION_SEARCH]);
    return hst_talk_show(arguments, "listing models failed", "GET", path, NULL, print_library);
}

static void print_list(const char *title, const json_t *texts)
{
    size_t index;
    json_t *text;
    json_array_foreach((json_t *)texts, index, text)
        printf("%-11s %s\n", index == 0 ? title : "", hst_talk_shown(text));
}

static void print_problem(const json_t *model)
{
    const json_t *problem = json_object_get(model, "problem");
    if (problem == NULL) return;
    printf("%-11s %s%s%s [%s]\n", "problem", hst_term_style(stdout, HST_STYLE_BAD), hst_talk_text(problem, "text"), hst_term_plain(stdout), hst_talk_text(problem, "code"));
    if (json_object_get(problem, "offset") != NULL) printf("%-11s byte %.0f\n", "", hst_talk_number(problem, "offset"));
}

static void print_components(const json_t *components)
{
    json_t *rows = json_array(), *component;
    size_t index;
    char size[HST_TERM_TEXT], tensors[HST_TERM_TEXT];
    add_row(rows, (const char *const[]){"COMPONENT", "PRECISION", "SIZE", "TENSORS", "RAM", "BACKING"}, 6);
    json_array_foreach((json_t *)components, index, component) {
        const json_t *ram = json_object_get(component, "ram");
        snprintf(tensors, sizeof tensors, "%.0f", hst_talk_number(component, "tensors"));
        add_row(rows, (const char *const[]){hst_talk_text(component, "component_id"), hst_talk_text(component, "precision"),
                                            hst_term_size(hst_talk_number(component, "size_bytes"), size), tensors, hst_talk_text(ram, "state"),
                                            hst_talk_text(ram, "backing")}, 6);
    }
    if (json_array_size(rows) > 1) putchar('\n');
    if (json_array_size(rows) > 1) hst_term_table(rows);
    json_decref(rows);
}

void hst_command_print_model(const json_t *model)
{
    static const char *const lines[] = {"name", "type", "family", "variant", "format", "precision", "path", "state"};
    const json_t *verdict = json_object_get(model, "verdict");
    char size[HST_TERM_TEXT];
    printf("%s%s%s\n", hst_term_style(stdout, HST_STYLE_BOLD), hst_talk_text(model, "model_id"), hst_term_plain(stdout));
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        printf("%-11s %s\n", lines[i], hst_talk_text(model, lines[i]));
    printf("%-11s %s (%.0f bytes), %.0f parameters\n", "size", hst_term_size(hst_talk_number(model, "size_bytes"), size), hst_talk_number(model, "size_bytes"),
           hst_talk_number(model, "parameters"));
    if (json_is_string(json_object_get(model, "quantization"))) printf("%-11s %s\n", "packed as", hst_talk_text(model, "quantization"));
    printf("%-11s %.2f\n", "confidence", hst_talk_number(verdict, "confidence"));
    print_list("evidence", json_object_get(verdict, "evidence"));
    if (json_is_string(json_object_get(verdict, "runner_up"))) printf("%-11s %s\n", "runner-up", hst_talk_text(verdict, "runner_up"));
    print_list("needs hint", json_object_get(verdict, "needs_hint"));
    print_list("warning", json_object_get(model, "warnings"));
    hst_hash_lines_print(model);
    print_problem(model);
    hst_metadata_print(model);
    print_components(json_object_get(model, "components"));
    hst_relations_print(json_object_get(model, "dependencies"));
}

int hst_command_show(const struct hst_arguments *arguments)
{
    char path[4096];
    json_t *model, *dependencies;
    if (hst_given(arguments, HST_OPTION_WITH)) return hst_relations_compare(arguments);
    int code = hst_talk(arguments, "showing the model failed", "GET", hst_talk_path(path, "/api/models/%s", arguments->rest[0]), NULL, &model);
    if (code != HST_EXIT_DONE) return code;
    code = hst_relations_ask(arguments, &dependencies);
    if (code == HST_EXIT_DONE) json_object_set_new(model, "dependencies", dependencies);
    if (hst_given(arguments, HST_OPTION_JSON))
        hst_term_json(model);
    else
        hst_command_print_model(model);
    json_decref(model);
    return code;
}

static void print_scan(const json_t *scan)
{
    char time[HST_TERM_TEXT];
    const char *state = hst_talk_text(scan, "state");
    if (strcmp(state, "paused") == 0 || strcmp(state, "cancelled") == 0) printf("%s: ", state);
    printf("%.0f models in %s: %.0f files seen, %.0f new or changed", hst_talk_number(scan, "models_found"), hst_term_ms(hst_talk_number(scan, "duration_ms"), time),
           hst_talk_number(scan, "files_seen"), hst_talk_number(scan, "files_changed"));
    if (hst_talk_number(scan, "errors") > 0) printf(", %.0f could not be read", hst_talk_number(scan, "errors"));
    if (json_object_get(scan, "problem") != NULL) printf(": %s", hst_talk_text(json_object_get(scan, "problem"), "text"));
    putchar('\n');
}

static bool is_under_way(const json_t *scan)
{
    const char *state = hst_talk_text(scan, "state");
    return strcmp(state, "running") == 0 || strcmp(state, "paused") == 0;
}

static int wait_for_scan(struct hst_talk *talk, json_t **scan, struct hoist_error *error)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    int status = 0;
    while (status == 0 && is_under_way(*scan)) {
        hst_term_scan(*scan);
        nanosleep(&pause, NULL);
        json_decref(*scan);
        *scan = NULL;
        status = hst_talk_ask(talk, "GET", "/api/model/scan", NULL, scan, error);
    }
    hst_term_progress_end();
    return status;
}

/* What was asked for; "start" without a word. */
static const char *scan_action(const struct hst_arguments *arguments)
{
    static const struct {
        enum hst_option_id option;
        const char *action;
    } actions[] = {{HST_OPTION_PAUSE, "pause"}, {HST_OPTION_RESUME, "resume"}, {HST_OPTION_CANCEL, "cancel"}};
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (hst_given(arguments, actions[i].option)) return actions[i].action;
    return "start";
}

/* Folders were named, or there is no daemon: scan by ourselves. */
static int scan_alone(const struct hst_arguments *arguments)
{
    const char *given[2 * HST_ARGUMENTS_MAX + 2] = {"--scan-once"};
    json_t *data;
    size_t at = 1;
    for (size_t i = 0; i < arguments->count; i++) {
        given[at++] = "--models";
        given[at++] = arguments->rest[i];
    }
    int code = hst_program_ask("scanning failed", given, &data);
    if (data == NULL) return code;
    if (hst_given(arguments, HST_OPTION_JSON)) hst_term_json(data);
    if (!hst_given(arguments, HST_OPTION_JSON)) {
        json_t *scan = json_object_get(data, "scan");
        json_object_set(scan, "models_found", json_object_get(data, "total_models"));
        print_models(json_object_get(data, "models"));
        print_scan(scan);
    }
    json_decref(data);
    return code;
}

static void show_scan(const struct hst_arguments *arguments, const json_t *scan)
{
    if (hst_given(arguments, HST_OPTION_JSON))
        hst_term_json(scan);
    else
        print_scan(scan);
}

int hst_command_scan(const struct hst_arguments *arguments)
{
    struct hst_talk talk = {.socket = arguments->values[HST_OPTION_SOCKET]};
    struct hoist_error error = {0};
    json_t *scan = NULL;
    if (arguments->count > 0) return scan_alone(arguments);
    const char *action = scan_action(arguments);
    int status = hst_talk_ask(&talk, "POST", "/api/model/scan", json_pack("{s:s}", "action", action), &scan, &error);
    if (status == 0 && strcmp(action, "pause") != 0) status = wait_for_scan(&talk, &scan, &error);
    int code = status < 0 ? hst_term_error("scanning failed", &error) : HST_EXIT_DONE;
    if (code == HST_EXIT_UNREACHABLE) fputs("try: hoist scan DIR, which needs no daemon\n", stderr);
    if (status == 0) show_scan(arguments, scan);
    json_decref(scan);
    hoist_error_clear(&error);
    hst_talk_fini(&talk);
    return code;
}
