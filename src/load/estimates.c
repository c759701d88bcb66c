#include "load/estimates.h"

#include "load/limits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a load that is all beginnings and ends: its time says nothing about the speed of bytes. */
#define SMALL_BYTES UINT64_C(4194304)
/* The newest counts for so much once there are enough; the first ones for their mean. */
static const double newest = 0.25;
/* So much nearer is what is far from all others: ln 4. A load that waited for a busy disk is not how it is. */
static const double reach = 1.386;
/* As long as no estimate was measured it may be wrong by a factor of two: ln 2. */
static const double first_error = 0.693;
enum { EXACT_LOADS = 2 }; /* of a model, before what is known of it counts more than what is known of its kind of work */

/* ---- one speed ---- */

static double weight_of(unsigned count)
{
    return fmax(newest, 1.0 / (count + 1.0));
}

static void draw(double *mean, double value, unsigned count)
{
    *mean += weight_of(count) * (value - *mean);
}

static double near(double mean, double value, unsigned count)
{
    return count == 0 ? value : fmin(mean + reach, fmax(mean - reach, value));
}

void hst_speed_learn(struct hst_speed *speed, uint64_t bytes, double ms)
{
    double log_speed = log((double)bytes / fmax(ms, 1e-3));
    if (bytes == 0) return;
    if (bytes >= SMALL_BYTES) {
        draw(&speed->log_speed, near(speed->log_speed, log_speed, speed->large), speed->large);
        speed->large++;
        return;
    }
    if (speed->large == 0) draw(&speed->log_speed, log_speed, speed->small);
    draw(&speed->small_ms, speed->small == 0 ? ms : fmin(ms, 4 * speed->small_ms), speed->small);
    speed->small++;
}

double hst_speed_expect(const struct hst_speed *speed, uint64_t bytes)
{
    if (bytes == 0) return 0;
    if (bytes < SMALL_BYTES && speed->small > 0) return speed->small_ms;
    return speed->large + speed->small > 0 ? (double)bytes / exp(speed->log_speed) : -1;
}

/* ---- the table ---- */

/* Of a model, or of a kind of work; words are apart by a byte that is in none of them. */
static void make_keys(const struct hst_workload *load, char exact[256], char kind[256])
{
    snprintf(exact, 256, "%s\n%s\n%s", load->model_id, load->device_id, load->precision);
    snprintf(kind, 256, "\n%s\n%s\n%llu", load->device_id, load->precision[0] != '\0' ? "converted" : "", (unsigned long long)load->disk);
}

static struct hst_experience *find_or_add(struct hst_estimates *estimates, const char *key)
{
    struct hst_experience *found = hst_map_get_str(&estimates->by_key, key);
    if (found != NULL || estimates->by_key.count >= HST_EXPERIENCES_MAX) return found;
    found = calloc(1, sizeof *found + strlen(key) + 1);
    if (found == NULL) return NULL;
    memcpy(found->key, key, strlen(key) + 1);
    if (hst_map_put_str(&estimates->by_key, found->key, found) == HST_OK) return found;
    free(found);
    return NULL;
}

static unsigned count_of(const struct hst_experience *known, enum hst_origin source)
{
    return known != NULL ? known->speeds[source].large + known->speeds[source].small : 0;
}

/* @return the experience to trust for this source, or NULL */
static const struct hst_experience *choose(const struct hst_experience *exact, const struct hst_experience *kind, enum hst_origin source)
{
    unsigned of_kind = count_of(kind, source), of_exact = count_of(exact, source);
    if (of_exact >= EXACT_LOADS || (of_exact > 0 && of_kind == 0)) return exact;
    return of_kind > 0 ? kind : NULL;
}

/* What a part of the bytes takes. *error grows to that of what it was taken from. @return ms, or negative */
static double expect_part(const struct hst_experience *known, enum hst_origin source, uint64_t bytes, double *error)
{
    if (bytes == 0) return 0;
    if (known == NULL) return -1;
    *error = fmax(*error, known->error > 0 ? known->error : first_error);
    return hst_speed_expect(&known->speeds[source], bytes);
}

