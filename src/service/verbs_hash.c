#include "service/internal.h"
#include "service/select.h"
#include "service/verbs.h"
#include "service/view_hash.h"

static int show(const struct hst_call *call, const struct hst_model *model, json_t **ret_data)
{
    *ret_data = json_pack("{s:s}", "model_id", model->id);
    hst_view_identity(call->service->config.catalog, model, *ret_data);
    return HST_OK;
}

static int hash(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    struct hst_model *model;
    HST_TRY(hst_select_model(call->service, call->params[0], &model, err));
    HST_TRY(hst_catalog_hash(call->service->config.catalog, model, err));
    return show(call, model, ret_data);
}

static int cancel(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    struct hst_model *model;
    HST_TRY(hst_select_model(call->service, call->params[0], &model, err));
    hst_catalog_hash_cancel(call->service->config.catalog, model);
    return show(call, model, ret_data);
}

const struct hst_route hst_verbs_hash[] = {
    {"POST", "/api/models/{model_id}/hash", NULL, hash},
    {"DELETE", "/api/models/{model_id}/hash", NULL, cancel},
    {NULL, NULL, NULL, NULL},
};
