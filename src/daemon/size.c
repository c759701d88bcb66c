#include "daemon/size.h"

#include "base/checked.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *suffix;
    uint64_t factor;
} units[] = {
    {"", 1},          {"B", 1},           {"K", 1ULL << 10},  {"M", 1ULL << 20},  {"G", 1ULL << 30},  {"T", 1ULL << 40},
    {"KB", 1ULL << 10}, {"MB", 1ULL << 20}, {"GB", 1ULL << 30}, {"TB", 1ULL << 40}, {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20},
    {"GiB", 1ULL << 30}, {"TiB", 1ULL << 40},
};

static int bad(const char *text, struct hst_error *err)
{
    return hst_error_set(err, HST_E_CONFIG, "'%s' is not a size; write 512M, 24G, 80%% or auto", text);
}

static bool share(uint64_t percent, uint64_t whole, uint64_t *ret_bytes)
{
    if (percent > 100) return false;
    *ret_bytes = whole / 100 * percent;
    return true;
}

/* `suffix` is a unit or "%". */
static bool scale(uint64_t number, const char *suffix, uint64_t whole, uint64_t *ret_bytes)
{
    if (strcmp(suffix, "%") == 0) return share(number, whole, ret_bytes);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(suffix, units[i].suffix) == 0) return hst_checked_mul(number, units[i].factor, ret_bytes);
    return false;
}

int hst_size_parse(const char *text, uint64_t whole_bytes, uint64_t *ret_bytes, struct hst_error *err)
{
    if (strcmp(text, "auto") == 0) return hst_size_parse("60%", whole_bytes, ret_bytes, err);
    if (text[0] < '0' || text[0] > '9') return bad(text, err);
    char *suffix;
    uint64_t number = strtoull(text, &suffix, 10), bytes;
    if (!scale(number, suffix, whole_bytes, &bytes) || bytes == 0) return bad(text, err);
    *ret_bytes = bytes;
    return HST_OK;
}
