#include "predict/patterns.h"

#include "base/cleanup.h"

#include <math.h>
#include <string.h>

#define DAY_S 86400.0
#define HOUR_S 3600.0

struct hst_patterns {
    struct hst_pattern *table[HST_PATTERNS_MAX]; /* owned, each */
    size_t count;
    struct hst_pattern *last; /* used last; NULL = none, or it was forgotten */
    double last_s;            /* when */
    hst_pattern_gone_fn gone;
    void *context;
};

int hst_patterns_new(struct hst_patterns **ret_patterns, struct hst_error *err)
{
    *ret_patterns = calloc(1, sizeof **ret_patterns);
    return *ret_patterns != NULL ? HST_OK : hst_error_nomem(err);
}

void hst_patterns_free(struct hst_patterns *patterns)
{
    if (patterns == NULL) return;
    for (size_t i = 0; i < patterns->count; i++)
        free(patterns->table[i]);
    free(patterns);
}

void hst_patterns_listen(struct hst_patterns *patterns, hst_pattern_gone_fn gone, void *context)
{
    patterns->gone = gone;
    patterns->context = context;
}

size_t hst_patterns_count(const struct hst_patterns *patterns)
{
    return patterns->count;
}

struct hst_pattern *hst_patterns_each(const struct hst_patterns *patterns, size_t *cursor)
{
    return *cursor < patterns->count ? patterns->table[(*cursor)++] : NULL;
}

struct hst_pattern *hst_patterns_find(const struct hst_patterns *patterns, const char *key)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (strcmp(patterns->table[i]->key, key) == 0) return patterns->table[i];
    return NULL;
}

/* ---- days ---- */

static int kind_of(int64_t day)
{
    return (day + 3) % 7 >= 5; /* 1970-01-01 was a Thursday: day 0 of a week is a Monday */
}

/* The number of a day among those of its kind. */
static int64_t number_of(int64_t day, int kind)
{
    int64_t weeks = (day + 3) / 7, rest = (day + 3) % 7;
    return kind == 1 ? 2 * weeks + (rest > 4 ? rest - 4 : 0) : 5 * weeks + (rest < 4 ? rest : 4);
}

/* Let time go by up to this day of the kind: nothing was used meanwhile. */
static void go_to_day(struct hst_hours *hours, int64_t number)
{
    if (number == hours->day && hours->days > 0) return;
    if (number < hours->day) { /* the clock was set back */
        hours->day = number;
        hours->today = 0;
        return;
    }
    double passed = hours->days > 0 ? (double)(number - hours->day) : 1, keep = pow(HST_PATTERN_DAY_KEEP, passed);
    hours->days = hours->days * keep + (1 - keep) / (1 - HST_PATTERN_DAY_KEEP);
    for (int i = 0; i < 24; i++)
        hours->used[i] *= keep;
    hours->day = number;
    hours->today = 0;
}

static void note_hour(struct hst_pattern *pattern, double now_s)
{
    int64_t day = (int64_t)(now_s / DAY_S);
    int kind = kind_of(day), hour = (int)(fmod(now_s, DAY_S) / HOUR_S);
    struct hst_hours *hours = &pattern->hours[kind];
    go_to_day(hours, number_of(day, kind));
    if ((hours->today >> hour & 1) == 0) hours->used[hour]++;
    hours->today |= 1u << hour;
}

/* How probable its first use in the hour of this time is, by the days before: in the rest of the hour, when part of it is over. */
static double expect_hour(const struct hst_pattern *pattern, double time_s)
{
    int64_t day = (int64_t)(time_s / DAY_S);
    int kind = kind_of(day), hour = (int)(fmod(time_s, DAY_S) / HOUR_S);
    double left = 1 - fmod(time_s, HOUR_S) / HOUR_S;
    struct hst_hours hours = pattern->hours[kind];
    if (hours.days <= 0) return 0;
    go_to_day(&hours, number_of(day, kind));
    if ((hours.today >> hour & 1) != 0 || hours.used[hour] < HST_PATTERN_LEAST) return 0;
    double whole = fmin(1, hours.used[hour] / (hours.days - 1 + HST_PATTERN_DOUBT)); /* this day is not over */
    return whole * left / (1 - whole + whole * left);
}

