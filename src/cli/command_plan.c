/* hoist plan: what a load would do, as a person would tell it; and why what was evicted was evicted. */
#include "cli/talk.h"
#include "cli/term.h"

#include <string.h>

static const char *size_of(const json_t *object, const char *key, char out[HST_TERM_TEXT])
{
    return hst_term_size(hst_talk_number(object, key), out);
}

/* "12.0 MiB from disk", "... from the page cache", or how much from each. */
static void print_source(const json_t *row)
{
    char cold[HST_TERM_TEXT], warm[HST_TERM_TEXT];
    double read = hst_talk_number(row, "read_bytes"), in_page_cache = hst_talk_number(row, "warm_bytes");
    hst_term_size(read - in_page_cache, cold);
    hst_term_size(in_page_cache, warm);
    if (in_page_cache <= 0)
        printf("%s from disk", cold);
    else if (in_page_cache >= read)
        printf("%s from the page cache", warm);
    else
        printf("%s from disk and %s from the page cache", cold, warm);
}

static void print_names(const json_t *names)
{
    size_t index;
    json_t *name;
    json_array_foreach((json_t *)names, index, name)
        printf("%s%s", index == 0 ? "" : ", ", hst_talk_shown(name));
}

static void print_sharers(const json_t *row, const char *before)
{
    const json_t *names = json_object_get(row, "shared_with");
    fputs(before, stdout);
    if (json_array_size(names) == 0) fputs("others", stdout);
    print_names(names);
}

/* ---- what is done about a component ---- */

static void print_there(const json_t *row)
{
    (void)row;
    fputs("is in RAM", stdout);
}

static void print_coming(const json_t *row)
{
    (void)row;
    fputs("is on its way into RAM by another load", stdout);
}

static void print_shared(const json_t *row)
{
    print_sharers(row, "is not read: its tensors are in memory, as those of ");
}

static void print_partly(const json_t *row)
{
    char shared[HST_TERM_TEXT];
    if (hst_talk_number(row, "shared_bytes") <= 0) return;
    printf("; %s more is in memory", size_of(row, "shared_bytes", shared));
    print_sharers(row, " already, as part of ");
}

static void print_read(const json_t *row)
{
    fputs("is read: ", stdout);
    print_source(row);
    print_partly(row);
}

static void print_converted(const json_t *row)
{
    char becomes[HST_TERM_TEXT];
    fputs("is read, ", stdout);
    print_source(row);
    printf(", and converted from %s to %s, which takes %s", hst_talk_text(row, "stored_precision"), hst_talk_text(row, "precision"), size_of(row, "ram_bytes", becomes));
    print_partly(row);
}

static const struct {
    const char *action;
    void (*print)(const json_t *row);
} actions[] = {{"none", print_there}, {"wait", print_coming}, {"share", print_shared}, {"read", print_read}, {"convert", print_converted}};

static void print_component(const json_t *row, const char *device)
{
    const char *action = hst_talk_text(row, "action");
    printf("  %s ", hst_talk_text(row, "component_id"));
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(actions[i].action, action) == 0) actions[i].print(row);
    if (json_is_true(json_object_get(row, "loaded"))) printf(", and on %s", device);
    putchar('\n');
}

/* ---- the whole ---- */

static void print_evictions(const json_t *evictions)
{
    size_t index;
    json_t *row;
    char size[HST_TERM_TEXT];
    if (json_array_size(evictions) > 0) puts("First, room is made:");
    json_array_foreach((json_t *)evictions, index, row) {
        const char *device = json_string_value(json_object_get(row, "device_id"));
        printf("  %zu. %s leaves %s, which frees %s: %s\n", index + 1, hst_talk_text(row, "component_id"), device != NULL ? device : "RAM", size_of(row, "bytes", size),
               hst_talk_text(row, "reason"));
    }
}

static size_t count_in(const json_t *components, double batch)
{
    size_t index, count = 0;
    json_t *row;
    json_array_foreach((json_t *)components, index, row)
        count += hst_talk_number(row, "batch") == batch;
    return count;
}

