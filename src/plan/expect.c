#include "plan/expect.h"

#include "plan/limits.h"

#include <stddef.h>

enum { KINDS = 3 };

/* A kind of bytes, and the rate at which they come. */
struct kind {
    uint64_t bytes;
    double rate;
};

uint64_t hst_plan_amount_total(const struct hst_plan_amount *amount)
{
    return amount->cold_bytes + amount->warm_bytes + amount->converted_bytes;
}

double hst_plan_expect(const struct hst_plan_rates *rates, const struct hst_plan_amount *amount)
{
    const struct kind kinds[KINDS] = {{amount->cold_bytes, rates->cold}, {amount->warm_bytes, rates->warm}, {amount->converted_bytes, rates->converted}};
    double ms = rates->fixed_ms;
    if (rates->fixed_ms <= 0) return -1;
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].bytes > 0 && kinds[i].rate <= 0) return -1;
        if (kinds[i].bytes > 0) ms += (double)kinds[i].bytes / kinds[i].rate;
    }
    return ms;
}

static void average(double *value, double measured)
{
    *value = *value > 0 ? (*value + measured) / 2 : measured;
}

void hst_plan_learn(struct hst_plan_rates *rates, const struct hst_plan_amount *amount, double reading_ms, double fixed_ms)
{
    const uint64_t bytes[KINDS] = {amount->cold_bytes, amount->warm_bytes, amount->converted_bytes};
    double *const values[KINDS] = {&rates->cold, &rates->warm, &rates->converted};
    uint64_t total = hst_plan_amount_total(amount);
    if (fixed_ms > 0) average(&rates->fixed_ms, fixed_ms);
    if (total < HST_PLAN_MEASURED_MIN || reading_ms <= 0) return;
    for (size_t i = 0; i < KINDS; i++)
        if (bytes[i] >= total - total / 16) average(values[i], (double)total / reading_ms);
}
