#include "service/conversions.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "model/layout.h"
#include "os/clock.h"
#include "service/internal.h"
#include "service/jsonx.h"

#include <string.h>

/* A conversion. */
struct conversion {
    struct hst_list node;
    struct hst_service *service;
    struct hst_model *model;      /* referenced */
    struct hst_reread *reread;    /* of the components that are taken; NULL once they are held */
    bool *taken;                  /* one a component */
    char *output;                 /* owned */
    struct hst_rewrite rewrite;
    const char *state;            /* running done failed cancelled */
    int64_t started_wall_ns;
    uint64_t started_ns, told_ns;
    double duration_ms;           /* once it has ended */
    _Atomic(bool) cancel;
    _Atomic(uint64_t) done_bytes, total_bytes;
    bool held;                    /* are the components? */
    uint64_t ticket;              /* of the call that waits; 0 = none does */
    int status;
    struct hst_rewritten done;
    struct hst_error error;
};

/* All of them. */
struct hst_conversions {
    struct hst_exec *exec;
    struct hst_list list;
    size_t count;
};

static struct conversion *newest(const struct hst_service *service, const struct hst_model *model)
{
    struct conversion *found = NULL;
    if (service->conversions == NULL) return NULL;
    HST_LIST_FOREACH(node, &service->conversions->list) {
        struct conversion *conversion = hst_container_of(node, struct conversion, node);
        if (strcmp(conversion->model->id, model->id) == 0) found = conversion;
    }
    return found;
}

static bool is_running(const struct conversion *conversion)
{
    return conversion != NULL && strcmp(conversion->state, "running") == 0;
}

static void forget(struct conversion *conversion)
{
    if (!hst_list_empty(&conversion->node)) conversion->service->conversions->count--;
    hst_list_remove(&conversion->node);
    hst_reread_free(conversion->reread);
    hst_model_unref(conversion->model);
    free(conversion->taken);
    free(conversion->output);
    free(conversion);
}

static json_t *view_changes(const struct hst_rewritten *done)
{
    json_t *changes = json_array();
    for (size_t i = 0; i < done->change_count; i++) {
        const struct hst_rewrite_change *change = &done->changes[i];
        json_array_append_new(changes, json_pack("{s:s, s:s, s:s, s:o, s:o}", "from", hst_dtype_info(change->from)->name, "to", hst_dtype_info(change->to)->name, "why", change->why,
                                                 "tensors", hst_jsonx_size(change->tensors), "size_bytes", hst_jsonx_size(change->size_bytes)));
    }
    return changes;
}

static json_t *brief(const struct conversion *conversion)
{
    uint64_t done = conversion->done_bytes, total = conversion->total_bytes;
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "model_id", conversion->model->id, "state", conversion->state, "precision",
                     hst_convert_precision_name(conversion->rewrite.wish.dtype), "output", conversion->output, "done_bytes", hst_jsonx_size(done), "total_bytes", hst_jsonx_size(total));
}

static void add_outcome(const struct conversion *conversion, json_t *object)
{
    const struct hst_rewritten *done = &conversion->done;
    json_t *outcome = json_pack("{s:o, s:o, s:o, s:o, s:o}", "size_bytes", hst_jsonx_size(done->size_bytes), "source_bytes", hst_jsonx_size(done->source_bytes), "tensors",
                                hst_jsonx_size(done->tensors), "converted_tensors", hst_jsonx_size(done->converted), "changes", view_changes(done));
    json_object_update(object, outcome);
    json_decref(outcome);
}

static json_t *view(const struct conversion *conversion)
{
    json_t *object = brief(conversion);
    bool running = is_running(conversion);
    json_object_set_new(object, "started_at", hst_jsonx_time(conversion->started_wall_ns));
    json_object_set_new(object, "duration_ms", json_real(running ? hst_clock_ms_since(conversion->started_ns) : conversion->duration_ms));
    if (!running && conversion->status == HST_OK) add_outcome(conversion, object);
    if (conversion->status < 0) json_object_set_new(object, "error", hst_error_json(&conversion->error, NULL));
    return object;
}

static void tell(void *arg)
{
    const struct conversion *conversion = arg;
    hst_service_publish(conversion->service, "convert.progress", brief(conversion));
}

static void note_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
    struct conversion *conversion = context;
    conversion->done_bytes = done_bytes;
    conversion->total_bytes = total_bytes;
    if (hst_clock_ms_since(conversion->told_ns) < HST_PROGRESS_MS) return;
    conversion->told_ns = hst_clock_ns();
    (void)hst_exec_post(conversion->service->conversions->exec, tell, conversion); /* out of memory: one news less */
}

