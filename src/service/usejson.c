#include "service/usejson.h"

#include <math.h>
#include <stdio.h>

/* A number that is none, or below zero, counts as 0. */
static double number(const json_t *object, const char *key)
{
    return fmax(0, json_number_value(json_object_get(object, key)));
}

static json_t *write_hours(const struct hst_hours *hours)
{
    json_t *used = json_object();
    char hour[4];
    for (int i = 0; i < 24; i++) {
        if (hours->used[i] < 0.01) continue;
        snprintf(hour, sizeof hour, "%d", i);
        json_object_set_new(used, hour, json_real(hours->used[i]));
    }
    return json_pack("{s:I, s:f, s:I, s:o}", "day", (json_int_t)hours->day, "days", hours->days, "today", (json_int_t)hours->today, "used", used);
}

static void read_hours(const json_t *object, struct hst_hours *hours)
{
    const json_t *used = json_object_get(object, "used");
    char hour[4];
    hours->day = (int64_t)number(object, "day");
    hours->days = number(object, "days");
    hours->today = (uint32_t)number(object, "today") & 0xffffff;
    for (int i = 0; i < 24; i++) {
        snprintf(hour, sizeof hour, "%d", i);
        hours->used[i] = number(used, hour);
    }
}

json_t *hst_usejson_pattern(const struct hst_pattern *pattern)
{
    json_t *after = json_object();
    for (size_t i = 0; i < pattern->after_count; i++)
        json_object_set_new(after, pattern->after[i].next->key, json_real(pattern->after[i].times));
    return json_pack("{s:I, s:f, s:I, s:f, s:f, s:[o, o], s:o}", "uses", (json_int_t)pattern->uses, "heat", pattern->heat, "last_ms", (json_int_t)(pattern->last_s * 1e3), "visits",
                     pattern->visits, "load_s", pattern->load_s, "hours", write_hours(&pattern->hours[0]), write_hours(&pattern->hours[1]), "after", after);
}

static void read_pattern(struct hst_pattern *pattern, const json_t *row)
{
    pattern->uses = (uint64_t)number(row, "uses");
    pattern->heat = number(row, "heat");
    pattern->last_s = number(row, "last_ms") / 1e3;
    pattern->visits = number(row, "visits");
    pattern->load_s = number(row, "load_s");
    for (size_t kind = 0; kind < HST_PATTERN_KINDS; kind++)
        read_hours(json_array_get(json_object_get(row, "hours"), kind), &pattern->hours[kind]);
}

static void read_after(const struct hst_patterns *patterns, struct hst_pattern *pattern, json_t *after)
{
    const char *key;
    json_t *times;
    json_object_foreach(after, key, times) {
        struct hst_pattern *next = hst_patterns_find(patterns, key);
        if (next != NULL && next != pattern) hst_patterns_recall_after(pattern, next, fmax(0, json_number_value(times)));
    }
}

void hst_usejson_recall(struct hst_patterns *patterns, json_t *rows)
{
    const char *key;
    json_t *row;
    json_object_foreach(rows, key, row) {
        struct hst_pattern *pattern = hst_patterns_recall(patterns, key);
        if (pattern != NULL) read_pattern(pattern, row);
    }
    json_object_foreach(rows, key, row) {
        struct hst_pattern *pattern = hst_patterns_find(patterns, key);
        if (pattern != NULL) read_after(patterns, pattern, json_object_get(row, "after"));
    }
}

json_t *hst_usejson_ledger(const struct hst_ledger *ledger)
{
    const struct hst_ledger_score *score = &ledger->score;
    json_t *row = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "state", hst_ledger_state_name(ledger->state), "made", (json_int_t)score->made, "loaded",
                            (json_int_t)score->loaded, "hits", (json_int_t)score->hits, "misses", (json_int_t)score->misses, "needed", (json_int_t)score->needed,
                            "foreseen", (json_int_t)score->foreseen, "switches", (json_int_t)score->switches);
    json_object_update_new(row, json_pack("{s:f, s:f, s:I, s:I, s:f, s:f, s:f, s:I}", "saved_s", score->saved_s, "wasted_s", score->wasted_s, "saved_bytes",
                                          (json_int_t)score->saved_bytes, "wasted_bytes", (json_int_t)score->wasted_bytes, "right", score->recent_right, "wrong",
                                          score->recent_wrong, "recent", score->recent, "until", (json_int_t)score->recent_until_s));
    return row;
}

void hst_usejson_recall_ledger(struct hst_ledger *ledger, const json_t *row)
{
    const char *state = json_string_value(json_object_get(row, "state"));
    ledger->state = hst_ledger_state_of(state != NULL ? state : "");
    ledger->score = (struct hst_ledger_score){.made = (uint64_t)number(row, "made"),
                                              .loaded = (uint64_t)number(row, "loaded"),
                                              .hits = (uint64_t)number(row, "hits"),
                                              .misses = (uint64_t)number(row, "misses"),
                                              .needed = (uint64_t)number(row, "needed"),
                                              .foreseen = (uint64_t)number(row, "foreseen"),
                                              .switches = (uint64_t)number(row, "switches"),
                                              .saved_s = number(row, "saved_s"),
                                              .wasted_s = number(row, "wasted_s"),
                                              .saved_bytes = (uint64_t)number(row, "saved_bytes"),
                                              .wasted_bytes = (uint64_t)number(row, "wasted_bytes"),
                                              .recent_right = number(row, "right"),
                                              .recent_wrong = number(row, "wrong"),
                                              .recent = number(row, "recent"),
                                              .recent_until_s = number(row, "until")};
}
