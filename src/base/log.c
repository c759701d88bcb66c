#include "base/log.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const names[] = {"error", "warn", "info", "debug"};
static _Atomic(int) shown = HST_LOG_INFO;

void hst_log_set_level(enum hst_log_level level)
{
    shown = (int)level;
}

int hst_log_level_parse(const char *name)
{
    for (int i = 0; i < 4; i++)
        if (strcmp(names[i], name) == 0) return i;
    return -1;
}

void hst_log(enum hst_log_level level, const char *topic, const char *format, ...)
{
    if ((int)level > shown) return;
    char raw[1024], safe[1280], when[32];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    hst_utf8_escape(raw, strlen(raw), safe, sizeof safe);
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    fprintf(stderr, "%s %-5s %s: %s\n", when, names[level], topic, safe);
}
