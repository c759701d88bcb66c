/* hoist ps, status, events, call: what happens. */
#include "cli/cards.h"
#include "cli/private.h"
#include "cli/talk.h"
#include "cli/term.h"

#include <stdlib.h>
#include <string.h>

static void add_line(json_t *rows, const json_t *component, const char *where, const char *state, double bytes, const char *backing, const char *since)
{
    char size[HST_TERM_TEXT], leases[HST_TERM_TEXT];
    snprintf(leases, sizeof leases, "%.0f", hst_talk_number(component, "leases"));
    json_array_append_new(rows, json_pack("[s, s, s, s, s, s, s]", hst_talk_text(component, "component_id"), where, state, hst_term_size(bytes, size), backing,
                                          leases, since));
}

static void add_component(json_t *rows, const json_t *component)
{
    const json_t *ram = json_object_get(component, "ram");
    size_t index;
    json_t *device;
    add_line(rows, component, "ram", hst_talk_text(ram, "state"), hst_talk_number(ram, "bytes"), hst_talk_text(ram, "backing"), hst_talk_text(component, "last_used"));
    json_array_foreach(json_object_get(component, "devices"), index, device)
        add_line(rows, component, hst_talk_text(device, "device_id"), hst_talk_text(device, "state"), hst_talk_number(device, "bytes"), "-", hst_talk_text(device, "since"));
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

static void print_ps(const json_t *cache)
{
    json_t *rows = json_pack("[[s, s, s, s, s, s, s]]", "COMPONENT", "WHERE", "STATE", "BYTES", "BACKING", "LEASES", "USED/SINCE"), *component;
    json_t *holders = json_pack("[[s, s, s, s, s]]", "PID", "DOMAIN", "HOLDS", "PRIVATE", "SINCE");
    size_t index;
    char used[HST_TERM_TEXT], budget[HST_TERM_TEXT];
    json_array_foreach(json_object_get(cache, "components"), index, component) {
        add_component(rows, component);
        add_holders(holders, component);
    }
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

int hst_command_ps(const struct hst_arguments *arguments)
{
    json_t *cache;
    int code = hst_talk(arguments, "listing what is resident failed", "GET", "/api/model/cache", NULL, &cache);
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
