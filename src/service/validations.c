#include "service/validations.h"

#include "base/cleanup.h"
#include "model/draft.h"
#include "os/clock.h"
#include "os/priority.h"
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/view.h"

#include <string.h>

/* How it stands. */
enum state { RUNNING, DONE, FAILED, CANCELLED };

/* A validation of a model. */
struct run {
    struct hst_list node;
    struct hst_service *service;
    struct hst_model *model;          /* as it was scanned; referenced */
    bool deep;
    enum state state;
    int64_t started_wall_ns;
    _Atomic(bool) cancel;
    _Atomic(uint64_t) done_bytes;
    uint64_t told_ns;                 /* its thread's: when progress was told last */
    uint64_t *tickets;                /* of calls that wait; owned */
    size_t ticket_count;
    struct hst_validation *result;
    int status;
    struct hst_error error;
};

/* All of them. */
struct hst_validations {
    struct hst_exec *exec;
    struct hst_list runs;             /* oldest first */
    size_t active, count;
};

static const char *state_name(enum state state)
{
    static const char *const names[] = {"running", "done", "failed", "cancelled"};
    return names[state];
}

static struct run *find(const struct hst_service *service, const struct hst_model *model)
{
    if (service->validations == NULL) return NULL;
    HST_LIST_FOREACH(node, &service->validations->runs) {
        struct run *run = hst_container_of(node, struct run, node);
        if (strcmp(run->model->id, model->id) == 0) return run;
    }
    return NULL;
}

static void free_run(struct run *run)
{
    hst_list_remove(&run->node);
    hst_validation_free(run->result);
    hst_model_unref(run->model);
    free(run->tickets);
    free(run);
}

static json_t *view(const struct run *run)
{
    uint64_t done = run->done_bytes, total = run->deep ? run->model->size_bytes : 0;
    json_t *object = json_pack("{s:s, s:s, s:b, s:o, s:o, s:o}", "model_id", run->model->id, "state", state_name(run->state), "deep", run->deep, "started_at",
                               hst_jsonx_time(run->started_wall_ns), "done_bytes", hst_jsonx_size(done), "total_bytes", hst_jsonx_size(total));
    json_object_set_new(object, "progress", run->state == DONE ? json_real(1) : total > 0 ? json_real((double)done / (double)total) : json_null());
    if (run->state == DONE) {
        json_t *found = hst_view_validation(run->result);
        json_object_update(object, found);
        json_decref(found);
    }
    if (run->state != RUNNING && run->status < 0) json_object_set_new(object, "error", hst_error_json(&run->error, NULL));
    return object;
}

static void publish(const struct run *run)
{
    uint64_t done = run->done_bytes;
    hst_service_publish(run->service, "validation.progress",
                        json_pack("{s:s, s:s, s:b, s:o, s:o, s:o}", "model_id", run->model->id, "state", state_name(run->state), "deep", run->deep, "done_bytes",
                                  hst_jsonx_size(done), "total_bytes", hst_jsonx_size(run->deep ? run->model->size_bytes : 0), "valid",
                                  run->state == DONE ? json_boolean(hst_validation_is_valid(run->result)) : json_null()));
}

static void tell_progress(void *arg)
{
    publish(arg);
}

static void on_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
    struct run *run = context;
    (void)total_bytes;
    run->done_bytes = done_bytes;
    if (hst_clock_ms_since(run->told_ns) < HST_PROGRESS_MS) return;
    run->told_ns = hst_clock_ns();
    (void)hst_exec_post(run->service->validations->exec, tell_progress, run); /* out of memory: one news less */
}

static void work(void *arg)
{
    struct run *run = arg;
    hst_priority_low();
    struct hst_validation_wish wish = {.path = run->model->path, .deep = run->deep, .cancel = &run->cancel, .progress = on_progress, .context = run};
    run->status = hst_validation_run(&wish, &run->result, &run->error);
}

/* It is called by the id that the catalog gave it. */
static int take_result(struct run *run)
{
    if (run->status < 0) return run->status;
    hst_validation_compare(run->result, run->model);
    return run->result->model != NULL ? hst_draft_set_id(run->result->model, run->model->id, &run->error) : HST_OK;
}

static void answer_all(struct run *run)
{
    for (size_t i = 0; i < run->ticket_count; i++) {
        if (run->status < 0)
            hst_call_fail(run->service, run->tickets[i], &run->error, NULL);
        else
            hst_call_ok(run->service, run->tickets[i], view(run));
    }
    run->ticket_count = 0;
}