static void print_batches(const json_t *plan, const char *device)
{
    const json_t *components = json_object_get(plan, "components");
    for (double batch = 0; batch < hst_talk_number(plan, "batches"); batch++) {
        size_t index;
        json_t *row;
        bool several = count_in(components, batch) > 1;
        printf("%s%s:\n", batch > 0 || json_array_size(json_object_get(plan, "evictions")) > 0 ? "Then" : "To begin with", several ? ", at the same time" : "");
        json_array_foreach((json_t *)components, index, row)
            if (hst_talk_number(row, "batch") == batch) print_component(row, device);
    }
}

static void print_totals(const json_t *plan, const char *device)
{
    char before[HST_TERM_TEXT], after[HST_TERM_TEXT], budget[HST_TERM_TEXT], time[HST_TERM_TEXT], more[HST_TERM_TEXT], reserved[HST_TERM_TEXT];
    double used = hst_talk_number(plan, "ram_used_bytes");
    double then = used + hst_talk_number(plan, "ram_bytes") - hst_talk_number(plan, "evicted_bytes");
    printf("RAM: %s of %s now, %s then", hst_term_size(used, before), size_of(plan, "ram_budget_bytes", budget), hst_term_size(then, after));
    if (hst_talk_number(plan, "device_bytes") > 0) printf("; %s: %s more", device, size_of(plan, "device_bytes", reserved));
    if (json_is_number(json_object_get(plan, "expected_ms")))
        printf("\nexpected: %s, and up to %s more\n", hst_term_ms(hst_talk_number(plan, "expected_ms"), time), hst_term_ms(hst_talk_number(plan, "margin_ms"), more));
    else
        puts("\nexpected: not known, for nothing like it was measured yet");
}

static void print_plan(const json_t *plan)
{
    const char *device = json_string_value(json_object_get(plan, "device_id"));
    if (device == NULL) device = "RAM";
    printf("%s%s%s to %s\n", hst_term_style(stdout, HST_STYLE_BOLD), hst_talk_text(plan, "model_id"), hst_term_plain(stdout), device);
    if (json_array_size(json_object_get(plan, "steps")) == 0) {
        puts("nothing to do: all of it is there");
        return;
    }
    print_evictions(json_object_get(plan, "evictions"));
    print_batches(plan, device);
    print_totals(plan, device);
}

static void print_decision(const json_t *row)
{
    char size[HST_TERM_TEXT];
    const char *device = json_string_value(json_object_get(row, "device_id")), *model = json_string_value(json_object_get(row, "model_id"));
    const json_t *rivals = json_object_get(row, "rivals");
    printf("%s  %s%s%s left %s", hst_talk_text(row, "at"), hst_term_style(stdout, HST_STYLE_BOLD), hst_talk_text(row, "component_id"), hst_term_plain(stdout),
           device != NULL ? device : "RAM");
    if (model != NULL) printf(" to make room for %s", hst_talk_text(row, "model_id"));
    printf(", which freed %s: %s\n", size_of(row, "bytes", size), hst_talk_text(row, "reason"));
    if (json_array_size(rivals) > 0) printf("    the next would have been %s\n", hst_talk_text(json_array_get(rivals, 0), "component_id"));
    if (json_is_true(json_object_get(row, "thrash")))
        printf("    %sand it was back at %s: what is used takes more room than there is%s\n", hst_term_style(stdout, HST_STYLE_WARN), hst_talk_text(row, "reloaded_at"),
               hst_term_plain(stdout));
}

static void print_decisions(const json_t *data)
{
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(data, "decisions"), index, row)
        print_decision(row);
    if (json_array_size(json_object_get(data, "decisions")) == 0) puts("nothing was evicted since the daemon began");
}

int hst_command_plan(const struct hst_arguments *arguments)
{
    bool decisions = hst_given(arguments, HST_OPTION_DECISIONS);
    if (decisions == (arguments->count > 0)) return hst_term_usage("%s", decisions ? "name a MODEL or give --decisions, not both" : "hoist plan needs a MODEL, or --decisions");
    if (decisions) return hst_talk_show(arguments, "listing decisions failed", "GET", "/api/model/decisions", NULL, print_decisions);
    return hst_talk_show(arguments, "planning failed", "POST", "/api/model/plan", hst_talk_load(arguments), print_plan);
}
