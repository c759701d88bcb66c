/* hoist convert: a model in another precision, as a file. */
#include "cli/talk.h"
#include "cli/term.h"

#include <string.h>
#include <unistd.h>

/* A path of this process's folder is none of the daemon's. */
static json_t *as_absolute(const char *path)
{
    char folder[4096];
    if (path[0] == '/' || getcwd(folder, sizeof folder) == NULL) return json_string(path);
    return json_sprintf("%s/%s", strcmp(folder, "/") == 0 ? "" : folder, path);
}

static json_t *make_request(const struct hst_arguments *arguments)
{
    json_t *body = hst_talk_wish(arguments);
    json_object_set_new(body, "wait", json_false());
    json_object_set_new(body, "overwrite", json_boolean(hst_given(arguments, HST_OPTION_OVERWRITE)));
    if (hst_given(arguments, HST_OPTION_OUTPUT)) json_object_set_new(body, "output", as_absolute(arguments->values[HST_OPTION_OUTPUT]));
    return body;
}

static void print_conversion(const json_t *conversion)
{
    char size[HST_TERM_TEXT], before[HST_TERM_TEXT], time[HST_TERM_TEXT];
    size_t index;
    json_t *change;
    printf("%s%s%s: %s, from %s, in %s\n", hst_term_style(stdout, HST_STYLE_BOLD), hst_talk_text(conversion, "output"), hst_term_plain(stdout),
           hst_term_size(hst_talk_number(conversion, "size_bytes"), size), hst_term_size(hst_talk_number(conversion, "source_bytes"), before),
           hst_term_ms(hst_talk_number(conversion, "duration_ms"), time));
    json_array_foreach(json_object_get(conversion, "changes"), index, change)
        printf("  %6.0f tensors  %-8s -> %-8s  %s\n", hst_talk_number(change, "tensors"), hst_talk_text(change, "from"), hst_talk_text(change, "to"), hst_talk_text(change, "why"));
}

int hst_command_convert(const struct hst_arguments *arguments)
{
    struct hst_talk talk = {.socket = arguments->values[HST_OPTION_SOCKET]};
    struct hoist_error failure = {0};
    json_t *conversion = NULL;
    char path[4096];
    if (!hst_given(arguments, HST_OPTION_PRECISION)) return hst_term_usage("hoist convert needs --precision PRECISION");
    hst_talk_path(path, "/api/models/%s/convert", arguments->rest[0]);
    int status = hst_talk_ask(&talk, "POST", path, make_request(arguments), &conversion, &failure);
    if (status == 0) status = hst_talk_follow(&talk, path, "convert", &conversion, &failure);
    int code = status < 0 ? hst_term_error("converting failed", &failure) : HST_EXIT_DONE;
    if (code == HST_EXIT_DONE && hst_given(arguments, HST_OPTION_JSON)) hst_term_json(conversion);
    if (code == HST_EXIT_DONE && !hst_given(arguments, HST_OPTION_JSON)) print_conversion(conversion);
    json_decref(conversion);
    hoist_error_clear(&failure);
    hst_talk_fini(&talk);
    return code;
}
