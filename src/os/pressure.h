#ifndef HST_OS_PRESSURE_H
#define HST_OS_PRESSURE_H
/** @file
 * How long tasks wait for memory: the kernel's pressure stall information (PSI), of the machine and of our cgroup. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Shares of the last ten seconds, in percent. */
struct hst_pressure {
    bool known;        /**< does the kernel say? */
    double some_avg10; /**< some task waited */
    double full_avg10; /**< all of them did */
};

/** Read a file of PSI. Nothing of it is trusted. @return is it one? */
bool hst_pressure_parse(const char *text, struct hst_pressure *ret_pressure);
/** The worse of what the machine and our cgroup (v2) say now. */
struct hst_pressure hst_pressure_read(void);

/** Most triggers: the machine and our cgroup. */
#define HST_PRESSURE_TRIGGERS 2u
/** What the kernel was asked to tell. */
struct hst_pressure_trigger {
    int fds[HST_PRESSURE_TRIGGERS]; /**< ready with POLLPRI when it tells; owned */
    size_t count;                   /**< of fds; 0 = it tells nothing, one has to look */
};
/** Ask to be told when some task waited for `stall_ms` of `window_ms` (500 to 10000; multiples of 2000 need no privilege). */
struct hst_pressure_trigger hst_pressure_arm(unsigned stall_ms, unsigned window_ms);
/** Ask no more. */
void hst_pressure_disarm(struct hst_pressure_trigger *trigger);
#endif
