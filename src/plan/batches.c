#include "plan/batches.h"

#include <string.h>

enum { UNPLACED = SIZE_MAX };

static bool depends(const struct hst_plan_item *item, const char *role)
{
    for (size_t i = 0; i < item->depends_on_count; i++)
        if (strcmp(item->depends_on[i], role) == 0) return true;
    return false;
}

/* Is everything it depends on in an earlier batch than this one? */
static bool ready(const struct hst_plan_item *items, size_t count, size_t index, const size_t *batch_of, size_t batch)
{
    if (items[index].depends_on_count == 0) return true;
    for (size_t i = 0; i < count; i++)
        if (i != index && batch_of[i] >= batch && depends(&items[index], items[i].role)) return false;
    return true;
}

static size_t place(const struct hst_plan_item *items, size_t count, size_t *batch_of, size_t batch)
{
    size_t placed = 0;
    for (size_t i = 0; i < count; i++) {
        if (batch_of[i] != UNPLACED || depends(&items[i], items[i].role) || !ready(items, count, i, batch_of, batch)) continue;
        batch_of[i] = batch;
        placed++;
    }
    return placed;
}

int hst_batches_make(const struct hst_plan_item *items, size_t item_count, size_t *batch_of, size_t *ret_batch_count, struct hst_error *err)
{
    size_t left = item_count, batch = 0;
    for (size_t i = 0; i < item_count; i++)
        batch_of[i] = UNPLACED;
    for (; left > 0; batch++) {
        size_t placed = place(items, item_count, batch_of, batch);
        if (placed == 0) return hst_error_set(err, HST_E_INVALID_FILE, "components depend on each other in a circle");
        left -= placed;
    }
    *ret_batch_count = batch;
    return HST_OK;
}
