#include "device/layout.h"

#include "base/checked.h"

#include <stdlib.h>

/* A layout under construction: the segment that is open, and how much of it is taken. */
struct drawing {
    struct hst_device_layout *layout;
    uint64_t granularity;
    uint64_t used;
};

/* `unit` is a power of two. */
static bool align(uint64_t value, uint64_t unit, uint64_t *ret_aligned)
{
    uint64_t sum;
    if (!hst_checked_add(value, unit - 1, &sum)) return false;
    *ret_aligned = hst_round_down(sum, unit);
    return true;
}

/* Nothing of what is closed moves any more. */
static int close_segment(struct drawing *drawing)
{
    struct hst_device_layout *layout = drawing->layout;
    uint64_t size;
    if (drawing->used == 0) return HST_OK;
    if (!align(drawing->used, drawing->granularity, &size) || !hst_checked_add(layout->size_bytes, size, &layout->size_bytes)) return HST_E_LIMIT_EXCEEDED;
    layout->segment_bytes[layout->segment_count++] = size;
    drawing->used = 0;
    return HST_OK;
}

static int place(struct drawing *drawing, uint64_t size, struct hst_device_spot *ret_spot)
{
    uint64_t begin, end;
    if (!align(drawing->used, HST_DEVICE_ALIGNMENT, &begin) || !hst_checked_add(begin, size, &end)) return HST_E_LIMIT_EXCEEDED;
    if (drawing->used > 0 && end > HST_DEVICE_SEGMENT_BYTES) {
        HST_TRY(close_segment(drawing));
        begin = 0;
        end = size;
    }
    *ret_spot = (struct hst_device_spot){(uint32_t)drawing->layout->segment_count, begin};
    drawing->used = end;
    return HST_OK;
}

static int draw(struct drawing *drawing, const uint64_t *sizes, const bool *elsewhere, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (sizes[i] > 0 && (elsewhere == NULL || !elsewhere[i])) HST_TRY(place(drawing, sizes[i], &drawing->layout->spots[i]));
    return close_segment(drawing);
}

int hst_device_layout_make(const uint64_t *sizes, const bool *elsewhere, size_t count, uint64_t granularity, struct hst_device_layout *ret_layout,
                           struct hst_error *err)
{
    struct hst_device_layout layout = {.segment_bytes = calloc(count + 1, sizeof *layout.segment_bytes), .spots = calloc(count + 1, sizeof *layout.spots)};
    struct drawing drawing = {&layout, granularity, 0};
    int status = layout.segment_bytes != NULL && layout.spots != NULL ? draw(&drawing, sizes, elsewhere, count) : HST_E_NOMEM;
    if (status == HST_OK) {
        *ret_layout = layout;
        return HST_OK;
    }
    hst_device_layout_fini(&layout);
    return status == HST_E_NOMEM ? hst_error_nomem(err) : hst_error_set(err, status, "the tensors' sizes overflow");
}

void hst_device_layout_fini(struct hst_device_layout *layout)
{
    free(layout->segment_bytes);
    free(layout->spots);
    *layout = (struct hst_device_layout){0};
}
