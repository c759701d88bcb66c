/* Prediction over request traces: the product's own src/predict, its planner for evictions, and a simulated memory.
 *
 * usage: bench-prediction SEED...      prints a line for each trace and seed:
 *     trace seed without_s with_s wasted_s net_s wasted_gib loaded precision recall state switches
 *
 * without_s and with_s are seconds that somebody waits for loads, without and with prediction; wasted_s are seconds that the disk was busy for nothing;
 * net_s = without_s - with_s - wasted_s. Something is brought in ahead as hoistd does it: one at a time, only into memory that is free, given up when
 * a load that somebody waits for begins, and the first to go when room is needed. */
#include "cache/cache.h"
#include "plan/plan.h"
#include "predict/ledger.h"
#include "predict/patterns.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODELS_MAX = 128, EVENTS_MAX = 40000, BOOT = -1, OFF = -2, GIVE_BACK = -3 };
#define GIB 1073741824.0
#define DAY 86400.0
#define HOUR 3600.0
#define QUIET 0.25
#define TICK 300.0
#define FIRST_DAY (19723 * DAY) /* Monday, 2024-01-01 */

static struct trace {
    struct { char id[16]; double bytes, cost; } models[MODELS_MAX];
    int model_count;
    double capacity;
    struct event { double time; int what; } events[EVENTS_MAX]; /* a model, or BOOT, OFF, GIVE_BACK */
    int count;
} trace;

static uint64_t random_state;

static double uniform(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return ((double)(random_state >> 11) + 0.5) / 9007199254740992.0;
}

static int any(int count)
{
    return (int)(uniform() * count);
}

static double wait(double mean)
{
    return -mean * log(uniform());
}

/* ---- traces ---- */

static int add_model(double gib)
{
    int at = trace.model_count++;
    snprintf(trace.models[at].id, sizeof trace.models[at].id, "m%03d", at);
    trace.models[at].bytes = gib * GIB;
    trace.models[at].cost = 0.1 + gib / (uniform() < 0.8 ? 2.5 : 0.5); /* GiB/s: NVMe, SATA */
    return at;
}

static void happen(double time, int what)
{
    if (trace.count < EVENTS_MAX) trace.events[trace.count++] = (struct event){time, what};
}

static int stages[12][5]; /* what each project needs, in this order */

static void make_projects(void)
{
    for (int i = 0; i < 12; i++) {
        stages[i][0] = add_model(1 + 4 * uniform());                    /* text encoder */
        stages[i][1] = add_model(i % 3 == 0 ? 2 : i % 3 == 1 ? 6.6 : 12); /* base */
        stages[i][2] = add_model(0.3);                                  /* VAE */
        stages[i][3] = add_model(0.05 + 0.3 * uniform());               /* adapter */
        stages[i][4] = add_model(1.4 + 1.2 * uniform());                /* upscaler */
    }
    trace.capacity = 48 * GIB;
}

/* An hour or two on one project: stages in order, some left out, each used for a while. @return when it ends */
static double sit(double time, double until, int project)
{
    while (time < until) {
        for (int stage = 0; stage < 5 && time < until; stage++) {
            if (stage > 1 && uniform() < 0.25) continue;
            for (int use = 1 + any(4); use > 0; use--, time += 10 + wait(60))
                happen(time, stages[project][stage]);
        }
        if (uniform() < 0.1) happen(time, any(trace.model_count)); /* something else, out of curiosity */
        time += wait(300);
    }
    return time;
}

/* A studio: Monday to Friday, switched on about nine and off about six; a project in the morning and one in the afternoon that mostly are those of the
 * day before; after lunch now and then another program has taken the memory. */
