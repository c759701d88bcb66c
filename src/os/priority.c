#include "os/priority.h"

#include <sched.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/ioprio.h, which older headers lack. */
enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_CLASS_SHIFT = 13, IOPRIO_CLASS_IDLE = 3 };

void hst_priority_background(void)
{
    static _Thread_local bool done;
    if (done) return;
    done = true;
    (void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}); /* 0 is the calling thread, for all three */
    (void)setpriority(PRIO_PROCESS, 0, 19);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT);
}

void hst_priority_low(void)
{
    static _Thread_local bool done;
    if (done) return;
    done = true;
    (void)setpriority(PRIO_PROCESS, 0, 10);
}
