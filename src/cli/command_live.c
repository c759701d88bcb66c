/* hoist ps, status, events, call: what happens. */
#include "cli/cards.h"
#include "cli/private.h"
#include "cli/talk.h"
#include "cli/term.h"

#include <stdlib.h>
#include <string.h>

/* "sdxl:unet", or "sdxl:unet (bf16)" when it is not as stored. */
static const char *name_of(const json_t *component, const char *precision, const char *stored, char out[HST_TERM_TEXT])
{
    bool differs = precision != NULL && (stored == NULL || strcmp(precision, stored) != 0);
    snprintf(out, HST_TERM_TEXT, "%s%s%s%s", hst_talk_text(component, "component_id"), differs ? " (" : "", differs ? precision : "", differs ? ")" : "");
    return out;
}

/* What a line says beside its names. */
struct line {
    const char *where;
    const char *state;
    const char *backing;
    const char *since;
    double bytes;
    double leases;
};

static void add_line(json_t *rows, const char *name, const struct line *line)
{
    char size[HST_TERM_TEXT], leases[HST_TERM_TEXT];
    snprintf(leases, sizeof leases, "%.0f", line->leases);
    json_array_append_new(rows, json_pack("[s, s, s, s, s, s, s]", name, line->where, line->state, hst_term_size(line->bytes, size), line->backing, leases, line->since));
}

/* What of it RAM has, in whatever precision. */
static void add_component(json_t *rows, const json_t *component)
{
    const char *stored = json_string_value(json_object_get(component, "precision"));
    char name[HST_TERM_TEXT];
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(component, "residencies"), index, row) {
        const char *precision = json_string_value(json_object_get(row, "precision"));
        bool as_stored = stored != NULL && precision != NULL && strcmp(precision, stored) == 0;
        const struct line line = {"ram", hst_talk_text(row, "state"), as_stored ? hst_talk_text(json_object_get(component, "ram"), "backing") : "-",
                                  hst_talk_text(component, "last_used"), hst_talk_number(row, "bytes"), hst_talk_number(component, "leases")};
        if (strcmp(hst_talk_text(row, "tier"), "ram") == 0) add_line(rows, name_of(component, precision, stored, name), &line);
    }
}

/* What is on devices, also when RAM does not have it any more. */
static void add_device(json_t *rows, const json_t *device)
{
    size_t index;
    json_t *row;
    char name[HST_TERM_TEXT];
    json_array_foreach(json_object_get(device, "loaded_components"), index, row) {
        const struct line line = {hst_talk_text(device, "device_id"), json_is_true(json_object_get(row, "private")) ? "private" : hst_talk_text(row, "state"), "-",
                                  hst_talk_text(row, "since"), hst_talk_number(row, "bytes"), hst_talk_number(row, "leases")};
        add_line(rows, name_of(row, json_string_value(json_object_get(row, "precision")), json_string_value(json_object_get(row, "stored_precision")), name), &line);
    }
}

static void add_holders(json_t *rows, const json_t *component)
{
    size_t index;
    json_t *holder;
    char own[HST_TERM_TEXT], pid[HST_TERM_TEXT];
    json_array_foreach(json_object_get(component, "holders"), index, holder) {
        double bytes = hst_talk_number(holder, "private_bytes");
        snprintf(pid, sizeof pid, "%.0f", hst_talk_number(holder, "pid"));
        json_array_append_new(rows, json_pack("[s, s, s, s, s]", pid, hst_talk_text(holder, "domain"), hst_talk_text(component, "component_id"),
                                              json_is_number(json_object_get(holder, "private_bytes")) ? hst_term_size(bytes, own) : "-",
                                              hst_talk_text(holder, "since")));
    }
}

/* Is it listed among those that RAM has? */
static bool is_listed(const json_t *components, const char *component_id)
{
    size_t index;
    json_t *component;
    json_array_foreach(components, index, component)
        if (strcmp(hst_talk_text(component, "component_id"), component_id) == 0) return true;
    return false;
}

static void add_all(json_t *rows, json_t *holders, const json_t *cache)
{
    const json_t *components = json_object_get(cache, "components");
    size_t index, at;
    json_t *component, *device;
    json_array_foreach(components, index, component) {
        add_component(rows, component);
        add_holders(holders, component);
    }
    json_array_foreach(json_object_get(cache, "devices"), index, device) {
        add_device(rows, device);
        json_array_foreach(json_object_get(device, "loaded_components"), at, component)
            if (!is_listed(components, hst_talk_text(component, "component_id"))) add_holders(holders, component);
    }
}

static void print_ps(const json_t *cache)
{
    json_t *rows = json_pack("[[s, s, s, s, s, s, s]]", "COMPONENT", "WHERE", "STATE", "BYTES", "BACKING", "LEASES", "USED/SINCE");
    json_t *holders = json_pack("[[s, s, s, s, s]]", "PID", "DOMAIN", "HOLDS", "PRIVATE", "SINCE");
    char used[HST_TERM_TEXT], budget[HST_TERM_TEXT];
    add_all(rows, holders, cache);
    if (json_array_size(rows) > 1) hst_term_table(rows);
    if (json_array_size(holders) > 1) putchar('\n');
    if (json_array_size(holders) > 1) hst_term_table(holders);
    printf("%sRAM: %s of %s\n", json_array_size(rows) > 1 ? "\n" : "", hst_term_size(hst_talk_number(cache, "used_bytes"), used),
           hst_term_size(hst_talk_number(cache, "budget_bytes"), budget));
    json_decref(rows);
    json_decref(holders);
}

