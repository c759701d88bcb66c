#ifndef HST_DAEMON_BUDGET_H
#define HST_DAEMON_BUDGET_H
/** @file
 * How much of the machine's memory hoist may use, and how much of it stays free: the settings `ram` and `reserve`. */
#include "daemon/settings.h"

/** Read them against what the machine, or the cgroup, has. `auto` of the reserve is a fiftieth, at least 128 MiB and at most 2 GiB; `auto` of the RAM gives
 * way to the reserve. HST_E_CONFIG with the figures when the two are more than there is. */
int hst_budget_read(const struct hst_settings *settings, uint64_t total_bytes, uint64_t *ret_ram_bytes, uint64_t *ret_reserve_bytes, struct hst_error *err);
#endif
