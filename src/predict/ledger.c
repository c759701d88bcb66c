#include "predict/ledger.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {"learning", "on", "off"};

const char *hst_ledger_state_name(enum hst_ledger_state state)
{
    return names[state];
}

enum hst_ledger_state hst_ledger_state_of(const char *name)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(names[i], name) == 0) return (enum hst_ledger_state)i;
    return HST_LEDGER_LEARNING;
}

struct hst_ledger_open *hst_ledger_find(struct hst_ledger *ledger, const char *key)
{
    for (size_t i = 0; i < ledger->open_count; i++)
        if (strcmp(ledger->open[i].key, key) == 0) return &ledger->open[i];
    return NULL;
}

bool hst_ledger_enter(struct hst_ledger *ledger, const char *key, double now_s, double load_s)
{
    size_t length = strlen(key);
    if (length >= HST_PATTERN_KEY_MAX || ledger->open_count == HST_LEDGER_OPEN_MAX || hst_ledger_find(ledger, key) != NULL) return false;
    struct hst_ledger_open *open = &ledger->open[ledger->open_count++];
    *open = (struct hst_ledger_open){.since_s = now_s, .load_s = load_s, .loads = ledger->state == HST_LEDGER_IS_ON};
    memcpy(open->key, key, length + 1);
    ledger->score.made++;
    return open->loads;
}

void hst_ledger_loaded(struct hst_ledger *ledger, const char *key, double load_s, uint64_t bytes)
{
    struct hst_ledger_open *open = hst_ledger_find(ledger, key);
    ledger->score.loaded++;
    if (open == NULL || !open->loads) { /* it was used, or its time was over, before it was there */
        ledger->score.wasted_s += load_s;
        ledger->score.wasted_bytes += bytes;
        return;
    }
    open->load_s = load_s;
    open->bytes = bytes;
}

void hst_ledger_gave_up(struct hst_ledger *ledger, const char *key, double load_s, uint64_t bytes)
{
    struct hst_ledger_open *open = hst_ledger_find(ledger, key);
    ledger->score.wasted_s += load_s;
    ledger->score.wasted_bytes += bytes;
    if (open != NULL) open->loads = false;
}

/* By the evidence so far. */
static void decide(struct hst_ledger *ledger)
{
    struct hst_ledger_score *score = &ledger->score;
    double all = score->recent_right + score->recent_wrong;
    enum hst_ledger_state before = ledger->state;
    if (score->recent < HST_LEDGER_LEAST * HST_LEDGER_KEEP * HST_LEDGER_KEEP || all <= 0) return;
    if (score->recent_right >= HST_LEDGER_ON * all) ledger->state = HST_LEDGER_IS_ON;
    if (score->recent_right < HST_LEDGER_OFF * all) ledger->state = HST_LEDGER_IS_OFF;
    score->switches += before != ledger->state;
}

/* Evidence fades with time, too. Without any it is as in the beginning: nothing is brought in on what was true once. */
static void fade(struct hst_ledger *ledger, double now_s, double keep)
{
    struct hst_ledger_score *score = &ledger->score;
    if (now_s > score->recent_until_s && score->recent_until_s > 0) keep *= exp2((score->recent_until_s - now_s) / HST_LEDGER_HALF_S);
    score->recent *= keep;
    score->recent_right *= keep;
    score->recent_wrong *= keep;
    score->recent_until_s = now_s;
    if (score->recent >= 1 || ledger->state == HST_LEDGER_LEARNING) return;
    score->recent = score->recent_right = score->recent_wrong = 0;
    ledger->state = HST_LEDGER_LEARNING;
    score->switches++;
}

/* Those that save nearly nothing count a little, too. */
static void learn(struct hst_ledger *ledger, double load_s, double now_s, bool right)
{
    struct hst_ledger_score *score = &ledger->score;
    double weight = fmax(load_s, 0.01);
    fade(ledger, now_s, HST_LEDGER_KEEP);
    score->recent++;
    *(right ? &score->recent_right : &score->recent_wrong) += weight;
    score->hits += right;
    score->misses += !right;
    decide(ledger);
}

static void count_bytes(struct hst_ledger_score *score, const struct hst_ledger_open *open, bool used)
{
    *(used ? &score->saved_s : &score->wasted_s) += open->load_s;
    *(used ? &score->saved_bytes : &score->wasted_bytes) += open->bytes;
}

/* Take it out. */
static struct hst_ledger_open end(struct hst_ledger *ledger, struct hst_ledger_open *open)
{
    struct hst_ledger_open ended = *open;
    *open = ledger->open[--ledger->open_count];
    return ended;
}

static bool is_in_time(const struct hst_ledger_open *open, double now_s)
{
    return now_s - open->since_s <= HST_PREDICT_HORIZON_S && now_s >= open->since_s;
}

/* It was used while its prediction was open: the prediction is right when somebody would have had to wait, or would not have had to. */
static void settle(struct hst_ledger *ledger, const struct hst_ledger_open *ended, double now_s, double waited_s)
{
    bool was_ahead = ended->bytes > 0, waited = waited_s > 0;
    if (!was_ahead && !waited) return; /* it came in by another way: nothing is proved */
    bool good = was_ahead != waited;   /* both: it was gone again */
    if (was_ahead) count_bytes(&ledger->score, ended, good);
    ledger->score.foreseen += good;
    learn(ledger, waited && good ? waited_s : ended->load_s, now_s, good);
}

void hst_ledger_use(struct hst_ledger *ledger, const char *key, double now_s, double waited_s)
{
    hst_ledger_expire(ledger, now_s);
    struct hst_ledger_open *open = hst_ledger_find(ledger, key);
    ledger->score.needed += waited_s > 0 || (open != NULL && open->bytes > 0);
    if (open == NULL) return;
    struct hst_ledger_open ended = end(ledger, open);
    settle(ledger, &ended, now_s, waited_s);
}

void hst_ledger_expire(struct hst_ledger *ledger, double now_s)
{
    for (size_t i = 0; i < ledger->open_count; i++) {
        if (is_in_time(&ledger->open[i], now_s)) continue;
        struct hst_ledger_open ended = end(ledger, &ledger->open[i--]);
        if (ended.bytes > 0) count_bytes(&ledger->score, &ended, false);
        learn(ledger, ended.load_s, now_s, false);
    }
    fade(ledger, now_s, 1);
}

double hst_ledger_precision(const struct hst_ledger *ledger)
{
    uint64_t ended = ledger->score.hits + ledger->score.misses;
    return ended > 0 ? (double)ledger->score.hits / (double)ended : -1;
}

double hst_ledger_recall(const struct hst_ledger *ledger)
{
    return ledger->score.needed > 0 ? (double)ledger->score.foreseen / (double)ledger->score.needed : -1;
}
