/* hoist cache --patterns, --reorganize: what is known of use, and memory put in order by it. */
#include "cli/patterns.h"
#include "cli/talk.h"
#include "cli/term.h"

#include <stdlib.h>
#include <string.h>

/* "sdxl:unet,vae@fp16", as hoistd writes it. */
static void name_of(const json_t *row, char out[512])
{
    size_t index;
    json_t *role;
    const char *precision = json_string_value(json_object_get(row, "precision"));
    int used = snprintf(out, 512, "%s", hst_talk_text(row, "model_id"));
    json_array_foreach(json_object_get(row, "components"), index, role)
        if (used < 512) used += snprintf(out + used, 512 - (size_t)used, "%s%s", index == 0 ? ":" : ",", hst_talk_shown(role));
    if (precision != NULL && used < 512) snprintf(out + used, 512 - (size_t)used, "@%s", hst_talk_text(row, "precision"));
}

/* What follows most probably, as "NAME 70%", or "-". */
static void next_of(const json_t *model, char out[600])
{
    size_t index;
    json_t *row;
    const json_t *best = NULL;
    char name[512];
    json_array_foreach(json_object_get(model, "followed_by"), index, row)
        if (best == NULL || hst_talk_number(row, "probability") > hst_talk_number(best, "probability")) best = row;
    snprintf(out, 600, "-");
    if (best == NULL || hst_talk_number(best, "probability") <= 0) return;
    name_of(best, name);
    snprintf(out, 600, "%s %.0f%%", name, 100 * hst_talk_number(best, "probability"));
}

/* The hours (UTC) of working days in which it is used on half of them and more, as "9 10 14", or "-". */
static void hours_of(const json_t *model, char out[128])
{
    size_t hour;
    json_t *share;
    int used = 0;
    snprintf(out, 128, "-");
    json_array_foreach(json_object_get(json_object_get(model, "hours"), "working_days"), hour, share)
        if (json_number_value(share) >= 0.5) used += snprintf(out + used, 128 - (size_t)used, "%s%zu", used > 0 ? " " : "", hour);
}

static void print_models(const json_t *models)
{
    json_t *rows = json_pack("[[s, s, s, s, s]]", "MODEL", "USES", "LAST", "THEN", "HOURS"), *model;
    size_t index;
    char name[512], uses[HST_TERM_TEXT], next[600], hours[128];
    json_array_foreach((json_t *)models, index, model) {
        name_of(model, name);
        next_of(model, next);
        hours_of(model, hours);
        snprintf(uses, sizeof uses, "%.0f", hst_talk_number(model, "uses"));
        json_array_append_new(rows, json_pack("[s, s, s, s, s]", name, uses, hst_talk_text(model, "last_used"), next, hours));
    }
    if (index > 0)
        hst_term_table(rows);
    else
        puts("nothing was used so far");
    json_decref(rows);
}

static void print_predictions(const json_t *predictions)
{
    size_t index;
    json_t *row;
    char name[512];
    json_array_foreach((json_t *)predictions, index, row) {
        name_of(row, name);
        printf("%s%s: %.0f%%%s\n", index == 0 ? "\nexpected next:\n  " : "  ", name, 100 * hst_talk_number(row, "probability"),
               hst_talk_number(row, "missing_bytes") > 0 ? "" : ", is there");
    }
}

static void print_score(const json_t *score)
{
    char wasted[HST_TERM_TEXT], saved[HST_TERM_TEXT];
    printf("\nprediction is %s: %.0f right, %.0f wrong; %s of waiting saved, %s read for nothing\n", hst_talk_text(score, "state"), hst_talk_number(score, "hits"),
           hst_talk_number(score, "misses"), hst_term_ms(1e3 * hst_talk_number(score, "saved_seconds"), saved),
           hst_term_size(hst_talk_number(score, "wasted_bytes"), wasted));
}

static void print_patterns(const json_t *patterns)
{
    print_models(json_object_get(patterns, "models"));
    print_predictions(json_object_get(patterns, "predictions"));
    print_score(json_object_get(patterns, "prediction"));
}

static void print_reorganized(const json_t *done)
{
    char freed[HST_TERM_TEXT];
    size_t dropped = json_array_size(json_object_get(done, "dropped_components"));
    printf("%zu component%s dropped, %s freed, %.0f being loaded ahead\n", dropped, dropped == 1 ? "" : "s",
           hst_term_size(hst_talk_number(done, "freed_bytes"), freed), hst_talk_number(done, "preloading"));
    print_predictions(json_object_get(done, "predictions"));
}

static int reorganize(const struct hst_arguments *arguments)
{
    const char *idle = arguments->values[HST_OPTION_DROP_IDLE];
    json_t *body = json_object();
    if (idle != NULL) json_object_set_new(body, "drop_idle_seconds", json_integer(strtoll(idle, NULL, 10)));
    return hst_talk_show(arguments, "reorganizing failed", "POST", "/api/model/cache/optimize", body, print_reorganized);
}

bool hst_patterns_asked(const struct hst_arguments *arguments)
{
    return hst_given(arguments, HST_OPTION_PATTERNS) || hst_given(arguments, HST_OPTION_REORGANIZE) || hst_given(arguments, HST_OPTION_DROP_IDLE);
}

static bool is_seconds(const char *text)
{
    return text[0] != '\0' && strlen(text) <= 9 && text[strspn(text, "0123456789")] == '\0';
}

int hst_patterns_run(const struct hst_arguments *arguments)
{
    bool shows = hst_given(arguments, HST_OPTION_PATTERNS), reorganizes = hst_given(arguments, HST_OPTION_REORGANIZE);
    const char *idle = arguments->values[HST_OPTION_DROP_IDLE];
    if (arguments->count > 0 || shows == reorganizes) return hst_term_usage("name a MODEL, or give --patterns or --reorganize alone");
    if (idle != NULL && !reorganizes) return hst_term_usage("--drop-idle goes with --reorganize");
    if (idle != NULL && !is_seconds(idle))
        return hst_term_usage("--drop-idle takes a number of seconds, not '%s'", idle);
    return shows ? hst_talk_show(arguments, "showing what is known of use failed", "GET", "/api/model/cache/patterns", NULL, print_patterns) : reorganize(arguments);
}
