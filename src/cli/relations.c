#include "cli/relations.h"

#include "cli/talk.h"
#include "cli/term.h"

#include <string.h>

/* "a, b" of an array of texts. */
static const char *join(const json_t *texts, char *out, size_t room)
{
    size_t index, used = 0;
    json_t *text;
    out[0] = '\0';
    json_array_foreach((json_t *)texts, index, text)
        if (used < room) used += (size_t)snprintf(out + used, room - used, "%s%s", index > 0 ? ", " : "", hst_talk_shown(text));
    return out;
}

/* Who fills it: the model itself, the best of the catalog, or nobody. */
static void served_by(const json_t *need, char *out, size_t room)
{
    const json_t *candidates = json_object_get(need, "candidates"), *best = json_array_get(candidates, 0);
    size_t more = json_array_size(candidates);
    char others[32] = "";
    if (more > 1) snprintf(others, sizeof others, ", or %zu more", more - 1);
    if (json_is_string(json_object_get(need, "satisfied_by")))
        snprintf(out, room, "itself");
    else if (best == NULL)
        snprintf(out, room, "missing");
    else
        snprintf(out, room, "%s%s: %s%s", json_is_true(json_object_get(best, "decided")) ? "" : "perhaps ", hst_talk_text(best, "component_id"), hst_talk_text(best, "reason"), others);
}

static void print_needs(const json_t *needs)
{
    json_t *rows = json_pack("[[s, s, s]]", "NEEDS", "OF", "SERVED BY"), *need;
    size_t index;
    char families[256], server[1024];
    json_array_foreach((json_t *)needs, index, need) {
        served_by(need, server, sizeof server);
        json_array_append_new(rows, json_pack("[s, s, s]", hst_talk_text(need, "role"), join(json_object_get(need, "families"), families, sizeof families), server));
    }
    if (index > 0) putchar('\n');
    if (index > 0) hst_term_table(rows);
    json_decref(rows);
}

static void print_fit(const json_t *fit)
{
    json_t *rows = json_pack("[[s, s, s, s, s, s]]", "DEVICE", "REQUIRED", "FREE", "EVICTABLE", "ALL OF IT", "WITH ITS NEEDS"), *row;
    size_t index;
    char required[HST_TERM_TEXT], available[HST_TERM_TEXT], evictable[HST_TERM_TEXT];
    if (hst_talk_number(json_array_get(fit, 0), "required_bytes") <= 0) { /* nothing can be loaded */
        json_decref(rows);
        return;
    }
    json_array_foreach((json_t *)fit, index, row)
        json_array_append_new(rows, json_pack("[s, s, s, s, s, s]", hst_talk_text(row, "device_id"), hst_term_size(hst_talk_number(row, "required_bytes"), required),
                                              hst_term_size(hst_talk_number(row, "free_bytes"), available), hst_term_size(hst_talk_number(row, "evictable_bytes"), evictable),
                                              hst_talk_text(row, "verdict"), hst_talk_text(json_object_get(row, "with_needs"), "verdict")));
    if (index > 0) putchar('\n');
    if (index > 0) hst_term_table(rows);
    json_decref(rows);
}

void hst_relations_print(const json_t *dependencies)
{
    print_needs(json_object_get(dependencies, "needs"));
    print_fit(json_object_get(dependencies, "fit"));
}

int hst_relations_ask(const struct hst_arguments *arguments, json_t **ret_dependencies)
{
    char path[4096];
    return hst_talk(arguments, "asking what the model needs failed", "GET", hst_talk_path(path, "/api/models/%s/dependencies", arguments->rest[0]), NULL, ret_dependencies);
}

/* "[320, any]" */
static void shape_text(const json_t *shape, char *out, size_t room)
{
    char sizes[2][24];
    for (size_t i = 0; i < 2; i++) {
        const json_t *size = json_array_get(shape, i);
        snprintf(sizes[i], sizeof sizes[i], "any");
        if (json_is_integer(size)) snprintf(sizes[i], sizeof sizes[i], "%lld", (long long)json_integer_value(size));
    }
    snprintf(out, room, "[%s, %s]", sizes[0], sizes[1]);
}

static void print_examples(const json_t *examples)
{
    json_t *rows = json_pack("[[s, s, s, s]]", "PROBLEM", "MODULE", "IT EXPECTS", "BASE HAS"), *example;
    size_t index;
    char expected[64], present[64];
    json_array_foreach((json_t *)examples, index, example) {
        shape_text(json_object_get(example, "adapter_shape"), expected, sizeof expected);
        shape_text(json_object_get(example, "base_shape"), present, sizeof present);
        bool compared = strcmp(hst_talk_text(example, "problem"), "mismatched") == 0;
        json_array_append_new(rows, json_pack("[s, s, s, s]", hst_talk_text(example, "problem"), hst_talk_text(example, "module"), expected, compared ? present : "-"));
    }
    if (index > 0) putchar('\n');
    if (index > 0) hst_term_table(rows);
    json_decref(rows);
}

static void print_percent(const json_t *report, const char *key, const char *text)
{
    if (json_is_number(json_object_get(report, key))) printf("%-11s %.1f%% %s\n", "", hst_talk_number(report, key), text);
}

static void print_report(const json_t *report)
{
    const char *compatible = hst_talk_text(report, "compatible");
    enum hst_style style = strcmp(compatible, "yes") == 0 ? HST_STYLE_GOOD : strcmp(compatible, "no") == 0 ? HST_STYLE_BAD : HST_STYLE_WARN;
    size_t index;
    json_t *reason;
    printf("%-11s %s%s%s\n", "compatible", hst_term_style(stdout, style), compatible, hst_term_plain(stdout));
    print_percent(report, "percent", "of what the adapter has fits");
    print_percent(report, "target_percent", "of the base's weights in those parts are adapted");
    json_array_foreach(json_object_get(report, "reasons"), index, reason)
        printf("%-11s %s\n", index == 0 ? "why" : "", hst_talk_shown(reason));
    print_examples(json_object_get(report, "examples"));
}

int hst_relations_compare(const struct hst_arguments *arguments)
{
    char model[4096], other[4096], path[8192];
    hst_talk_path(model, "/api/models/%s/compatibility", arguments->rest[0]);
    hst_talk_path(other, "?with=%s", arguments->values[HST_OPTION_WITH]);
    snprintf(path, sizeof path, "%s%s", model, other);
    return hst_talk_show(arguments, "comparing the models failed", "GET", path, NULL, print_report);
}
