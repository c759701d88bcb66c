#include "service/internal.h"
#include "service/select.h"
#include "service/verbs.h"
#include "service/view_hash.h"

/* Hash the model of the path, or no more, and say what is known. */
static int answer(const struct hst_call *call, bool wanted, json_t **ret_data, struct hst_error *err)
{
    struct hst_catalog *catalog = call->service->config.catalog;
    struct hst_model *model;
    HST_TRY(hst_select_model(call->service, call->params[0], &model, err));
    if (wanted)
        HST_TRY(hst_catalog_hash(catalog, model, err));
    else
        hst_catalog_hash_cancel(catalog, model);
    *ret_data = json_pack("{s:s}", "model_id", model->id);
    hst_view_identity(catalog, model, *ret_data);
    return HST_OK;
}

static int hash(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    return answer(call, true, ret_data, err);
}

static int cancel(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    return answer(call, false, ret_data, err);
}

const struct hst_route hst_verbs_hash[] = {
    {"POST", "/api/models/{model_id}/hash", NULL, hash},
    {"DELETE", "/api/models/{model_id}/hash", NULL, cancel},
    {NULL, NULL, NULL, NULL},
};
