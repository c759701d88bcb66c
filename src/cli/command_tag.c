/* hoist tag: what is said about a model. */
#include "cli/metadata.h"
#include "cli/talk.h"
#include "cli/term.h"

#include <string.h>

/* "KEY=VALUE" into the object; "KEY=" is null. @return exit code */
static int add_pair(json_t *metadata, const char *pair)
{
    const char *equals = strchr(pair, '=');
    char key[256];
    if (equals == NULL || equals == pair || equals - pair >= (long)sizeof key) return hst_term_usage("'%s' is not KEY=VALUE", pair);
    snprintf(key, sizeof key, "%.*s", (int)(equals - pair), pair);
    json_t *value = equals[1] != '\0' ? json_string(equals + 1) : json_null();
    if (value == NULL) return hst_term_usage("the value of %s is not UTF-8", key);
    json_object_set_new(metadata, key, value);
    return HST_EXIT_DONE;
}

static int read_pairs(const struct hst_arguments *arguments, json_t *metadata)
{
    int code = HST_EXIT_DONE;
    for (size_t i = 1; code == HST_EXIT_DONE && i < arguments->count; i++)
        code = add_pair(metadata, arguments->rest[i]);
    return code;
}

/* The body of the request; NULL when there is nothing to write. */
static int make_body(const struct hst_arguments *arguments, json_t **ret_body)
{
    json_t *metadata = json_object();
    int code = read_pairs(arguments, metadata);
    if (code != HST_EXIT_DONE || arguments->count < 2) {
        json_decref(metadata);
        return code;
    }
    *ret_body = json_pack("{s:o}", "metadata", metadata);
    if (hst_given(arguments, HST_OPTION_TARGET)) json_object_set_new(*ret_body, "target", json_string(arguments->values[HST_OPTION_TARGET]));
    return HST_EXIT_DONE;
}

int hst_command_tag(const struct hst_arguments *arguments)
{
    char path[4096];
    json_t *body = NULL;
    int code = make_body(arguments, &body);
    if (code != HST_EXIT_DONE) return code;
    hst_talk_path(path, "/api/models/%s/metadata", arguments->rest[0]);
    if (body == NULL) return hst_talk_show(arguments, "reading metadata failed", "GET", path, NULL, hst_metadata_print_all);
    return hst_talk_show(arguments, "writing metadata failed", "PUT", path, body, hst_metadata_print_all);
}
