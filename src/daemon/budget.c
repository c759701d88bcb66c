#include "daemon/budget.h"

#include "base/checked.h"
#include "daemon/size.h"

#include <string.h>

/** Least and most of the reserve when nobody says one: below the least the kernel kills; the most is room for a desktop's bursts. */
#define RESERVE_LEAST UINT64_C(134217728)
/** See RESERVE_LEAST. */
#define RESERVE_MOST UINT64_C(2147483648)
/** Which part of the machine it is in between. */
#define RESERVE_PART 50u

static bool is_auto(const char *text)
{
    return strcmp(text, "auto") == 0;
}

static int read_reserve(const char *text, uint64_t total, uint64_t *ret_bytes, struct hst_error *err)
{
    uint64_t bytes = hst_min_u64(hst_max_u64(total / RESERVE_PART, RESERVE_LEAST), RESERVE_MOST);
    if (!is_auto(text)) HST_TRY(hst_size_parse(text, total, &bytes, err));
    if (bytes >= total)
        return hst_error_set(err, HST_E_CONFIG, "the reserve of %llu bytes is all that the machine or its cgroup has (%llu)", (unsigned long long)bytes, (unsigned long long)total);
    *ret_bytes = bytes;
    return HST_OK;
}

int hst_budget_read(const struct hst_settings *settings, uint64_t total_bytes, uint64_t *ret_ram_bytes, uint64_t *ret_reserve_bytes, struct hst_error *err)
{
    const char *text = hst_settings_get(settings, "ram");
    uint64_t ram, reserve;
    HST_TRY(hst_size_parse(text, total_bytes, &ram, err));
    HST_TRY(read_reserve(hst_settings_get(settings, "reserve"), total_bytes, &reserve, err));
    if (is_auto(text)) ram = hst_min_u64(ram, total_bytes - reserve);
    if (ram > total_bytes - reserve)
        return hst_error_set(err, HST_E_CONFIG, "ram is %llu bytes, but the machine or its cgroup has %llu, of which %llu are the reserve: at most %llu, or a smaller reserve",
                             (unsigned long long)ram, (unsigned long long)total_bytes, (unsigned long long)reserve, (unsigned long long)(total_bytes - reserve));
    *ret_ram_bytes = ram;
    *ret_reserve_bytes = reserve;
    return HST_OK;
}