/* In this hour, or in the one that is about to begin. */
static double expect_by_hour(const struct hst_pattern *pattern, double now_s)
{
    double early_s = now_s + HST_PREDICT_EARLY_S;
    bool is_near = (int64_t)(early_s / HOUR_S) != (int64_t)(now_s / HOUR_S);
    return fmax(expect_hour(pattern, now_s), is_near ? expect_hour(pattern, floor(early_s / HOUR_S) * HOUR_S) : 0);
}

/* ---- the table ---- */

static double heat_at(const struct hst_pattern *pattern, double now_s)
{
    return now_s > pattern->last_s ? pattern->heat * exp2((pattern->last_s - now_s) / DAY_S) : pattern->heat;
}

static void cut_after(struct hst_pattern *pattern, const struct hst_pattern *gone)
{
    for (size_t i = 0; i < pattern->after_count; i++) {
        if (pattern->after[i].next != gone) continue;
        pattern->after[i] = pattern->after[--pattern->after_count];
        pattern->changed = true;
        return;
    }
}

static size_t coldest(const struct hst_patterns *patterns, double now_s)
{
    size_t found = 0;
    for (size_t i = 1; i < patterns->count; i++)
        if (heat_at(patterns->table[i], now_s) < heat_at(patterns->table[found], now_s)) found = i;
    return found;
}

static void forget(struct hst_patterns *patterns, size_t at)
{
    struct hst_pattern *gone = patterns->table[at];
    patterns->table[at] = patterns->table[--patterns->count];
    for (size_t i = 0; i < patterns->count; i++)
        cut_after(patterns->table[i], gone);
    if (patterns->last == gone) patterns->last = NULL;
    if (patterns->gone != NULL) patterns->gone(patterns->context, gone->key);
    free(gone);
}

struct hst_pattern *hst_patterns_recall(struct hst_patterns *patterns, const char *key)
{
    size_t length = strlen(key);
    struct hst_pattern *pattern = hst_patterns_find(patterns, key);
    if (pattern != NULL) return pattern;
    if (length == 0 || length >= HST_PATTERN_KEY_MAX || patterns->count == HST_PATTERNS_MAX) return NULL;
    pattern = calloc(1, sizeof *pattern);
    if (pattern == NULL) return NULL;
    memcpy(pattern->key, key, length + 1);
    patterns->table[patterns->count++] = pattern;
    return pattern;
}

void hst_patterns_recall_after(struct hst_pattern *pattern, struct hst_pattern *next, double times)
{
    if (pattern->after_count < HST_PATTERN_AFTER_MAX) pattern->after[pattern->after_count++] = (struct hst_after){next, times};
}

static struct hst_pattern *find_or_add(struct hst_patterns *patterns, const char *key, double now_s)
{
    struct hst_pattern *pattern = hst_patterns_find(patterns, key);
    if (pattern != NULL) return pattern;
    if (patterns->count == HST_PATTERNS_MAX && strlen(key) < HST_PATTERN_KEY_MAX) forget(patterns, coldest(patterns, now_s));
    return hst_patterns_recall(patterns, key);
}

/* ---- what follows what ---- */

/* The place of `next`: where it is, a new one, or that of the one that followed least. */
static struct hst_after *place_of(struct hst_pattern *pattern, struct hst_pattern *next)
{
    struct hst_after *least = &pattern->after[0];
    for (size_t i = 0; i < pattern->after_count; i++) {
        if (pattern->after[i].next == next) return &pattern->after[i];
        if (pattern->after[i].times < least->times) least = &pattern->after[i];
    }
    if (pattern->after_count < HST_PATTERN_AFTER_MAX) least = &pattern->after[pattern->after_count++];
    *least = (struct hst_after){.next = next};
    return least;
}

/* It follows the one before. */
static void note_followed(struct hst_patterns *patterns, struct hst_pattern *next, double now_s)
{
    struct hst_pattern *before = patterns->last;
    if (before == NULL || now_s - patterns->last_s > HST_PREDICT_HORIZON_S) return;
    place_of(before, next)->times++;
    before->changed = true;
}