/* Mostly one or the other: a few pages of a header are in memory always. */
static const char *name_of(const struct hst_workload *load)
{
    if (load->bytes == 0) return "";
    if (load->from_ram) return "ram";
    if (load->warm_share >= 0.875) return "warm";
    return load->warm_share <= 0.125 ? "cold" : "mixed";
}

struct hst_estimate hst_estimates_make(const struct hst_estimates *estimates, const struct hst_workload *load)
{
    char keys[2][256];
    struct hst_estimate estimate = {.expected_ms = -1, .margin_ms = -1, .measured_ms = -1, .source = name_of(load)};
    make_keys(load, keys[0], keys[1]);
    const struct hst_experience *exact = hst_map_get_str(&estimates->by_key, keys[0]), *kind = hst_map_get_str(&estimates->by_key, keys[1]);
    uint64_t ram = load->from_ram ? load->bytes : 0, warm = (uint64_t)((double)(load->bytes - ram) * load->warm_share);
    const uint64_t parts[HST_ORIGIN_COUNT] = {load->bytes - ram - warm, warm, ram};
    double ms = 0, error = 0;
    for (int source = 0; source < HST_ORIGIN_COUNT; source++) {
        double part = expect_part(choose(exact, kind, (enum hst_origin)source), (enum hst_origin)source, parts[source], &error);
        if (part < 0) return estimate;
        ms += part;
    }
    estimate.expected_ms = ms;
    estimate.margin_ms = ms * (exp(2 * error) - 1);
    return estimate;
}

static void note_error(struct hst_experience *known, double error, const struct hst_estimate *estimate)
{
    if (error >= 0) draw(&known->error, error, known->error > 0 ? (unsigned)fmin(8, (double)known->loads) : 0);
    known->loads++;
    known->last = *estimate;
}

/* A mixed load teaches no speed: which part took how long is not known. */
static void teach(struct hst_experience *known, const struct hst_workload *load, const struct hst_estimate *estimate, double error)
{
    static const char *const names[HST_ORIGIN_COUNT] = {"cold", "warm", "ram"};
    for (int source = 0; source < HST_ORIGIN_COUNT; source++)
        if (strcmp(estimate->source, names[source]) == 0) hst_speed_learn(&known->speeds[source], load->bytes, estimate->measured_ms);
    note_error(known, error, estimate);
}

void hst_estimates_learn(struct hst_estimates *estimates, const struct hst_workload *load, const struct hst_estimate *estimate)
{
    char keys[2][256];
    double error = -1;
    make_keys(load, keys[0], keys[1]);
    if (load->bytes == 0) return;
    if (estimate->expected_ms > 0) {
        error = fabs(log(fmax(estimate->measured_ms, 1e-3) / estimate->expected_ms));
        draw(&estimates->error, error, (unsigned)fmin(8, (double)estimates->count++));
    }
    struct hst_experience *exact = find_or_add(estimates, keys[0]), *kind = find_or_add(estimates, keys[1]);
    if (kind != NULL) teach(kind, load, estimate, error);
    if (exact == NULL) return;
    snprintf(exact->model_id, sizeof exact->model_id, "%s", load->model_id);
    snprintf(exact->device_id, sizeof exact->device_id, "%s", load->device_id);
    snprintf(exact->precision, sizeof exact->precision, "%s", load->precision);
    teach(exact, load, estimate, error);
}

const struct hst_experience *hst_estimates_next(const struct hst_estimates *estimates, const char *model_id, size_t *cursor)
{
    for (const struct hst_experience *known; (known = hst_map_next(&estimates->by_key, cursor)) != NULL;)
        if (strcmp(known->model_id, model_id) == 0) return known;
    return NULL;
}

void hst_estimates_fini(struct hst_estimates *estimates)
{
    size_t cursor = 0;
    for (struct hst_experience *known; (known = hst_map_next(&estimates->by_key, &cursor)) != NULL;)
        free(known);
    hst_map_fini(&estimates->by_key);
    *estimates = (struct hst_estimates){0};
}
