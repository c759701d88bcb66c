#include "gpu/context.h"

#include "gpu/info.h"
#include "gpu/list.h"

#include <string.h>

static int find_ordinal(const struct hst_gpu_context *context, int count, int *ret_ordinal, struct hst_error *err)
{
    int status = hst_error_set(err, HST_E_DEVICE_UNAVAILABLE, "the driver knows no card %s any more", context->uuid);
    for (int ordinal = 0; ordinal < count; ordinal++) {
        struct hst_gpu_card card;
        int asked = hst_gpu_list_card(context->driver, ordinal, &card, err);
        if (asked < 0) status = asked; /* it may be this one */
        if (asked < 0 || strcmp(card.uuid, context->uuid) != 0) continue;
        *ret_ordinal = ordinal;
        return HST_OK;
    }
    return status;
}

/* Cards are known by UUID: ordinals change when cards come and go. */
static int find_device(struct hst_gpu_context *context, struct hst_error *err)
{
    int count = 0, ordinal = 0;
    int result = context->driver->cuDeviceGetCount(&count);
    if (result != HST_CU_SUCCESS) return hst_cuda_error(context->driver, result, "count the cards", err);
    HST_TRY(find_ordinal(context, count, &ordinal, err));
    result = context->driver->cuDeviceGet(&context->device, ordinal);
    return result == HST_CU_SUCCESS ? HST_OK : hst_cuda_error(context->driver, result, "open the card", err);
}

/* Threads that wait for the card sleep: they have nothing else to do, and others need the processors. */
static int make(struct hst_gpu_context *context, struct hst_error *err)
{
    HST_TRY(hst_cuda_driver_get(&context->driver, err));
    HST_TRY(find_device(context, err));
    int result = context->driver->cuCtxCreate(&context->context, HST_CU_CTX_BLOCKING_SYNC, context->device);
    if (result == HST_CU_SUCCESS) {
        (void)hst_gpu_info_xid(context->uuid); /* what comes from now on is seen */
        return HST_OK;
    }
    context->context = NULL;
    return hst_cuda_error(context->driver, result, "create a context on the card", err);
}

int hst_gpu_context_enter(struct hst_gpu_context *context, struct hst_error *err)
{
    pthread_mutex_lock(&context->lock);
    int status = context->context != NULL ? HST_OK : make(context, err);
    pthread_mutex_unlock(&context->lock);
    HST_TRY(status);
    int result = context->driver->cuCtxSetCurrent(context->context);
    return result == HST_CU_SUCCESS ? HST_OK : hst_cuda_error(context->driver, result, "use the context", err);
}

int hst_gpu_context_converter(struct hst_gpu_context *context, struct hst_error *err)
{
    pthread_mutex_lock(&context->lock);
    int status = context->converter.module != NULL ? HST_OK : hst_cuda_converter_init(context->driver, &context->converter, err);
    pthread_mutex_unlock(&context->lock);
    return status;
}

bool hst_gpu_context_is_made(struct hst_gpu_context *context)
{
    pthread_mutex_lock(&context->lock);
    bool is_made = context->context != NULL;
    pthread_mutex_unlock(&context->lock);
    return is_made;
}
