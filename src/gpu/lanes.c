#include "gpu/lanes.h"

#include <stdlib.h>

enum { PAGE = 4096 };

/* Memory that cannot be pinned is no reason to fail: the driver copies from any. */
static int make_slot(const struct hst_cuda_driver *driver, struct hst_gpu_slot *slot, struct hst_error *err)
{
    void *bytes = NULL;
    int result = driver->cuMemHostAlloc(&bytes, HST_GPU_SLOT_BYTES, HST_CU_HOST_ALLOC_PORTABLE);
    slot->pinned = result == HST_CU_SUCCESS;
    if (hst_cuda_is_fatal(result)) return hst_cuda_error(driver, result, "pin memory", err);
    slot->bytes = slot->pinned ? bytes : aligned_alloc(PAGE, HST_GPU_SLOT_BYTES);
    if (slot->bytes == NULL) return hst_error_nomem(err);
    result = driver->cuEventCreate(&slot->event, HST_CU_EVENT_DISABLE_TIMING | HST_CU_EVENT_BLOCKING_SYNC);
    return result == HST_CU_SUCCESS ? HST_OK : hst_cuda_error(driver, result, "create an event", err);
}

static void free_lane(const struct hst_cuda_driver *driver, struct hst_gpu_lane *lane)
{
    for (size_t i = 0; i < HST_GPU_SLOTS; i++) {
        struct hst_gpu_slot *slot = &lane->slots[i];
        if (slot->event != NULL) driver->cuEventDestroy(slot->event);
        if (slot->pinned)
            driver->cuMemFreeHost(slot->bytes);
        else
            free(slot->bytes);
    }
    if (lane->stream != NULL) driver->cuStreamDestroy(lane->stream);
    free(lane);
}

static int fill_lane(const struct hst_cuda_driver *driver, struct hst_gpu_lane *lane, struct hst_error *err)
{
    int result = driver->cuStreamCreate(&lane->stream, HST_CU_STREAM_NON_BLOCKING);
    if (result != HST_CU_SUCCESS) return hst_cuda_error(driver, result, "create a stream", err);
    for (size_t i = 0; i < HST_GPU_SLOTS; i++)
        HST_TRY(make_slot(driver, &lane->slots[i], err));
    return HST_OK;
}

static int make_lane(const struct hst_cuda_driver *driver, struct hst_gpu_lane **ret_lane, struct hst_error *err)
{
    struct hst_gpu_lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL) return hst_error_nomem(err);
    int status = fill_lane(driver, lane, err);
    if (status < 0)
        free_lane(driver, lane);
    else
        *ret_lane = lane;
    return status;
}

/* @return a lane that rests; else *ret_may_make says whether there may be another */
static struct hst_gpu_lane *take_resting(struct hst_gpu_lanes *lanes, bool *ret_may_make)
{
    pthread_mutex_lock(&lanes->lock);
    struct hst_gpu_lane *lane = lanes->resting;
    *ret_may_make = lane == NULL && lanes->made < HST_GPU_LANES_MAX;
    if (lane != NULL) lanes->resting = lane->next;
    lanes->made += *ret_may_make;
    pthread_mutex_unlock(&lanes->lock);
    return lane;
}

int hst_gpu_lanes_take(struct hst_gpu_lanes *lanes, const struct hst_cuda_driver *driver, struct hst_gpu_lane **ret_lane, struct hst_error *err)
{
    bool may_make;
    *ret_lane = take_resting(lanes, &may_make);
    if (!may_make) return HST_OK;
    int status = make_lane(driver, ret_lane, err);
    if (status == HST_OK) return HST_OK;
    pthread_mutex_lock(&lanes->lock);
    lanes->made--;
    pthread_mutex_unlock(&lanes->lock);
    return status;
}

void hst_gpu_lanes_put_back(struct hst_gpu_lanes *lanes, struct hst_gpu_lane *lane)
{
    pthread_mutex_lock(&lanes->lock);
    lane->next = lanes->resting;
    lanes->resting = lane;
    pthread_mutex_unlock(&lanes->lock);
}
