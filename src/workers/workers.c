#include "workers/workers.h"

#include "base/cleanup.h"
#include "workers/limits.h"
#include "workers/worker.h"

#include <string.h>

enum { DOMAINS = 3, ARGUMENTS = 6 };
static const char *const domains[DOMAINS] = {"inference", "postprocessing", "processing"};

struct hst_workers {
    struct hst_workers_config config;
    char *python;
    char *socket_path;
    unsigned live; /* workers and children whose memory is not freed yet */
    const char *arguments[DOMAINS][ARGUMENTS];
    struct hst_worker *workers[DOMAINS];
};

/* A call in flight: whom to answer. */
struct asked {
    struct hst_service *service;
    uint64_t ticket;
};

static void publish(void *context, struct hst_worker *worker)
{
    struct hst_workers *workers = context;
    json_t *news = hst_worker_json(worker);
    if (news != NULL) hst_service_publish(workers->config.service, "worker.state", news);
}

static void list_workers(struct hst_call *call)
{
    struct hst_workers *workers = call->route_context;
    json_t *list = json_array();
    for (int i = 0; i < DOMAINS; i++)
        json_array_append_new(list, hst_worker_json(workers->workers[i]));
    hst_call_ok(call->service, call->ticket, json_pack("{s:o}", "workers", list));
}

static void answer(void *context, json_t *result, const struct hst_error *err)
{
    struct asked *asked = context;
    if (err != NULL) hst_call_fail(asked->service, asked->ticket, err, NULL);
    else hst_call_ok(asked->service, asked->ticket, json_pack("{s:O?}", "result", result));
    free(asked);
}

static struct hst_worker *find(const struct hst_workers *workers, const char *domain)
{
    for (int i = 0; domain != NULL && i < DOMAINS; i++)
        if (strcmp(domains[i], domain) == 0) return workers->workers[i];
    return NULL;
}

/* What a call asks for. */
struct wanted {
    struct hst_worker *worker;
    const char *operation;
    const json_t *params;
    uint64_t timeout_ms;
};

static int read_timeout(const json_t *value, uint64_t *ret_timeout_ms, struct hst_error *err)
{
    if (value == NULL || json_is_null(value)) return 0;
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 1 || number > HST_WORKER_CALL_MAX_MS)
        return hst_error_set(err, HST_E_INVALID_ARGUMENT, "timeout_ms must be an integer from 1 to %u", HST_WORKER_CALL_MAX_MS);
    *ret_timeout_ms = (uint64_t)number;
    return 0;
}

static int read_body(const struct hst_workers *workers, const json_t *body, struct wanted *ret_wanted, struct hst_error *err)
{
    struct wanted wanted = {.params = json_object_get(body, "params")};
    wanted.worker = find(workers, json_string_value(json_object_get(body, "domain")));
    wanted.operation = json_string_value(json_object_get(body, "operation"));
    if (wanted.worker == NULL)
        return hst_error_set(err, HST_E_INVALID_ARGUMENT, "domain must be inference, postprocessing or processing");
    if (wanted.operation == NULL) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "operation must be a string");
    if (wanted.params != NULL && !json_is_object(wanted.params))
        return hst_error_set(err, HST_E_INVALID_ARGUMENT, "params must be an object");
    HST_TRY(read_timeout(json_object_get(body, "timeout_ms"), &wanted.timeout_ms, err));
    *ret_wanted = wanted;
    return 0;
}

static int ask(const struct hst_call *call, struct hst_error *err)
{
    struct wanted wanted = {0};
    HST_TRY(read_body(call->route_context, call->body, &wanted, err));
    HST_AUTO(hst_freep) struct asked *asked = calloc(1, sizeof *asked);
    if (asked == NULL) return hst_error_nomem(err);
    *asked = (struct asked){call->service, call->ticket};
    HST_TRY(hst_worker_call(wanted.worker, wanted.operation, wanted.params, wanted.timeout_ms, answer, asked, err));
    asked = NULL; /* answer() has it now */
    return 0;
}

static void call_worker(struct hst_call *call)
{
    struct hst_error err = {0};
    if (ask(call, &err) < 0) hst_call_fail(call->service, call->ticket, &err, NULL);
}

static const struct hst_route routes[] = {
    {"GET", "/api/workers", list_workers, NULL},
    {"POST", "/api/workers/call", call_worker, NULL},
    {NULL, NULL, NULL, NULL},
};

static int make_worker(struct hst_workers *workers, int i, struct hst_error *err)
{
    const char *arguments[ARGUMENTS] = {workers->python, "-m", "hoist.worker", "--domain", domains[i], NULL};
    memcpy(workers->arguments[i], arguments, sizeof arguments);
    struct hst_worker_config config = {.loop = workers->config.loop, .domain = domains[i], .arguments = workers->arguments[i],
        .socket_path = workers->socket_path, .changed = publish, .context = workers, .live = &workers->live};
    return hst_worker_new(&config, &workers->workers[i], err);
}

static void free_half_made(struct hst_workers **workers)
{
    hst_workers_free(*workers);
}

int hst_workers_new(const struct hst_workers_config *config, struct hst_workers **ret_workers, struct hst_error *err)
{
    HST_AUTO(free_half_made) struct hst_workers *workers = calloc(1, sizeof *workers);
    if (workers == NULL) return hst_error_nomem(err);
    workers->config = *config;
    workers->python = strdup(config->python);
    workers->socket_path = strdup(config->socket_path);
    if (workers->python == NULL || workers->socket_path == NULL) return hst_error_nomem(err);
    for (int i = 0; i < DOMAINS; i++)
        HST_TRY(make_worker(workers, i, err));
    HST_TRY(hst_service_add_routes(config->service, routes, workers, err));
    *ret_workers = hst_steal(&workers);
    return 0;
}

void hst_workers_free(struct hst_workers *workers)
{
    if (workers == NULL) return;
    for (int i = 0; i < DOMAINS; i++)
        hst_worker_free(workers->workers[i]);
    while (workers->live > 0)
        uv_run(workers->config.loop, UV_RUN_ONCE);
    free(workers->python);
    free(workers->socket_path);
    free(workers);
}