/* Forget the oldest that have ended, but for the last HST_VALIDATIONS_KEPT. */
static void forget_old(struct hst_validations *all)
{
    HST_LIST_FOREACH(node, &all->runs) {
        struct run *run = hst_container_of(node, struct run, node);
        if (all->count - all->active <= HST_VALIDATIONS_KEPT) return;
        if (run->state == RUNNING) continue;
        free_run(run);
        all->count--;
    }
}

static void done(void *arg)
{
    struct run *run = arg;
    struct hst_validations *all = run->service->validations;
    run->status = take_result(run);
    run->state = run->status == HST_OK ? DONE : run->status == HST_E_CANCELLED ? CANCELLED : FAILED;
    all->active--;
    answer_all(run);
    publish(run);
    forget_old(all);
}

static int make_all(struct hst_service *service, struct hst_error *err)
{
    if (service->validations != NULL) return HST_OK;
    struct hst_validations *all = calloc(1, sizeof *all);
    if (all == NULL) return hst_error_nomem(err);
    hst_list_init(&all->runs);
    int status = hst_exec_new(service->config.loop, "validate", HST_VALIDATION_THREADS, &all->exec, err);
    if (status < 0)
        free(all);
    else
        service->validations = all;
    return status;
}

static int begin(struct hst_service *service, struct hst_model *model, bool deep, struct run **ret_run, struct hst_error *err)
{
    struct hst_validations *all = service->validations;
    if (all->active >= HST_VALIDATIONS_ACTIVE_MAX) return hst_error_set(err, HST_E_BUSY, "%zu validations are waiting already", all->active);
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL) return hst_error_nomem(err);
    hst_list_init(&run->node);
    run->service = service;
    run->model = hst_model_ref(model);
    run->deep = deep;
    run->started_wall_ns = hst_clock_wall_ns();
    if (hst_exec_submit(all->exec, work, done, run) < 0) {
        free_run(run);
        return hst_error_nomem(err);
    }
    hst_list_append(&all->runs, &run->node);
    all->active++;
    all->count++;
    publish(run);
    *ret_run = run;
    return HST_OK;
}

/* The one that runs, when it finds out as much; else a new one in the place of the old. */
static int join(struct hst_service *service, struct hst_model *model, bool deep, struct run **ret_run, struct hst_error *err)
{
    struct run *old = find(service, model);
    bool running = old != NULL && old->state == RUNNING;
    if (running && deep && !old->deep) return hst_error_set(err, HST_E_BUSY, "a validation of %s runs that does not read its weights", model->id);
    *ret_run = old;
    if (running && !old->cancel) return HST_OK;
    if (running) return hst_error_set(err, HST_E_BUSY, "a validation of %s is being cancelled", model->id);
    HST_TRY(begin(service, model, deep, ret_run, err));
    if (old == NULL) return HST_OK;
    free_run(old);
    service->validations->count--;
    return HST_OK;
}

int hst_validations_start(const struct hst_call *call, struct hst_model *model, bool deep, bool wait, struct hst_error *err)
{
    struct run *run = NULL;
    HST_TRY(make_all(call->service, err));
    HST_TRY(join(call->service, model, deep, &run, err));
    if (!wait) return HST_OK;
    uint64_t *grown = realloc(run->tickets, (run->ticket_count + 1) * sizeof *grown);
    if (grown == NULL) return hst_error_nomem(err);
    run->tickets = grown;
    run->tickets[run->ticket_count++] = call->ticket;
    return HST_OK;
}

json_t *hst_validations_view(const struct hst_service *service, const struct hst_model *model)
{
    const struct run *run = find(service, model);
    return run != NULL ? view(run) : json_pack("{s:s, s:s}", "model_id", model->id, "state", "none");
}

int hst_validations_cancel(struct hst_service *service, const struct hst_model *model, struct hst_error *err)
{
    struct run *run = find(service, model);
    if (run == NULL || run->state != RUNNING) return hst_error_set(err, HST_E_BUSY, "no validation of %s runs", model->id);
    run->cancel = true;
    return HST_OK;
}

void hst_validations_free(struct hst_service *service)
{
    struct hst_validations *all = service->validations;
    if (all == NULL) return;
    HST_LIST_FOREACH(node, &all->runs)
        hst_container_of(node, struct run, node)->cancel = true;
    hst_exec_free(all->exec);
    HST_LIST_FOREACH(node, &all->runs)
        free_run(hst_container_of(node, struct run, node));
    free(hst_steal(&service->validations));
}
