#include "os/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t now_ns(clockid_t clock)
{
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t hst_clock_ns(void)
{
    return (uint64_t)now_ns(CLOCK_BOOTTIME);
}

double hst_clock_ms_since(uint64_t start_ns)
{
    return (double)(hst_clock_ns() - start_ns) / 1e6;
}

int64_t hst_clock_wall_ns(void)
{
    return now_ns(CLOCK_REALTIME);
}

void hst_clock_format(int64_t wall_ns, char *out, size_t out_size)
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    char date[24];
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out, out_size, "%s.%03dZ", date, (int)(wall_ns / 1000000 % 1000));
}