static void make_days(int first, int last)
{
    int morning = any(12), afternoon = any(12);
    for (int day = first; day < last; day++) {
        double start = FIRST_DAY + day * DAY;
        if (day % 7 >= 5) continue;
        if (uniform() < 0.15) morning = any(12);
        if (uniform() < 0.15) afternoon = any(12);
        happen(start + 8.8 * HOUR + 600 * uniform(), BOOT);
        double time = sit(start + 9.1 * HOUR + wait(300), start + 12.5 * HOUR, morning);
        if (uniform() < 0.5) happen(time + 60, GIVE_BACK);
        sit(time + HOUR + wait(300), start + 17.7 * HOUR, afternoon);
        happen(start + 18.2 * HOUR, OFF);
    }
}

static void make_workday(void)
{
    make_projects();
    make_days(0, 28);
}

/* Any model at any time, by nobody's habit. */
static void make_chance(int first, int last)
{
    for (int day = first; day < last; day++) {
        double start = FIRST_DAY + day * DAY, time = start + 8 * HOUR;
        happen(time, BOOT);
        for (time += wait(240); time < start + 20 * HOUR; time += wait(240))
            happen(time, any(trace.model_count));
        happen(start + 20.5 * HOUR, OFF);
    }
}

static void make_random(void)
{
    make_projects();
    make_chance(0, 28);
}

/* Habits that are given up from one day to the next. */
static void make_turned(void)
{
    make_projects();
    make_days(0, 14);
    make_chance(14, 35);
}

static const struct {
    const char *name;
    void (*make)(void);
} traces[] = {{"workday", make_workday}, {"random", make_random}, {"turned", make_turned}};

/* ---- memory ---- */

static struct memory {
    double used;
    struct { bool resident, ahead; double heat, last; uint64_t seq; } of[MODELS_MAX];
    uint64_t seq;
} memory;
static struct hst_patterns *patterns;
static struct hst_ledger ledger;

static void drop(int model)
{
    if (memory.of[model].resident) memory.used -= trace.models[model].bytes;
    memory.of[model].resident = memory.of[model].ahead = false;
}

static void drop_all(void)
{
    for (int i = 0; i < trace.model_count; i++)
        drop(i);
}

static bool fits(int model)
{
    return memory.used + trace.models[model].bytes <= trace.capacity;
}

static void keep(int model, bool ahead)
{
    memory.of[model].resident = true;
    memory.of[model].ahead = ahead;
    memory.used += trace.models[model].bytes;
}

static void make_room(int wanted, double now)
{
    struct hst_plan_candidate candidates[MODELS_MAX];
    int index[MODELS_MAX];
    size_t count = 0;
    for (int i = 0; i < trace.model_count; i++) {
        if (!memory.of[i].resident) continue;
        index[count] = i;
        candidates[count++] = (struct hst_plan_candidate){.component_id = trace.models[i].id, .bytes = (uint64_t)trace.models[i].bytes,
                                                          .last_used_seq = memory.of[i].seq, .reload_ns = (uint64_t)(trace.models[i].cost * 1e9),
                                                          .heat = hst_cache_cool(memory.of[i].heat, now - memory.of[i].last),
                                                          .idle_s = now - memory.of[i].last, .expired = memory.of[i].ahead};
    }
    struct hst_plan_item item = {.component_id = "wanted", .role = "model", .ram_bytes = (uint64_t)trace.models[wanted].bytes + 1};
    struct hst_plan_facts facts = {.items = &item, .item_count = 1, .ram = {(uint64_t)trace.capacity, (uint64_t)memory.used, candidates, count}};
    struct hst_plan plan = {0};
    if (hst_plan_make(&facts, &plan, NULL) == HST_OK)
        for (size_t i = 0; i < plan.ram_eviction_count; i++)
            drop(index[plan.ram_evictions[i].candidate]);
    hst_plan_fini(&plan);
}

/* What is already on its way when somebody asks for it. */
static struct { int model; double since; } underway;

