#include "service/service.h"

#include "base/cleanup.h"
#include "service/comparisons.h"
#include "service/conversions.h"
#include "service/index.h"
#include "service/internal.h"
#include "service/preload.h"
#include "service/recorder.h"
#include "service/validations.h"
#include "service/verbs.h"

#include <stdio.h>
#include <stdlib.h>

static int add_verbs(struct hst_service *service, struct hst_error *err)
{
    static const struct hst_route *const tables[] = {
        hst_verbs_catalog,
        hst_verbs_metadata,
        hst_verbs_config,
        hst_verbs_relations,
        hst_verbs_hash,
        hst_verbs_load,
        hst_verbs_patterns, /* before those of single components */
        hst_verbs_cache,
        hst_verbs_memory,
        hst_verbs_rearrange,
        hst_verbs_convert,
        hst_verbs_system,
        hst_verbs_validate,
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        HST_TRY(hst_service_add_routes(service, tables[i], NULL, err));
    return HST_OK;
}

int hst_service_new(const struct hst_service_config *config, struct hst_service **ret_service, struct hst_error *err)
{
    uint64_t random = 0;
    struct hst_service *service = calloc(1, sizeof *service);
    if (service == NULL) return hst_error_nomem(err);
    service->config = *config;
    hst_list_init(&service->calls);
    hst_list_init(&service->batches);
    hst_list_init(&service->opens);
    hst_list_init(&service->errands);
    hst_events_init(&service->events);
    uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
    snprintf(service->instance, sizeof service->instance, "%016llx", (unsigned long long)random);
    int status = add_verbs(service, err);
    if (status == HST_OK) status = hst_recorder_new(service, &service->recorder, err);
    if (status == HST_OK) status = hst_preload_new(service, &service->preload, err);
    if (status < 0) {
        hst_service_free(service);
        return status;
    }
    if (config->slot != NULL) config->slot->service = service;
    *ret_service = service;
    return HST_OK;
}

int hst_service_add_routes(struct hst_service *service, const struct hst_route *routes, void *route_context, struct hst_error *err)
{
    return hst_router_add(&service->router, routes, route_context, err);
}

void hst_service_free(struct hst_service *service)
{
    struct hst_error stopping = {0};
    if (service == NULL) return;
    if (service->config.slot != NULL) service->config.slot->service = NULL;
    hst_preload_stop(service->preload);
    hst_error_set(&stopping, HST_E_SHUTTING_DOWN, "the daemon is stopping");
    hst_batch_orphan_all(service);
    hst_errands_orphan_all(service);
    hst_open_fail_all(service, &stopping);
    hst_call_fail_all(service, &stopping);
    hst_recorder_free(service->recorder);
    hst_preload_free(service->preload);
    hst_validations_free(service);
    hst_conversions_free(service);
    hst_comparisons_free(service);
    hst_events_fini(&service->events);
    hst_index_forget_all(service);
    hst_router_fini(&service->router);
    hst_map_fini(&service->by_ticket);
    free(service);
}
