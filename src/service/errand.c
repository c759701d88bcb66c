#include "service/errand.h"

#include "service/internal.h"

#include <stdio.h>
#include <stdlib.h>

struct hst_errand *hst_errand_begin(const struct hst_call *call, const struct hst_model *model)
{
    struct hst_errand *errand = calloc(1, sizeof *errand);
    if (errand == NULL) return NULL;
    errand->service = call->service;
    errand->ticket = call->ticket;
    snprintf(errand->model_id, sizeof errand->model_id, "%s", model != NULL ? model->id : "");
    hst_list_append(&call->service->errands, &errand->node);
    return errand;
}

void hst_errand_end(struct hst_errand *errand)
{
    hst_list_remove(&errand->node);
    free(errand);
}

void hst_errands_orphan_all(struct hst_service *service)
{
    HST_LIST_FOREACH(node, &service->errands) {
        hst_container_of(node, struct hst_errand, node)->service = NULL;
        hst_list_remove(node);
    }
}
