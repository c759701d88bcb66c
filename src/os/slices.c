#include "os/slices.h"

#include "os/clock.h"

static void on_turn(uv_idle_t *idle)
{
    struct hst_slices *slices = idle->data;
    uint64_t start = hst_clock_ns();
    do
        if (!slices->step(slices->context)) {
            uv_idle_stop(idle);
            return;
        }
    while (hst_clock_ns() - start < HST_SLICE_NS);
}

int hst_slices_init(struct hst_slices *slices, uv_loop_t *loop, hst_slices_fn step, void *context, struct hst_error *err)
{
    if (uv_idle_init(loop, &slices->idle) < 0) return hst_error_set(err, HST_E_INTERNAL, "cannot make an idle handle");
    slices->idle.data = slices;
    slices->step = step;
    slices->context = context;
    slices->open = true;
    return HST_OK;
}

void hst_slices_go(struct hst_slices *slices)
{
    uv_idle_start(&slices->idle, on_turn);
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_slices *)handle->data)->open = false;
}

void hst_slices_fini(struct hst_slices *slices)
{
    if (!slices->open) return;
    uv_loop_t *loop = slices->idle.loop;
    uv_close((uv_handle_t *)&slices->idle, on_closed);
    while (slices->open)
        uv_run(loop, UV_RUN_ONCE);
}
