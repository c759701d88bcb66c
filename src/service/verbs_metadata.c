/* What is said about a model: shown, written, and its picture. The disk answers later; who asked is found again by ticket. */
#include "catalog/annotate.h"
#include "catalog/metadata_read.h"
#include "service/errand.h"
#include "service/internal.h"
#include "service/select.h"
#include "service/verbs.h"
#include "service/view.h"
#include "service/metadata_request.h"

static void give_metadata(void *context, const struct hst_metadata_read *found, const struct hst_error *err)
{
    struct hst_errand *errand = context;
    struct hst_service *service = errand->service;
    const struct hst_model *model = service != NULL && err == NULL ? hst_catalog_find(service->config.catalog, errand->model_id) : NULL;
    struct hst_error gone = {0};
    if (model == NULL && err == NULL) hst_error_set(&gone, HST_E_MODEL_NOT_FOUND, "no model has the id '%s' any more", errand->model_id);
    if (model != NULL)
        hst_call_ok(service, errand->ticket, hst_view_metadata(model, &found->list));
    else if (service != NULL)
        hst_call_fail(service, errand->ticket, err != NULL ? err : &gone, NULL);
    hst_errand_end(errand);
}

static void give_preview(void *context, const struct hst_metadata_read *found, const struct hst_error *err)
{
    struct hst_errand *errand = context;
    if (errand->service != NULL && err != NULL) hst_call_fail(errand->service, errand->ticket, err, NULL);
    if (errand->service != NULL && err == NULL)
        hst_call_raw(errand->service, errand->ticket, found->list.preview.content_type, found->image, found->image_length);
    hst_errand_end(errand);
}

static int ask(struct hst_call *call, bool image, hst_metadata_read_fn done, struct hst_error *err)
{
    struct hst_model *model;
    HST_TRY(hst_select_model(call->service, call->params[0], &model, err));
    struct hst_errand *errand = hst_errand_begin(call, model);
    if (errand == NULL) return hst_error_nomem(err);
    int status = hst_metadata_read_begin(call->service->config.catalog, model->id, image, done, errand, err);
    if (status < 0) hst_errand_end(errand);
    return status;
}

static void show_metadata(struct hst_call *call)
{
    struct hst_error error = {0};
    if (ask(call, false, give_metadata, &error) < 0) hst_call_fail(call->service, call->ticket, &error, NULL);
}

static void show_preview(struct hst_call *call)
{
    struct hst_error error = {0};
    if (ask(call, true, give_preview, &error) < 0) hst_call_fail(call->service, call->ticket, &error, NULL);
}

/* It is written: answer with what there is now. */
static void after_writing(void *context, const struct hst_error *err)
{
    struct hst_errand *errand = context;
    struct hst_error error = {0};
    struct hst_service *service = errand->service;
    if (service != NULL && err == NULL && hst_metadata_read_begin(service->config.catalog, errand->model_id, false, give_metadata, errand, &error) == HST_OK) return;
    if (service != NULL) hst_call_fail(service, errand->ticket, err != NULL ? err : &error, NULL);
    hst_errand_end(errand);
}

static int begin_writing(struct hst_call *call, struct hst_error *err)
{
    struct hst_annotation annotation;
    struct hst_model *model;
    HST_TRY(hst_select_model(call->service, call->params[0], &model, err));
    HST_TRY(hst_metadata_request_read(call, &annotation, err));
    struct hst_errand *errand = hst_errand_begin(call, model);
    if (errand == NULL) {
        hst_override_fini(&annotation.words);
        hst_override_fini(&annotation.said);
        return hst_error_nomem(err);
    }
    int status = hst_annotate(call->service->config.catalog, model->id, &annotation, after_writing, errand, err);
    if (status < 0) hst_errand_end(errand);
    return status;
}

static void write_metadata(struct hst_call *call)
{
    struct hst_error error = {0};
    if (begin_writing(call, &error) < 0) hst_call_fail(call->service, call->ticket, &error, NULL);
}

const struct hst_route hst_verbs_metadata[] = {
    {"GET", "/api/models/{model_id}/metadata", show_metadata, NULL},
    {"PUT", "/api/models/{model_id}/metadata", write_metadata, NULL},
    {"GET", "/api/models/{model_id}/preview", show_preview, NULL},
    {NULL, NULL, NULL, NULL},
};