static void print_devices(const struct hst_arguments *arguments)
{
    json_t *memory;
    if (hst_talk(arguments, "asking for the devices failed", "GET", "/api/memory/status", NULL, &memory) != HST_EXIT_DONE) return;
    hst_cards_print_short(memory);
    json_decref(memory);
}

/* What RAM has, and with it `devices`, each with what is there. */
static int ask_resident(const struct hst_arguments *arguments, json_t **ret_cache)
{
    json_t *status;
    int code = hst_talk(arguments, "listing what is resident failed", "GET", "/api/model/cache", NULL, ret_cache);
    if (code != HST_EXIT_DONE) return code;
    code = hst_talk(arguments, "listing what is on devices failed", "GET", "/api/model/status", NULL, &status);
    if (code != HST_EXIT_DONE) {
        json_decref(*ret_cache);
        return code;
    }
    json_object_set(*ret_cache, "devices", json_object_get(status, "devices"));
    json_decref(status);
    return HST_EXIT_DONE;
}

int hst_command_ps(const struct hst_arguments *arguments)
{
    json_t *cache;
    int code = ask_resident(arguments, &cache);
    if (code != HST_EXIT_DONE) return code;
    hst_private_add(json_object_get(cache, "components"));
    if (hst_given(arguments, HST_OPTION_JSON))
        hst_term_json(cache);
    else
        print_ps(cache);
    json_decref(cache);
    if (!hst_given(arguments, HST_OPTION_JSON)) print_devices(arguments);
    return HST_EXIT_DONE;
}

int hst_command_status(const struct hst_arguments *arguments)
{
    return hst_talk_show(arguments, "asking for the status failed", "GET", "/api/memory/status", NULL, hst_cards_print);
}

/* One event as a line: its number, name and what is most telling of its data. */
static void print_event(const char *text)
{
    static const char *const keys[] = {"model_id", "component_id", "tier", "device_id", "job_id", "domain", "step", "state", "reason"};
    json_t *event = json_loads(text, 0, NULL);
    const json_t *data = json_object_get(event, "data");
    printf("%.0f %s%s%s", hst_talk_number(event, "id"), hst_term_style(stdout, HST_STYLE_BOLD), hst_talk_text(event, "event"), hst_term_plain(stdout));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (json_is_string(json_object_get(data, keys[i]))) printf(" %s=%s", keys[i], hst_talk_text(data, keys[i]));
    if (json_is_number(json_object_get(data, "progress"))) printf(" progress=%.0f%%", 100 * hst_talk_number(data, "progress"));
    putchar('\n');
    json_decref(event);
}

static int follow(const struct hst_arguments *arguments, struct hoist_events *events, struct hoist_error *error)
{
    char *text = NULL;
    int status;
    while ((status = hoist_events_next(events, -1, &text, error)) == 0) {
        if (hst_given(arguments, HST_OPTION_JSON))
            puts(text);
        else
            print_event(text);
        fflush(stdout);
        free(text);
    }
    return status;
}

int hst_command_events(const struct hst_arguments *arguments)
{
    struct hoist_events *events = NULL;
    struct hoist_error error = {0};
    const char *since = arguments->values[HST_OPTION_SINCE];
    if (since != NULL && (since[0] == '\0' || since[strspn(since, "0123456789")] != '\0')) return hst_term_usage("--since takes the number of an event, not '%s'", since);
    int status = hoist_events_open(arguments->values[HST_OPTION_SOCKET], since != NULL ? strtoull(since, NULL, 10) : 0, &events, &error);
    if (status == 0) status = follow(arguments, events, &error);
    int code = status < 0 ? hst_term_error("following events failed", &error) : HST_EXIT_DONE;
    hoist_events_close(events);
    hoist_error_clear(&error);
    return code;
}

static bool is_method(const char *text)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i], text) == 0) return true;
    return false;
}

/* JSON of a command line argument, "-" = of stdin. */
static json_t *read_json(const char *text)
{
    json_error_t where;
    json_t *json = strcmp(text, "-") == 0 ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &where) : json_loads(text, JSON_REJECT_DUPLICATES, &where);
    if (json == NULL) hst_term_usage("this is not JSON: %s (column %d)", where.text, where.column);
    return json;
}

int hst_command_call(const struct hst_arguments *arguments)
{
    bool raw = is_method(arguments->rest[0]);
    json_t *given = arguments->count > 2 ? read_json(arguments->rest[2]) : NULL, *data;
    if (arguments->count > 2 && given == NULL) return HST_EXIT_USAGE;
    json_t *body = raw ? given : json_pack("{s:s, s:s, s:o*}", "domain", arguments->rest[0], "operation", arguments->rest[1], "params", given);
    int code = hst_talk(arguments, "the call failed", raw ? arguments->rest[0] : "POST", raw ? arguments->rest[1] : "/api/workers/call", body, &data);
    if (code != HST_EXIT_DONE) return code;
    hst_term_json(raw ? data : json_object_get(data, "result"));
    json_decref(data);
    return HST_EXIT_DONE;
}