static void begin_visit(struct hst_pattern *pattern)
{
    pattern->visits = pattern->visits * HST_PATTERN_VISIT_KEEP + 1;
    for (size_t i = 0; i < pattern->after_count; i++)
        pattern->after[i].times *= HST_PATTERN_VISIT_KEEP;
}

void hst_patterns_use(struct hst_patterns *patterns, const char *key, double now_s, double load_s)
{
    struct hst_pattern *pattern = now_s >= 0 ? find_or_add(patterns, key, now_s) : NULL;
    if (pattern == NULL) return;
    pattern->heat = heat_at(pattern, now_s) + 1;
    pattern->last_s = now_s;
    pattern->uses++;
    pattern->changed = true;
    if (load_s > 0) pattern->load_s = pattern->load_s > 0 ? (pattern->load_s + load_s) / 2 : load_s;
    note_hour(pattern, now_s);
    if (patterns->last != pattern) {
        note_followed(patterns, pattern, now_s);
        begin_visit(pattern);
    }
    patterns->last = pattern;
    patterns->last_s = now_s;
}

double hst_pattern_follows(const struct hst_pattern *pattern, const struct hst_after *after, bool is_now)
{
    double visits = pattern->visits - (is_now ? 1 : 0);
    return after->times >= HST_PATTERN_LEAST ? fmin(1, after->times / (visits + HST_PATTERN_DOUBT)) : 0;
}

/* ---- what to expect ---- */

/* The list under construction, the most probable first. */
struct list {
    struct hst_prediction *out;
    size_t room, count;
};

static size_t find_listed(const struct list *list, const char *key)
{
    size_t at = 0;
    while (at < list->count && list->out[at].key != key)
        at++;
    return at;
}

/* The place to put one of this probability at, before it is moved up: where it is listed, a new one, or that of the last. list->room = none. */
static size_t place_for(struct list *list, const struct hst_prediction *found)
{
    size_t at = find_listed(list, found->key);
    if (at == list->count && list->count < list->room) {
        list->out[list->count++] = *found;
        return at;
    }
    if (at == list->count) at--; /* the list is full */
    return list->out[at].probability < found->probability ? at : list->room;
}

/* What is listed already stays when it is more probable. */
static void add(struct list *list, struct hst_prediction found)
{
    size_t at = found.probability > 0 ? place_for(list, &found) : list->room;
    if (at == list->room) return;
    for (; at > 0 && list->out[at - 1].probability < found.probability; at--)
        list->out[at] = list->out[at - 1];
    list->out[at] = found;
}

static void add_followers(const struct hst_patterns *patterns, double now_s, struct list *list)
{
    const struct hst_pattern *last = patterns->last;
    if (last == NULL || now_s - patterns->last_s > HST_PATTERN_FRESH_S) return;
    for (size_t i = 0; i < last->after_count; i++) {
        const struct hst_after *after = &last->after[i];
        add(list, (struct hst_prediction){after->next->key, hst_pattern_follows(last, after, true), last->key, after->next->load_s});
    }
}

size_t hst_patterns_next(const struct hst_patterns *patterns, double now_s, struct hst_prediction *out, size_t room)
{
    struct list list = {.out = out, .room = room};
    if (room == 0 || now_s < 0) return 0;
    add_followers(patterns, now_s, &list);
    for (size_t i = 0; i < patterns->count; i++) {
        const struct hst_pattern *pattern = patterns->table[i];
        double probability = expect_by_hour(pattern, now_s);
        add(&list, (struct hst_prediction){pattern->key, probability, NULL, pattern->load_s});
    }
    return list.count;
}

double hst_patterns_expect(const struct hst_patterns *patterns, const char *key, double now_s)
{
    const struct hst_pattern *pattern = hst_patterns_find(patterns, key);
    struct hst_prediction followers[HST_PATTERN_AFTER_MAX] = {0};
    struct list list = {.out = followers, .room = HST_PATTERN_AFTER_MAX};
    if (pattern == NULL || now_s < 0) return 0;
    add_followers(patterns, now_s, &list);
    size_t at = find_listed(&list, pattern->key);
    double by_hour = expect_by_hour(pattern, now_s);
    return fmax(by_hour, at < list.count ? list.out[at].probability : 0);
}
