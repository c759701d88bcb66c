#ifndef HST_PREDICT_PATTERNS_H
#define HST_PREDICT_PATTERNS_H
/** @file
 * What was used, how often, at which hours, and what came after what: a bounded table of keys. A key is whatever text stands for something that can
 * be brought in. Times are seconds since 1970 (UTC) and are handed in: nothing here looks at a clock. Pure; not for several threads at once.
 *
 * After: the next key that is used after A, within HST_PREDICT_HORIZON_S, follows A; uses of one key without another in between are one visit.
 *     P(B after A) = times B followed / (visits of A before this one + HST_PATTERN_DOUBT)
 * Hours: P(in this hour) = days on which it was used in it / (days before this one + HST_PATTERN_DOUBT), working days and weekends apart, and less as
 * the hour goes by. All of it fades. */
#include "base/error.h"
#include "predict/limits.h"

/** Kinds of days: 0 = Monday to Friday, 1 = Saturday and Sunday. */
#define HST_PATTERN_KINDS 2

struct hst_pattern;

/** One that follows another. */
struct hst_after {
    struct hst_pattern *next; /**< which; borrowed from the table */
    double times;             /**< so often, faded */
};

/** The hours of one kind of day. */
struct hst_hours {
    int64_t day;          /**< number of the last such day it was looked at, counting only days of this kind */
    double days;          /**< such days since it was first used, faded; with that day */
    double used[24];      /**< such days on which it was used in this hour (UTC), faded; with that day */
    uint32_t today;       /**< bit of each hour of that day in which it was used */
};

/** What is known of a key. Read-only outside the table, but for `changed`. */
struct hst_pattern {
    char key[HST_PATTERN_KEY_MAX]; /**< which */
    uint64_t uses;        /**< in all */
    double heat;          /**< uses, each counted half after a day: who is forgotten when the table is full */
    double last_s;        /**< last use */
    double visits;        /**< see above; faded */
    double load_s;        /**< seconds it took to bring it in, the newest counting for a half; 0 = never had to be */
    struct hst_hours hours[HST_PATTERN_KINDS]; /**< by kind of day */
    struct hst_after after[HST_PATTERN_AFTER_MAX]; /**< what follows, in no order */
    size_t after_count;   /**< of after */
    bool changed;         /**< since whoever keeps it cleared this */
};

/** What is expected. Texts are borrowed until the table changes. */
struct hst_prediction {
    const char *key;      /**< what */
    double probability;   /**< that it is used within HST_PREDICT_HORIZON_S */
    const char *after;    /**< because this was used; NULL = because of the hour */
    double load_s;        /**< as in struct hst_pattern */
};

/** The table. */
struct hst_patterns;

/** Make an empty one. *ret_patterns owned by the caller. */
int hst_patterns_new(struct hst_patterns **ret_patterns, struct hst_error *err);
/** Free it. NULL is fine. */
void hst_patterns_free(struct hst_patterns *patterns);
/** It was used; load_s = seconds it took to bring it in, 0 = it was there. Longer keys than HST_PATTERN_KEY_MAX, empty ones and want of
 * memory are ignored. */
void hst_patterns_use(struct hst_patterns *patterns, const char *key, double now_s, double load_s);
/** What to expect now, the most probable first, each key once, those of which nothing speaks left out. @return how many were written to out */
size_t hst_patterns_next(const struct hst_patterns *patterns, double now_s, struct hst_prediction *out, size_t room);
/** The probability that this one is used soon; 0 = nothing speaks for it. */
double hst_patterns_expect(const struct hst_patterns *patterns, const char *key, double now_s);
/** How probable `after` is after its key has been used. */
double hst_pattern_follows(const struct hst_pattern *pattern, const struct hst_after *after, bool is_now);
/** Keys: start with *cursor = 0; NULL at the end. */
struct hst_pattern *hst_patterns_each(const struct hst_patterns *patterns, size_t *cursor);
/** How many keys. */
size_t hst_patterns_count(const struct hst_patterns *patterns);
/** The entry of a key, or NULL. */
struct hst_pattern *hst_patterns_find(const struct hst_patterns *patterns, const char *key);
/** The entry of a key, made when there is none, to be filled with what was kept. NULL: the key is too long, the table full, or no memory. */
struct hst_pattern *hst_patterns_recall(struct hst_patterns *patterns, const char *key);
/** What follows a recalled one. Both are of the table. Beyond HST_PATTERN_AFTER_MAX it is ignored. */
void hst_patterns_recall_after(struct hst_pattern *pattern, struct hst_pattern *next, double times);
/** Told about a key that the full table forgot, during hst_patterns_use. */
typedef void (*hst_pattern_gone_fn)(void *context, const char *key);
/** Whom to tell; NULL = nobody. */
void hst_patterns_listen(struct hst_patterns *patterns, hst_pattern_gone_fn gone, void *context);
#endif
