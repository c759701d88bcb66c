/* Eviction policies over request traces: the product's own ranking (src/plan) and peers in one simulator.
 *
 * usage: bench-policies SEED...      prints a line for each trace, cache size and policy: family seed cache policy load_seconds hit_rate
 *
 * Traces are generated from what was published about real ones (parameters beside each family below). Costs are seconds of loading: bytes over the
 * speed of the disk that the model lies on, and what every load takes besides. */
#include "cache/cache.h"
#include "plan/plan.h"
#include "policies/bound.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODELS_MAX = 400, REQUESTS_MAX = 60000 };
#define GIB 1073741824.0
#define DAY 86400.0

struct model {
    char id[16];
    double bytes, cost;
};

struct request {
    double time;
    int model;
};

static struct trace {
    struct model models[MODELS_MAX];
    int model_count;
    struct request requests[REQUESTS_MAX];
    int count;
    int next[REQUESTS_MAX]; /* index of the next request of the same model, or REQUESTS_MAX */
} trace;

static uint64_t random_state;

static double uniform(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return ((double)(random_state >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307 * uniform());
}

static double exponential(double mean)
{
    return -mean * log(uniform());
}

/* Rank 0.. of a Zipf law over n. */
static int zipf(int n, double alpha)
{
    double sum = 0, at;
    for (int i = 1; i <= n; i++)
        sum += pow(i, -alpha);
    at = uniform() * sum;
    for (int i = 1; i <= n; i++)
        if ((at -= pow(i, -alpha)) <= 0) return i - 1;
    return n - 1;
}

/* ---- models: sizes of what people have, on a fast and a slow disk ---- */

static int add_model(double gib)
{
    struct model *model = &trace.models[trace.model_count];
    double speed = uniform() < 0.8 ? 2.5 : 0.5; /* GiB/s: NVMe, SATA */
    snprintf(model->id, sizeof model->id, "m%03d", trace.model_count);
    model->bytes = gib * GIB;
    model->cost = 0.1 + gib / speed;
    return trace.model_count++;
}

static double any_size(void)
{
    static const double sizes[] = {0.15, 0.3, 1.4, 2, 4, 6.6, 6.6, 11, 16, 23};
    return sizes[(int)(uniform() * 10)] * exp(0.2 * normal());
}

static void ask(double time, int model)
{
    if (trace.count < REQUESTS_MAX) trace.requests[trace.count++] = (struct request){time, model};
}

/* ---- families ---- */

/* Rates over many orders of magnitude, and for most models far from Poisson: Shahrad et al., "Serverless in the Wild", USENIX ATC 2020, sections 3.2
 * and 3.3 (8 orders; coefficients of variation from 0 to above 10). */
static void make_functions(void)
{
    for (int i = 0; i < 120; i++)
        add_model(any_size());
    for (int i = 0; i < 120; i++) {
        double mean = 3600 * exp(2.2 * normal()), variation = uniform() < 0.2 ? 0 : uniform() < 0.5 ? 1 : 4;
        double time = uniform() * mean;
        for (int k = 0; time < 3 * DAY && k < 4000; k++) {
            ask(time, i);
            if (variation == 0) time += mean;
            if (variation == 1) time += exponential(mean);
            if (variation == 4) time += exponential(uniform() < 0.9 ? mean / 8 : mean * 9); /* bursts */
        }
    }
}

/* Zipf-like popularity, alpha 0.64 to 0.83 (Breslau et al., "Web Caching and Zipf-like Distributions", INFOCOM 1999), that drifts as models are released. */
static void make_hub(void)
{
    int rank[150];
    double alpha = 0.64 + 0.19 * uniform(), time = 0, drift = 0;
    for (int i = 0; i < 150; i++)
        rank[i] = add_model(any_size());
    while (time < 4 * DAY) {
        time += exponential(60);
        if (time > drift) { /* one that was low comes up */
            int from = (int)(uniform() * 150), to = (int)(uniform() * 20), swap = rank[from];
            rank[from] = rank[to];
            rank[to] = swap;
            drift += 3 * 3600;
        }
        ask(time, rank[zipf(150, alpha)]);
    }
}

/* A studio: a few bases, a long tail of adapters over them, workflows that repeat (adapters per base and their skew: S-LoRA, MLSys 2024, power law with alpha 1). */
static void make_studio(void)
{
    int bases[12], vaes[12], adapters[200], control[8];
    for (int i = 0; i < 12; i++) {
        bases[i] = add_model(i % 3 == 0 ? 2 : i % 3 == 1 ? 6.6 : 23);
        vaes[i] = add_model(0.3);
    }
    for (int i = 0; i < 200; i++)
        adapters[i] = add_model(0.05 + 0.3 * uniform());
    for (int i = 0; i < 8; i++)
        control[i] = add_model(1.4 + 1.2 * uniform());
    for (double time = 0; time < 5 * DAY;) {
        double hour = fmod(time, DAY) / 3600;
        if (hour < 8 || hour > 23) {
            time += 3600;
            continue;
        }
        int base = zipf(12, 1.0);
        for (int job = 0, jobs = 3 + (int)exponential(15); job < jobs; job++, time += exponential(120)) {
            ask(time, bases[base]);
            ask(time + 1, vaes[base]);
            for (int i = (int)(uniform() * 3); i > 0; i--)
                ask(time + 2, adapters[zipf(200, 1.0)]);
            if (uniform() < 0.3) ask(time + 3, control[(int)(uniform() * 8)]);
        }
        time += exponential(600);
    }
}

/* Conversations in bursts, with a day and a night: BurstGPT (Wang et al., arXiv 2401.17644): Gamma gaps with a shape well below 1. */
static void make_bursts(void)
{
    for (int i = 0; i < 24; i++)
        add_model(4 + 20 * uniform());
    for (double time = 0; time < 4 * DAY;) {
        double day = 1.2 + sin(time / DAY * 6.283185307);
        int model = zipf(24, 0.9);
        for (int i = (int)exponential(6); i >= 0; i--, time += exponential(40))
            ask(time, model);
        double gap = exponential(1);
        time += 300 / day * gap * gap * gap / 6 * 2; /* heavy-tailed: mean kept */
    }
}

/* A loop over a little more than fits, which is the worst case of recency, and one over what fits. */
static void make_loop(void)
{
    int count = 20 + (int)(uniform() * 20);
    for (int i = 0; i < count; i++)
        add_model(any_size());
    for (int i = 0; i < 4000; i++)
        ask(i * 120.0, i % count);
}

static const struct {
    const char *name;
    void (*make)(void);
} families[] = {{"functions", make_functions}, {"hub", make_hub}, {"studio", make_studio}, {"bursts", make_bursts}, {"loop", make_loop}};

static int by_time(const void *a, const void *b)
{
    const struct request *x = a, *y = b;
    return (x->time > y->time) - (x->time < y->time);
}

static void make_trace(size_t family, uint64_t seed)
{
    int last[MODELS_MAX];
    trace.model_count = trace.count = 0;
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + family + 1;
    for (int i = 0; i < 20; i++)
        uniform();
    families[family].make();
    qsort(trace.requests, (size_t)trace.count, sizeof trace.requests[0], by_time);
    for (int i = 0; i < MODELS_MAX; i++)
        last[i] = REQUESTS_MAX;
    for (int i = trace.count - 1; i >= 0; i--) {
        trace.next[i] = last[trace.requests[i].model];
        last[trace.requests[i].model] = i;
    }
}

/* ---- the cache ---- */

static struct state {
    double capacity, used, clock; /* clock: of GDSF */
    struct entry {
        bool resident, small, ghost, twice; /* queues of S3-FIFO and ARC */
        double heat, last, inserted, priority;
        uint64_t seq;
        int next, uses;
    } entries[MODELS_MAX];
    uint64_t seq;
    double small_bytes, target; /* S3-FIFO: bytes in the small queue; ARC: wanted bytes of what was used once */
} state;

static void drop(int model)
{
    state.entries[model].resident = false;
    state.used -= trace.models[model].bytes;
    if (state.entries[model].small) state.small_bytes -= trace.models[model].bytes;
}

/* The resident that minimises a score. */
static int least(double (*score)(int model))
{
    int best = -1;
    double least_score = INFINITY;
    for (int i = 0; i < trace.model_count; i++) {
        double value = state.entries[i].resident ? score(i) : INFINITY;
        if (value < least_score) {
            least_score = value;
            best = i;
        }
    }
    return best;
}

/* The product: its planner chooses. */
static void evict_by_plan(const struct hst_plan_policy *policy, int wanted, double now)
{
    struct hst_plan_candidate candidates[MODELS_MAX];
    int index[MODELS_MAX];
    size_t count = 0;
    for (int i = 0; i < trace.model_count; i++) {
        const struct entry *entry = &state.entries[i];
        if (!entry->resident) continue;
        index[count] = i;
        candidates[count++] = (struct hst_plan_candidate){.component_id = trace.models[i].id,
                                                          .bytes = (uint64_t)trace.models[i].bytes,
                                                          .last_used_seq = entry->seq,
                                                          .reload_ns = (uint64_t)(trace.models[i].cost * 1e9),
                                                          .heat = hst_cache_cool(entry->heat, now - entry->last),
                                                          .idle_s = now - entry->last};
    }
    struct hst_plan_item item = {.component_id = "wanted", .role = "model", .ram_bytes = (uint64_t)trace.models[wanted].bytes + 1};
    struct hst_plan_facts facts = {.items = &item, .item_count = 1, .ram = {(uint64_t)state.capacity, (uint64_t)state.used, candidates, count}, .policy = policy};
    struct hst_plan plan = {0};
    if (hst_plan_make(&facts, &plan, NULL) == HST_OK)
        for (size_t i = 0; i < plan.ram_eviction_count; i++)
            drop(index[plan.ram_evictions[i].candidate]);
    hst_plan_fini(&plan);
}

static void evict_cost(int wanted, double now) { evict_by_plan(hst_plan_policy_find("cost"), wanted, now); }
static void evict_lru(int wanted, double now) { evict_by_plan(hst_plan_policy_find("lru"), wanted, now); }
static void evict_lfu(int wanted, double now) { evict_by_plan(hst_plan_policy_find("lfu"), wanted, now); }

static bool is_full(int wanted)
{
    return state.used + trace.models[wanted].bytes > state.capacity;
}

/* GDSF: Cherkasova, HPL-98-69R1. */
static double score_gdsf(int model)
{
    return state.entries[model].priority;
}
static void evict_gdsf(int wanted, double now)
{
    (void)now;
    while (is_full(wanted)) {
        int victim = least(score_gdsf);
        state.clock = state.entries[victim].priority;
        drop(victim);
    }
}

/* S3-FIFO (Yang et al., SOSP 2023), by bytes: a small queue of a tenth, a main one with a second chance, ghosts. */
static double score_fifo_small(int model)
{
    return state.entries[model].small ? state.entries[model].inserted : INFINITY;
}
static double score_fifo_main(int model)
{
    return state.entries[model].small ? INFINITY : state.entries[model].inserted;
}
static void evict_s3fifo(int wanted, double now)
{
    (void)now;
    while (is_full(wanted)) {
        bool from_small = state.small_bytes > state.capacity / 10;
        int victim = least(from_small ? score_fifo_small : score_fifo_main);
        if (victim < 0) victim = least(from_small ? score_fifo_main : score_fifo_small);
        struct entry *entry = &state.entries[victim];
        if (entry->small && entry->uses > 1) { /* it has proved itself */
            entry->small = false;
            state.small_bytes -= trace.models[victim].bytes;
            entry->inserted = (double)++state.seq;
            entry->uses = 0;
        } else if (!entry->small && entry->uses > 0) {
            entry->uses = entry->uses > 3 ? 2 : entry->uses - 1;
            entry->inserted = (double)++state.seq;
        } else {
            entry->ghost = entry->small;
            drop(victim);
        }
    }
}

/* ARC (Megiddo and Modha, FAST 2003), by bytes: what was used once and what was used again, and which of the two is missed more. */
static double score_once(int model)
{
    return state.entries[model].twice ? INFINITY : (double)state.entries[model].seq;
}
static double score_again(int model)
{
    return state.entries[model].twice ? (double)state.entries[model].seq : INFINITY;
}
static void evict_arc(int wanted, double now)
{
    double once = 0;
    (void)now;
    if (state.entries[wanted].ghost) {
        state.target += (state.entries[wanted].twice ? -1 : 1) * trace.models[wanted].bytes;
        state.target = fmin(fmax(state.target, 0), state.capacity);
    }
    while (is_full(wanted)) {
        once = 0;
        for (int i = 0; i < trace.model_count; i++)
            if (state.entries[i].resident && !state.entries[i].twice) once += trace.models[i].bytes;
        int victim = least(once > state.target ? score_once : score_again);
        if (victim < 0) victim = least(once > state.target ? score_again : score_once);
        state.entries[victim].ghost = true;
        drop(victim);
    }
}

/* Clairvoyant, greedy: whose next use is farthest by what it costs a byte. No order of evictions that knows the future need be better by much, but it is no bound (bound.h has one). */
static double score_future(int model)
{
    int next = state.entries[model].next;
    double wait = next == REQUESTS_MAX ? 1e12 : trace.requests[next].time - state.clock + 1;
    return trace.models[model].cost / trace.models[model].bytes / wait;
}
static void evict_clairvoyant(int wanted, double now)
{
    state.clock = now;
    while (is_full(wanted))
        drop(least(score_future));
}

static const struct {
    const char *name;
    void (*evict)(int wanted, double now);
} policies[] = {{"cost", evict_cost}, {"lru", evict_lru}, {"lfu", evict_lfu}, {"gdsf", evict_gdsf}, {"s3fifo", evict_s3fifo}, {"arc", evict_arc}, {"clairvoyant", evict_clairvoyant}};

static void use(int at)
{
    const struct request *request = &trace.requests[at];
    struct entry *entry = &state.entries[request->model];
    entry->heat = hst_cache_cool(entry->heat, request->time - entry->last) + 1;
    entry->last = request->time;
    entry->seq = ++state.seq;
    entry->next = trace.next[at];
    entry->uses++;
}

static void admit(int at, void (*evict)(int wanted, double now))
{
    int model = trace.requests[at].model;
    struct entry *entry = &state.entries[model];
    bool again = entry->ghost;
    if (trace.models[model].bytes > state.capacity) return;
    if (is_full(model)) evict(model, trace.requests[at].time);
    entry->resident = true;
    entry->small = !again;
    entry->twice = again;
    entry->ghost = false;
    entry->uses = 0;
    entry->inserted = (double)++state.seq;
    state.used += trace.models[model].bytes;
    if (entry->small) state.small_bytes += trace.models[model].bytes;
}

/* @return seconds of loading */
static double run(double capacity, void (*evict)(int wanted, double now), double *ret_hit_rate)
{
    double seconds = 0;
    int hits = 0;
    memset(&state, 0, sizeof state);
    state.capacity = capacity;
    for (int i = 0; i < trace.count; i++) {
        int model = trace.requests[i].model;
        struct entry *entry = &state.entries[model];
        if (entry->resident) {
            hits++;
            entry->twice = true;
        } else {
            seconds += trace.models[model].cost;
            admit(i, evict);
        }
        use(i);
        double clock = evict == evict_gdsf ? state.clock : 0;
        entry->priority = clock + entry->heat * trace.models[model].cost / trace.models[model].bytes;
    }
    *ret_hit_rate = (double)hits / trace.count;
    return seconds;
}

static double compulsory(void)
{
    bool seen[MODELS_MAX] = {false};
    double seconds = 0;
    for (int i = 0; i < trace.count; i++) {
        int model = trace.requests[i].model;
        seconds += seen[model] ? 0 : trace.models[model].cost;
        seen[model] = true;
    }
    return seconds;
}

static double moment(int at, bool in_requests)
{
    return in_requests ? at : trace.requests[at].time;
}

/* @return seconds of loading that no cache of this size can do without, time counted in seconds or in requests: both hold */
static double least_seconds(double capacity, bool in_requests)
{
    static struct bound_interval intervals[REQUESTS_MAX];
    size_t count = 0;
    double seconds = 0;
    for (int i = 0; i < trace.count; i++) {
        const struct model *model = &trace.models[trace.requests[i].model];
        seconds += model->cost;
        if (trace.next[i] == REQUESTS_MAX || model->bytes > capacity) continue;
        intervals[count++] = (struct bound_interval){model->bytes, moment(trace.next[i], in_requests) - moment(i, in_requests), model->cost};
    }
    return seconds - bound_saved(intervals, count, capacity, moment(trace.count - 1, in_requests) - moment(0, in_requests));
}

static void report(size_t family, const char *seed)
{
    static const double shares[] = {0.05, 0.1, 0.2, 0.4};
    double total = 0;
    for (int i = 0; i < trace.model_count; i++)
        total += trace.models[i].bytes;
    for (size_t s = 0; s < sizeof shares / sizeof shares[0]; s++) {
        for (size_t p = 0; p < sizeof policies / sizeof policies[0]; p++) {
            double hit_rate, seconds = run(shares[s] * total, policies[p].evict, &hit_rate);
            printf("%s %s %.2f %s %.1f %.4f\n", families[family].name, seed, shares[s], policies[p].name, seconds, hit_rate);
        }
        double bound = fmax(least_seconds(shares[s] * total, false), least_seconds(shares[s] * total, true));
        printf("%s %s %.2f bound %.1f 0\n", families[family].name, seed, shares[s], bound);
        printf("%s %s %.2f infinite %.1f 0\n", families[family].name, seed, shares[s], compulsory());
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        for (size_t family = 0; family < sizeof families / sizeof families[0]; family++) {
            make_trace(family, strtoull(argv[i], NULL, 10));
            report(family, argv[i]);
        }
    return argc > 1 ? 0 : 2;
}