static void let_go(struct conversion *conversion)
{
    for (size_t i = 0; conversion->held && i < conversion->model->component_count; i++)
        if (conversion->taken[i]) hst_layout_release(&conversion->model->components[i]);
    conversion->held = false;
}

static void end(void *arg)
{
    struct conversion *conversion = arg;
    struct hst_service *service = conversion->service;
    let_go(conversion);
    conversion->duration_ms = hst_clock_ms_since(conversion->started_ns);
    conversion->state = conversion->status == HST_OK ? "done" : conversion->status == HST_E_CANCELLED ? "cancelled" : "failed";
    tell(conversion);
    if (conversion->status == HST_OK && !conversion->cancel) (void)hst_catalog_scan(service->config.catalog, NULL); /* one that runs, or the next, finds it as well */
    if (conversion->ticket != 0 && conversion->status < 0) hst_call_fail(service, conversion->ticket, &conversion->error, NULL);
    if (conversion->ticket != 0 && conversion->status == HST_OK) hst_call_ok(service, conversion->ticket, view(conversion));
}

static void write_file(void *arg)
{
    struct conversion *conversion = arg;
    conversion->status = hst_rewrite_run(&conversion->rewrite, &conversion->done, &conversion->error);
}

static void read_tables(void *arg)
{
    struct conversion *conversion = arg;
    conversion->status = conversion->cancel ? hst_error_set(&conversion->error, HST_E_CANCELLED, "it was cancelled") : hst_reread_run(conversion->reread, &conversion->error);
}

/* All of them, or none. */
static int hold(struct conversion *conversion, struct hst_error *err)
{
    struct hst_model *model = conversion->model;
    for (size_t i = 0; i < model->component_count; i++) {
        int status = conversion->taken[i] ? hst_layout_hold(&model->components[i], conversion->reread, err) : HST_OK;
        if (status == HST_OK) continue;
        while (i-- > 0)
            if (conversion->taken[i]) hst_layout_release(&model->components[i]);
        return status;
    }
    conversion->held = true;
    return HST_OK;
}

static void hold_and_write(void *arg)
{
    struct conversion *conversion = arg;
    if (conversion->status == HST_OK) conversion->status = hold(conversion, &conversion->error);
    hst_reread_free(hst_steal(&conversion->reread));
    if (conversion->status == HST_OK && hst_exec_submit(conversion->service->conversions->exec, write_file, end, conversion) == HST_OK) return;
    if (conversion->status == HST_OK) conversion->status = hst_error_nomem(&conversion->error);
    end(conversion);
}

/* Where the new file goes when nothing is said: beside the model, under its name and what becomes of it. */
static void put_default_name(struct hst_strbuf *path, const struct hst_model *model, const struct hst_conversion_wish *wish)
{
    hst_strbuf_puts(path, model->name);
    for (size_t i = 0; wish->selected != NULL && i < wish->selected->role_count; i++)
        if (model->component_count > 1) hst_strbuf_printf(path, "-%s", wish->selected->roles[i]);
    hst_strbuf_printf(path, "-%s.safetensors", hst_convert_precision_name(wish->dtype));
}

static int choose_output(struct conversion *conversion, const struct hst_conversion_wish *wish, struct hst_error *err)
{
    HST_AUTO(hst_strbuf_fini) struct hst_strbuf path = {0};
    const char *model = conversion->model->path, *output = wish->output != NULL ? wish->output : "";
    bool absolute = output[0] == '/';
    if (!absolute && strchr(output, '/') != NULL) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "output is an absolute path, or the name of a file beside the model");
    if (!absolute) hst_strbuf_append(&path, model, (size_t)(hst_path_name(model) - model));
    hst_strbuf_puts(&path, output);
    if (wish->output == NULL) put_default_name(&path, conversion->model, wish);
    if (absolute && !wish->anywhere) conversion->rewrite.folders = hst_catalog_roots(conversion->service->config.catalog, &conversion->rewrite.folder_count);
    conversion->output = hst_strbuf_take(&path);
    return conversion->output != NULL ? HST_OK : hst_error_nomem(err);
}

static bool is_selected(const struct hst_selected *selected, const struct hst_component *component)
{
    for (size_t i = 0; selected != NULL && i < selected->role_count; i++)
        if (strcmp(selected->roles[i], component->role) == 0) return true;
    return selected == NULL;
}

static int choose_components(struct conversion *conversion, const struct hst_conversion_wish *wish, struct hst_error *err)
{
    struct hst_model *model = conversion->model;
    HST_TRY(hst_reread_new(model, &conversion->reread, err));
    conversion->taken = calloc(model->component_count + 1, sizeof *conversion->taken);
    if (conversion->taken == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < model->component_count; i++) {
        conversion->taken[i] = is_selected(wish->selected, &model->components[i]);
        if (conversion->taken[i]) hst_reread_want(conversion->reread, &model->components[i]);
    }
    return HST_OK;
}

