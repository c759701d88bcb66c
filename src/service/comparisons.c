#include "service/comparisons.h"

#include "base/cleanup.h"
#include "model/layout.h"
#include "os/exec.h"
#include "service/internal.h"
#include "service/view_relations.h"

/* Two models that are compared:
 *     loop: start ---------------- hold ---------------------- answer, let go
 *     thread:     read the tables --'   compare the shapes ---' */
struct comparison {
    struct hst_service *service;
    uint64_t ticket;
    struct hst_reread *rereads[2]; /* own a reference to the models */
    size_t held[2];                /* components of each that are held */
    struct hst_compatibility report;
    int status;
    struct hst_error error;
};

static void free_comparison(struct comparison *comparison)
{
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < comparison->held[i]; j++)
            hst_layout_release(&comparison->rereads[i]->model->components[j]);
        hst_reread_free(comparison->rereads[i]);
    }
    hst_compatibility_fini(&comparison->report);
    free(comparison);
}

static void answer(struct comparison *comparison)
{
    if (comparison->status < 0)
        hst_call_fail(comparison->service, comparison->ticket, &comparison->error, NULL);
    else
        hst_call_ok(comparison->service, comparison->ticket, hst_view_compatibility(&comparison->report));
    free_comparison(comparison);
}

static void compare_work(void *arg)
{
    struct comparison *comparison = arg;
    comparison->status = hst_compatibility_check(comparison->rereads[0]->model, comparison->rereads[1]->model, &comparison->report, &comparison->error);
}

static void compare_done(void *arg)
{
    answer(arg);
}

static void read_work(void *arg)
{
    struct comparison *comparison = arg;
    for (size_t i = 0; i < 2 && comparison->status == HST_OK; i++)
        comparison->status = hst_reread_run(comparison->rereads[i], &comparison->error);
}

static int hold(struct comparison *comparison, size_t side)
{
    struct hst_model *model = comparison->rereads[side]->model;
    for (size_t i = 0; i < model->component_count; i++) {
        HST_TRY(hst_layout_hold(&model->components[i], comparison->rereads[side], &comparison->error));
        comparison->held[side]++;
    }
    return HST_OK;
}

static void read_done(void *arg)
{
    struct comparison *comparison = arg;
    for (size_t i = 0; i < 2 && comparison->status == HST_OK; i++)
        comparison->status = hold(comparison, i);
    if (comparison->status == HST_OK && hst_exec_submit(comparison->service->comparing, compare_work, compare_done, comparison) < 0)
        comparison->status = hst_error_nomem(&comparison->error);
    if (comparison->status < 0) answer(comparison);
}

static int want(struct hst_model *model, struct hst_reread **ret_reread, struct hst_error *err)
{
    HST_TRY(hst_reread_new(model, ret_reread, err));
    for (size_t i = 0; i < model->component_count; i++)
        hst_reread_want(*ret_reread, &model->components[i]);
    return HST_OK;
}

static int begin(struct comparison *comparison, struct hst_model *model, struct hst_model *other, struct hst_error *err)
{
    struct hst_service *service = comparison->service;
    if (service->comparing == NULL) HST_TRY(hst_exec_new(service->config.loop, "compare", 1, &service->comparing, err));
    if (hst_exec_pending(service->comparing) >= HST_COMPARISONS_MAX) return hst_error_set(err, HST_E_BUSY, "%u comparisons are waiting already", HST_COMPARISONS_MAX);
    HST_TRY(want(model, &comparison->rereads[0], err));
    HST_TRY(want(other, &comparison->rereads[1], err));
    return hst_exec_submit(service->comparing, read_work, read_done, comparison) < 0 ? hst_error_nomem(err) : HST_OK;
}

int hst_comparisons_start(const struct hst_call *call, struct hst_model *model, struct hst_model *other, struct hst_error *err)
{
    struct comparison *comparison = calloc(1, sizeof *comparison);
    if (comparison == NULL) return hst_error_nomem(err);
    comparison->service = call->service;
    comparison->ticket = call->ticket;
    int status = begin(comparison, model, other, err);
    if (status < 0) free_comparison(comparison);
    return status;
}

void hst_comparisons_free(struct hst_service *service)
{
    hst_exec_free(service->comparing);
    service->comparing = NULL;
}
