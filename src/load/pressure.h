#ifndef HST_LOAD_PRESSURE_H
#define HST_LOAD_PRESSURE_H
/** @file
 * The watch over the machine's memory. It looks once a second, ten times while memory is short, and when the kernel tells that tasks wait for memory.
 *
 *     enough --- less than the reserve is available, or twice of it while tasks wait (PSI) ---> short: give back, look again
 *     short  --- the reserve is there ------------------------------------------------------> enough
 */
#include "load/load.h"

/** The watch. */
struct hst_pressure_watch;

/** Begin. *ret_watch is owned by the caller: hst_pressure_watch_free. */
int hst_pressure_watch_new(struct hst_loader *loader, struct hst_pressure_watch **ret_watch, struct hst_error *err);
/** How the machine stands now. */
struct hst_shortage hst_pressure_watch_now(const struct hst_pressure_watch *watch);
/** End; runs the loop until its handles are closed. NULL is fine. */
void hst_pressure_watch_free(struct hst_pressure_watch *watch);
#endif
