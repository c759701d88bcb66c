/* Making better use of memory that is in use: POST /api/memory/operations/defragment. */
#include "service/errand.h"
#include "service/fields.h"
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/select.h"
#include "service/verbs.h"

#include <stdlib.h>

/* Somebody waits for it. */
struct rearranging {
    struct hst_errand *errand;
    const struct hst_device *device; /* with memory of its own; NULL = RAM, then all of them */
    json_t *before;
};

static json_t *view_fragmentation(const struct hst_service *service, const struct hst_device *device)
{
    struct hst_fragmentation found = device != NULL ? hst_loader_fragmentation(service->config.loader, device) : hst_cache_fragmentation(service->config.cache);
    uint64_t used_bytes = device != NULL ? device->reserved_bytes : hst_cache_stats(service->config.cache).used_bytes;
    double holes = found.region_bytes > 0 ? 1 - (double)found.live_bytes / (double)found.region_bytes : 0;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:f}", "used_bytes", hst_jsonx_size(used_bytes), "region_bytes",
                     hst_jsonx_size(found.region_bytes), "live_bytes", hst_jsonx_size(found.live_bytes), "stuck_bytes", hst_jsonx_size(found.stuck_bytes),
                     "equal_bytes", hst_jsonx_size(found.equal_bytes), "regions", hst_jsonx_size(found.regions), "thin_regions",
                     hst_jsonx_size(found.thin_regions), "split_huge_pages", hst_jsonx_size(found.split_huge_pages), "fragmentation", holes);
}

static void end(struct rearranging *rearranging)
{
    hst_errand_end(rearranging->errand);
    json_decref(rearranging->before);
    free(rearranging);
}

static void on_done(void *context, const struct hst_rearranged *what)
{
    struct rearranging *rearranging = context;
    struct hst_service *service = rearranging->errand->service;
    if (service != NULL)
        hst_call_ok(service, rearranging->errand->ticket,
                    json_pack("{s:O, s:o, s:o, s:o, s:o, s:o}", "before", rearranging->before, "after", view_fragmentation(service, rearranging->device), "moved_bytes",
                              hst_jsonx_size(what->moved_bytes), "shared_bytes", hst_jsonx_size(what->shared_bytes), "freed_bytes", hst_jsonx_size(what->freed_bytes),
                              "components", hst_jsonx_size(what->components)));
    end(rearranging);
}

static int start(struct hst_call *call, struct hst_error *err)
{
    static const char *const known[] = {"device_id", NULL};
    struct hst_service *service = call->service;
    struct hst_device *device;
    HST_TRY(hst_fields_check(call, known, err));
    HST_TRY(hst_select_call_device(call, call->params[0], &device, err));
    if (device != NULL && device->ops->references_ram) device = NULL; /* its memory is RAM's */
    struct rearranging *rearranging = calloc(1, sizeof *rearranging);
    struct hst_errand *errand = rearranging != NULL ? hst_errand_begin(call, NULL) : NULL;
    if (errand == NULL) {
        free(rearranging);
        return hst_error_nomem(err);
    }
    *rearranging = (struct rearranging){errand, device, view_fragmentation(service, device)};
    int status = device != NULL ? hst_loader_rearrange_device(service->config.loader, device, on_done, rearranging, err)
                                : hst_loader_rearrange(service->config.loader, on_done, rearranging, err);
    if (status < 0) end(rearranging);
    return status;
}

static void defragment(struct hst_call *call)
{
    struct hst_error error = {0};
    if (start(call, &error) < 0) hst_call_fail(call->service, call->ticket, &error, NULL);
}

const struct hst_route hst_verbs_rearrange[] = {
    {"POST", "/api/memory/operations/defragment", defragment, NULL},
    {"POST", "/api/memory/operations/defragment/{device_id}", defragment, NULL},
    {NULL, NULL, NULL, NULL},
};