static int prepare(struct conversion *conversion, const struct hst_conversion_wish *wish, struct hst_error *err)
{
    HST_TRY(choose_components(conversion, wish, err));
    HST_TRY(choose_output(conversion, wish, err));
    conversion->rewrite.wish = (struct hst_sheet_wish){conversion->model, wish->selected != NULL ? conversion->taken : NULL, wish->dtype, wish->level};
    conversion->rewrite.output = conversion->output;
    conversion->rewrite.overwrite = wish->overwrite;
    conversion->rewrite.cancel = &conversion->cancel;
    conversion->rewrite.progress = note_progress;
    conversion->rewrite.context = conversion;
    bool submitted = hst_exec_submit(conversion->service->conversions->exec, read_tables, hold_and_write, conversion) == HST_OK;
    return submitted ? HST_OK : hst_error_nomem(err);
}

static struct conversion *make(const struct hst_call *call, struct hst_model *model)
{
    struct conversion *conversion = calloc(1, sizeof *conversion);
    if (conversion == NULL) return NULL;
    hst_list_init(&conversion->node);
    conversion->service = call->service;
    conversion->model = hst_model_ref(model);
    conversion->state = "running";
    conversion->started_ns = hst_clock_ns();
    conversion->started_wall_ns = hst_clock_wall_ns();
    return conversion;
}

static int open_all(struct hst_service *service, struct hst_error *err)
{
    if (service->conversions != NULL) return HST_OK;
    HST_AUTO(hst_freep) struct hst_conversions *conversions = calloc(1, sizeof *conversions);
    if (conversions == NULL) return hst_error_nomem(err);
    hst_list_init(&conversions->list);
    HST_TRY(hst_exec_new(service->config.loop, "convert", HST_CONVERSION_THREADS, &conversions->exec, err));
    service->conversions = hst_steal(&conversions);
    return HST_OK;
}

/* May it begin? What an earlier one of the model came to is forgotten then, or what the oldest did. */
static int make_room(struct hst_service *service, const struct hst_model *model, struct hst_error *err)
{
    struct conversion *before = newest(service, model);
    if (model->state != HST_MODEL_OK)
        return hst_error_set(err, model->problem.status < 0 ? model->problem.status : HST_E_FILE_MISSING, "%s cannot be converted: %s", model->id, model->problem.text);
    if (is_running(before)) return hst_error_set(err, HST_E_BUSY, "%s is being converted to %s", model->id, before->output);
    if (before != NULL) forget(before);
    HST_LIST_FOREACH(node, &service->conversions->list) {
        struct conversion *oldest = hst_container_of(node, struct conversion, node);
        if (service->conversions->count >= HST_CONVERSIONS_MAX && !is_running(oldest)) forget(oldest);
    }
    bool room = service->conversions->count < HST_CONVERSIONS_MAX;
    return room ? HST_OK : hst_error_set(err, HST_E_BUSY, "%u conversions are waiting already", HST_CONVERSIONS_MAX);
}

int hst_conversions_start(const struct hst_call *call, struct hst_model *model, const struct hst_conversion_wish *wish, struct hst_error *err)
{
    HST_TRY(open_all(call->service, err));
    HST_TRY(make_room(call->service, model, err));
    struct conversion *conversion = make(call, model);
    if (conversion == NULL) return hst_error_nomem(err);
    int status = prepare(conversion, wish, err);
    if (status < 0) {
        forget(conversion);
        return status;
    }
    conversion->ticket = wish->wait ? call->ticket : 0;
    hst_list_append(&call->service->conversions->list, &conversion->node);
    call->service->conversions->count++;
    tell(conversion);
    return HST_OK;
}

json_t *hst_conversions_view(const struct hst_service *service, const struct hst_model *model)
{
    const struct conversion *conversion = newest(service, model);
    return conversion != NULL ? view(conversion) : json_pack("{s:s, s:s}", "model_id", model->id, "state", "none");
}

int hst_conversions_cancel(struct hst_service *service, const struct hst_model *model, struct hst_error *err)
{
    struct conversion *conversion = newest(service, model);
    if (!is_running(conversion)) return hst_error_set(err, HST_E_BUSY, "%s is not being converted", model->id);
    conversion->cancel = true;
    return HST_OK;
}

void hst_conversions_free(struct hst_service *service)
{
    if (service->conversions == NULL) return;
    HST_LIST_FOREACH(node, &service->conversions->list)
        hst_container_of(node, struct conversion, node)->cancel = true;
    hst_exec_free(service->conversions->exec);
    HST_LIST_FOREACH(node, &service->conversions->list)
        forget(hst_container_of(node, struct conversion, node));
    free(hst_steal(&service->conversions));
}
