/* hoist config: what is wished for a model, whoever loads it. */
#include "cli/talk.h"
#include "cli/term.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool hst_command_number(const char *text, json_t **ret_number)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0) return false;
    *ret_number = json_integer(number);
    return true;
}

/* "default" takes the wish back. @return exit code */
static int add_number(const struct hst_arguments *arguments, enum hst_option_id option, const char *field, json_t *body)
{
    const char *text = arguments->values[option];
    json_t *number = NULL;
    if (text == NULL) return HST_EXIT_DONE;
    if (strcmp(text, "default") == 0) number = json_null();
    if (number == NULL && !hst_command_number(text, &number)) return hst_term_usage("--%s is a number or default, not '%s'", hst_options[option].name, text);
    json_object_set_new(body, field, number);
    return HST_EXIT_DONE;
}

static int add_wishes(const struct hst_arguments *arguments, json_t *body)
{
    const char *precision = arguments->values[HST_OPTION_PRECISION];
    bool pin = hst_given(arguments, HST_OPTION_PIN), loose = hst_given(arguments, HST_OPTION_NO_PIN);
    if (pin && loose) return hst_term_usage("give --pin or --no-pin, not both");
    if (pin || loose) json_object_set_new(body, "pin", json_boolean(pin));
    if (precision != NULL) json_object_set_new(body, "precision", strcmp(precision, "default") == 0 ? json_null() : json_string(precision));
    int code = add_number(arguments, HST_OPTION_TTL, "ttl_seconds", body);
    return code == HST_EXIT_DONE ? add_number(arguments, HST_OPTION_PRIORITY, "priority", body) : code;
}

static void print_config(const json_t *config)
{
    static const char *const fields[][2] = {{"pin", "as each load says"}, {"ttl_seconds", "stays while there is room"}, {"priority", "0"}, {"precision", "as stored"}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        json_t *value = json_object_get(config, fields[i][0]);
        char *text = json_is_null(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
        printf("%-12s %s\n", fields[i][0], json_is_string(value) ? hst_talk_shown(value) : text != NULL ? text : fields[i][1]);
        free(text);
    }
}

int hst_command_config(const struct hst_arguments *arguments)
{
    char path[4096];
    json_t *body = json_object();
    int code = add_wishes(arguments, body);
    bool writes = json_object_size(body) > 0;
    if (code != HST_EXIT_DONE || !writes) json_decref(body);
    if (code != HST_EXIT_DONE) return code;
    hst_talk_path(path, "/api/models/%s/config", arguments->rest[0]);
    if (!writes) return hst_talk_show(arguments, "reading the configuration failed", "GET", path, NULL, print_config);
    return hst_talk_show(arguments, "writing the configuration failed", "PUT", path, body, print_config);
}
