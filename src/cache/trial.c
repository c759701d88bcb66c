#include "cache/trial.h"

#include "os/clock.h"
#include "os/view.h"

#include <math.h>

enum { ROUNDS = 3, PAGE = 4096 };

/* The first touch of every page of a fresh mapping. @return ms, or infinity */
static double touch(int fd)
{
    struct hst_view view = {0};
    if (hst_view_map(fd, 0, HST_TRIAL_BYTES, false, &view, NULL) < 0) return INFINITY;
    uint64_t began = hst_clock_ns();
    for (uint64_t at = 0; at < HST_TRIAL_BYTES; at += PAGE)
        (void)((volatile const char *)view.address)[at];
    double ms = hst_clock_ms_since(began);
    hst_view_unmap(&view);
    return ms;
}

/* The memory comes as it would for a load, whatever it then is called. */
static double measure(enum hst_backing kind, struct hst_tmpfs *tmpfs)
{
    struct hst_memfd memory;
    enum hst_backing became;
    double best = INFINITY;
    if (hst_backing_allocate(kind, tmpfs, HST_TRIAL_BYTES, &memory, &became, NULL) < 0) return 0;
    for (uint64_t at = 0; at < HST_TRIAL_BYTES; at += PAGE)
        ((volatile char *)memory.address)[at] = 1;
    for (int i = 0; i < ROUNDS; i++)
        best = fmin(best, touch(memory.fd));
    hst_memfd_fini(&memory);
    return isfinite(best) ? fmax(best, 1e-6) * 1024 * 1048576 / (double)HST_TRIAL_BYTES : 0;
}

/* So many times the cost of the best so far a kind may have: huge pages must show, and memory that gives parts of itself back is worth something. */
static const double worth[HST_BACKING_COUNT] = {[HST_BACKING_TMPFS_HUGE] = 2, [HST_BACKING_MEMFD_HUGE] = 0.5, [HST_BACKING_PAGES] = 1};

enum hst_backing hst_trial_best(const struct hst_trial *trial)
{
    enum hst_backing best = HST_BACKING_PAGES;
    for (int kind = HST_BACKING_PAGES; kind >= HST_BACKING_TMPFS_HUGE; kind--) {
        double cost = trial->touch_ms_per_gib[kind], least = trial->touch_ms_per_gib[best];
        if (cost > 0 && (least <= 0 || cost <= worth[kind] * least)) best = (enum hst_backing)kind;
    }
    return best;
}

void hst_trial_run(struct hst_tmpfs *tmpfs, struct hst_trial *ret_trial)
{
    *ret_trial = (struct hst_trial){0};
    for (int kind = HST_BACKING_TMPFS_HUGE; kind < HST_BACKING_COUNT; kind++)
        if (kind != HST_BACKING_TMPFS_HUGE || tmpfs != NULL) ret_trial->touch_ms_per_gib[kind] = measure((enum hst_backing)kind, tmpfs);
    ret_trial->best = hst_trial_best(ret_trial);
}