/* @return seconds that somebody waits */
static double use(int model, double now, bool predicts)
{
    double waited = 0;
    if (!memory.of[model].resident) {
        waited = trace.models[model].cost;
        if (underway.model == model) { /* it is waited for, and not begun anew */
            waited -= now - underway.since;
            hst_ledger_loaded(&ledger, trace.models[model].id, now - underway.since, (uint64_t)trace.models[model].bytes);
        }
        if (!fits(model)) make_room(model, now);
        keep(model, false);
    }
    if (predicts) {
        hst_patterns_use(patterns, trace.models[model].id, now, waited);
        hst_ledger_use(&ledger, trace.models[model].id, now, underway.model == model ? 0 : waited);
    }
    underway.model = -1;
    memory.of[model].ahead = false;
    memory.of[model].heat = hst_cache_cool(memory.of[model].heat, now - memory.of[model].last) + 1;
    memory.of[model].last = now;
    memory.of[model].seq = ++memory.seq;
    return waited;
}

/* The next thing to bring in, or -1. */
static int choose(double now)
{
    struct hst_prediction found[HST_LEDGER_OPEN_MAX];
    hst_ledger_expire(&ledger, now);
    size_t count = hst_patterns_next(patterns, now, found, HST_LEDGER_OPEN_MAX);
    for (size_t i = 0; i < count && found[i].probability >= HST_PREDICT_PROBABILITY; i++) {
        int model = atoi(found[i].key + 1);
        if (memory.of[model].resident || !fits(model)) continue;
        if (hst_ledger_enter(&ledger, found[i].key, now, trace.models[model].cost)) return model;
    }
    return -1;
}

/* Until the next thing happens, memory is filled ahead. */
static void idle(double now, const struct event *next)
{
    for (now += QUIET; now < next->time;) {
        int model = choose(now);
        if (model < 0) {
            now += TICK;
            continue;
        }
        double end = now + trace.models[model].cost;
        if (end < next->time) {
            keep(model, true);
            hst_ledger_loaded(&ledger, trace.models[model].id, trace.models[model].cost, (uint64_t)trace.models[model].bytes);
        } else if (next->what == model) {
            underway.model = model;
            underway.since = now;
        } else
            hst_ledger_gave_up(&ledger, trace.models[model].id, next->time - now, (uint64_t)(trace.models[model].bytes * (next->time - now) / trace.models[model].cost));
        now = end;
    }
}

/* @return seconds that somebody waits */
static double run(bool predicts)
{
    double seconds = 0;
    bool is_on = false;
    memset(&memory, 0, sizeof memory);
    memset(&ledger, 0, sizeof ledger);
    underway.model = -1;
    hst_patterns_new(&patterns, NULL);
    for (int i = 0; i < trace.count; i++) {
        const struct event *event = &trace.events[i];
        if (event->what >= 0)
            seconds += use(event->what, event->time, predicts);
        else
            drop_all();
        if (event->what == BOOT) is_on = true;
        if (event->what == OFF) is_on = false;
        if (predicts && is_on && i + 1 < trace.count) idle(event->time, event + 1);
    }
    hst_ledger_expire(&ledger, trace.events[trace.count - 1].time + HST_PREDICT_HORIZON_S + 1);
    hst_patterns_free(patterns);
    return seconds;
}

static int by_time(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    return (x->time > y->time) - (x->time < y->time);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        for (size_t t = 0; t < sizeof traces / sizeof traces[0]; t++) {
            trace.model_count = trace.count = 0;
            random_state = strtoull(argv[i], NULL, 10) * UINT64_C(0x9e3779b97f4a7c15) + t;
            for (int k = 0; k < 20; k++)
                uniform();
            traces[t].make();
            qsort(trace.events, (size_t)trace.count, sizeof trace.events[0], by_time);
            double without = run(false), with = run(true);
            const struct hst_ledger_score *score = &ledger.score;
            printf("%s %s %.1f %.1f %.1f %.1f %.2f %llu %.3f %.3f %s %llu\n", traces[t].name, argv[i], without, with, score->wasted_s,
                   without - with - score->wasted_s, (double)score->wasted_bytes / GIB, (unsigned long long)score->loaded, hst_ledger_precision(&ledger),
                   hst_ledger_recall(&ledger), hst_ledger_state_name(ledger.state), (unsigned long long)score->switches);
        }
    return argc > 1 ? 0 : 2;
}
