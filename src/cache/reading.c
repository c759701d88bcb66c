#include "cache/reading.h"

#include <stdio.h>
#include <string.h>

int hst_reading_init(struct hst_reading *reading, const char *force, unsigned threads, struct hst_error *err)
{
    bool buffered = force != NULL && strcmp(force, "buffered") == 0, alone = force != NULL && strcmp(force, "threads") == 0;
    struct hst_error reason = {0};
    if (force != NULL && !buffered && !alone) return hst_error_set(err, HST_E_CONFIG, "there is no way of reading '%s'", force);
    *reading = (struct hst_reading){.past = !buffered};
    if (force != NULL)
        hst_error_set(&reason, HST_E_CONFIG, "switched off");
    else
        (void)hst_rings_new(threads, &reading->rings, &reason);
    snprintf(reading->why_not, sizeof reading->why_not, "%.159s", reason.text);
    return HST_OK;
}

void hst_reading_fini(struct hst_reading *reading)
{
    hst_rings_free(reading->rings);
    *reading = (struct hst_reading){0};
}

const char *hst_reading_method(const struct hst_reading *reading, bool direct)
{
    if (!direct || !reading->past) return "buffered";
    return reading->rings != NULL ? "io_uring" : "threads";
}
