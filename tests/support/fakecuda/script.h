#ifndef FAKECUDA_SCRIPT_H
#define FAKECUDA_SCRIPT_H
/* What tests want the double to do otherwise: $FAKECUDA_SCRIPT, read again whenever it changed. README.md has the language. */
#include <stdbool.h>
#include <stdint.h>

/* What is to become of the call, and of the work that it queues. */
struct fake_fate {
    int result;        /* return this instead of doing it; 0 = do it */
    bool is_sticky;    /* ... and go on returning it */
    unsigned delay_ms; /* the call takes so much longer (done by fake_script_call) */
    bool is_hung;      /* the call never returns (likewise) */
    unsigned slow_ms;  /* its work on the stream takes so much longer */
    bool is_stalled;   /* its work never ends */
    int late_result;   /* its work fails with this, which is sticky; 0 = it does not */
};

/* A function is called: counts it, waits or ends the process when the script says so, and tells its fate. */
void fake_script_call(const char *function, struct fake_fate *ret_fate);
/* Is the card lost? With the result that calls give then. */
bool fake_script_is_lost(const char *uuid, int *ret_result);
/* A figure that the script sets ("set NAME VALUE"), or `otherwise`. */
uint64_t fake_script_figure(const char *name, uint64_t otherwise);
#endif
