#ifndef HST_OS_PRIORITY_H
#define HST_OS_PRIORITY_H
/** @file
 * How much a thread's work matters to the machine. */

/** From now on the calling thread computes and reads only when nobody else wants to (SCHED_IDLE, I/O class idle). There is no way back for
 * it; where the kernel refuses, it stays as it is. Cheap when it was called before. */
void hst_priority_background(void);
/** From now on the calling thread gets a tenth of the processor when others want it, too (nice 10): for long work that somebody waits for. */
void hst_priority_low(void);
#endif
