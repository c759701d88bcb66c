#include "workers/worker.h"

#include "base/cleanup.h"
#include "base/list.h"
#include "base/log.h"
#include "os/clock.h"
#include "workers/child.h"
#include "workers/limits.h"

#include <stdio.h>
#include <string.h>

static const char *const state_names[] = {"stopped", "starting", "ready", "busy", "backoff"};

/* A call in line or with the process. */
struct call {
    struct hst_list node;
    uint64_t id;
    char *line; /* the request as it is written; NULL once handed over */
    size_t length;
    uint64_t timeout_ms;
    hst_worker_done_fn done;
    void *context;
};

struct hst_worker {
    struct hst_worker_config config;
    enum hst_worker_state state;
    struct hst_child *child;  /* borrowed; NULL without process */
    uv_timer_t timer;         /* what it means depends on the state: see on_time */
    struct hst_list calls;    /* in line, in order */
    size_t waiting;           /* of calls */
    struct call *running;     /* owned; NULL unless busy */
    json_t *operations;       /* as the process named them, or NULL */
    uint64_t next_id;
    uint64_t restarts;
    unsigned failures;        /* in a row */
    uint64_t breaker_ns;      /* when the breaker opened */
    int64_t since_wall_ns;
    bool pinging;             /* the running call is our own, and no news to anyone */
    char last_error[HST_ERROR_TEXT_MAX];
};

static void start(struct hst_worker *worker);
static void next_call(struct hst_worker *worker);

static void set_state(struct hst_worker *worker, enum hst_worker_state state)
{
    if (worker->state == state) return;
    bool quiet = worker->pinging && (state == HST_WORKER_BUSY || state == HST_WORKER_READY);
    if (state != HST_WORKER_BUSY) worker->pinging = false;
    worker->state = state;
    worker->since_wall_ns = hst_clock_wall_ns();
    if (!quiet) worker->config.changed(worker->config.context, worker);
}

static void end_call(struct call *call, json_t *result, const struct hst_error *err)
{
    if (call->done != NULL) call->done(call->context, result, err);
    free(call->line);
    free(call);
}

static void fail_call(struct call *call, int status, const char *text)
{
    struct hst_error err = {0};
    hst_error_set(&err, status, "%s", text);
    end_call(call, NULL, &err);
}

static void fail_running(struct hst_worker *worker, int status, const char *text)
{
    if (worker->running != NULL) fail_call(hst_steal(&worker->running), status, text);
}

static struct call *take_first(struct hst_worker *worker)
{
    struct call *call = hst_container_of(worker->calls.next, struct call, node);
    hst_list_remove(&call->node);
    worker->waiting--;
    return call;
}

static void fail_waiting(struct hst_worker *worker, int status, const char *text)
{
    while (!hst_list_empty(&worker->calls))
        fail_call(take_first(worker), status, text);
}

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value != 0 ? value : fallback;
}

/* Doubles with each failure, and is spread so that workers which died together do not come back together. */
static uint64_t backoff_ms(const struct hst_worker *worker)
{
    uint64_t delay = or_default(worker->config.backoff_min_ms, HST_WORKER_BACKOFF_MIN_MS) << (worker->failures - 1);
    if (delay > HST_WORKER_BACKOFF_MAX_MS) delay = HST_WORKER_BACKOFF_MAX_MS;
    return delay + hst_clock_ns() % (delay / 4 + 1);
}

static void restart_on_time(struct hst_worker *worker)
{
    worker->restarts++;
    start(worker);
}

static void give_up_starting(struct hst_worker *worker)
{
    hst_child_kill(worker->child, "it did not become ready in time");
}

static void give_up_call(struct hst_worker *worker)
{
    hst_child_kill(worker->child, "it did not answer in time");
}

static int append_call(struct hst_worker *worker, const char *operation, const json_t *params, struct call **ret_call, struct hst_error *err);

static void ping(struct hst_worker *worker)
{
    struct call *call;
    if (append_call(worker, "ping", NULL, &call, NULL) < 0) return;
    call->timeout_ms = HST_WORKER_PONG_MS;
    worker->pinging = true;
    next_call(worker);
}

static void do_nothing(struct hst_worker *worker)
{
    (void)worker;
}

/* What the one timer means in each state. */
static void (*const on_time[])(struct hst_worker *) = {do_nothing, give_up_starting, ping, give_up_call, restart_on_time};

static void on_timer(uv_timer_t *timer)
{
    struct hst_worker *worker = timer->data;
    on_time[worker->state](worker);
}

static void wait_in(struct hst_worker *worker, enum hst_worker_state state, uint64_t timeout_ms)
{
    uv_timer_start(&worker->timer, on_timer, timeout_ms, 0);
    set_state(worker, state);
}

/* The process is gone, or none could be started. */
static void fall_back(struct hst_worker *worker, const char *why)
{
    bool was_ready = worker->state == HST_WORKER_READY || worker->state == HST_WORKER_BUSY;
    snprintf(worker->last_error, sizeof worker->last_error, "%s", why);
    hst_log(HST_LOG_WARN, "workers", "%s: %s", worker->config.domain, why);
    worker->failures++;
    if (worker->failures < HST_WORKER_BREAKER_FAILURES) {
        wait_in(worker, HST_WORKER_BACKOFF, backoff_ms(worker));
    } else {
        uv_timer_stop(&worker->timer);
        worker->breaker_ns = hst_clock_ns();
        set_state(worker, HST_WORKER_STOPPED);
    }
    fail_running(worker, HST_E_WORKER_GONE, worker->last_error);
    if (!was_ready || worker->state == HST_WORKER_STOPPED) fail_waiting(worker, HST_E_WORKER_UNAVAILABLE, worker->last_error);
}

static void on_exited(void *context, const char *why)
{
    struct hst_worker *worker = context;
    char text[HST_ERROR_TEXT_MAX];
    worker->child = NULL;
    snprintf(text, sizeof text, "the worker %s", strncmp(why, "it ", 3) == 0 ? why + 3 : why);
    fall_back(worker, text);
}

static void take_ready(struct hst_worker *worker, json_t *message)
{
    json_decref(worker->operations);
    worker->operations = json_incref(json_object_get(message, "operations"));
    next_call(worker);
}

/* An error with a code of hoist's table keeps it (model_not_found, out_of_ram); any other is the worker's own. */
static void take_failure(struct call *call, const json_t *error)
{
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    int status = code != NULL ? hst_status_from_code(code) : HST_E_WORKER_FAILED;
    fail_call(call, status == HST_E_INTERNAL ? HST_E_WORKER_FAILED : status, message != NULL ? message : "the worker gave no reason");
}

static bool take_answer(struct hst_worker *worker, const json_t *message)
{
    struct call *call = worker->running;
    if (call == NULL || (uint64_t)json_integer_value(json_object_get(message, "id")) != call->id) return false;
    worker->running = NULL;
    worker->failures = 0;
    if (json_is_true(json_object_get(message, "ok"))) end_call(call, json_object_get(message, "result"), NULL);
    else take_failure(call, json_object_get(message, "error"));
    next_call(worker);
    return true;
}

static bool on_line(void *context, const char *line, size_t length)
{
    struct hst_worker *worker = context;
    json_t *message = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    bool ready = worker->state == HST_WORKER_STARTING && json_is_true(json_object_get(message, "ready"));
    bool understood = ready || take_answer(worker, message);
    if (ready) take_ready(worker, message);
    json_decref(message);
    return understood;
}

static void start(struct hst_worker *worker)
{
    const struct hst_worker_config *config = &worker->config;
    struct hst_child_config child = {.loop = config->loop, .name = config->domain, .arguments = config->arguments,
        .socket_path = config->socket_path, .listener = {on_line, on_exited, worker}, .live = config->live};
    struct hst_error err = {0};
    if (hst_child_spawn(&child, &worker->child, &err) < 0) {
        fall_back(worker, err.text);
        return;
    }
    wait_in(worker, HST_WORKER_STARTING, HST_WORKER_START_MS);
}

/* Give the process the first call in line, or let it rest. */
static void next_call(struct hst_worker *worker)
{
    if (hst_list_empty(&worker->calls)) {
        wait_in(worker, HST_WORKER_READY, or_default(worker->config.ping_ms, HST_WORKER_PING_MS));
        return;
    }
    worker->running = take_first(worker);
    struct hst_error err = {0};
    wait_in(worker, HST_WORKER_BUSY, worker->running->timeout_ms);
    if (hst_child_write(worker->child, hst_steal(&worker->running->line), worker->running->length, &err) < 0)
        hst_child_kill(worker->child, err.text);
}

static char *make_line(uint64_t id, const char *operation, const json_t *params, size_t *ret_length)
{
    json_t *empty = json_object();
    json_t *given = json_pack("{s:I, s:s, s:O}", "id", (json_int_t)id, "operation", operation, "params", params != NULL ? params : empty);
    char *line = NULL;
    size_t length = json_dumpb(given, NULL, 0, JSON_COMPACT);
    if (length > 0) line = malloc(length + 1);
    if (line != NULL) {
        json_dumpb(given, line, length, JSON_COMPACT);
        line[length] = '\n';
        *ret_length = length + 1;
    }
    json_decref(given);
    json_decref(empty);
    return line;
}

static int append_call(struct hst_worker *worker, const char *operation, const json_t *params, struct call **ret_call, struct hst_error *err)
{
    struct call *call = calloc(1, sizeof *call);
    if (call != NULL) call->line = make_line(worker->next_id + 1, operation, params, &call->length);
    if (call == NULL || call->line == NULL) {
        free(call);
        return hst_error_nomem(err);
    }
    call->id = ++worker->next_id;
    hst_list_append(&worker->calls, &call->node);
    worker->waiting++;
    *ret_call = call;
    return 0;
}

static int admit(const struct hst_worker *worker, struct hst_error *err)
{
    if (worker->waiting >= HST_WORKER_QUEUE_MAX)
        return hst_error_set(err, HST_E_BUSY, "%zu calls wait for the %s worker already", worker->waiting, worker->config.domain);
    if (worker->failures >= HST_WORKER_BREAKER_FAILURES && hst_clock_ms_since(worker->breaker_ns) < HST_WORKER_BREAKER_MS)
        return hst_error_set(err, HST_E_WORKER_UNAVAILABLE, "the %s worker failed %u times in a row: %s", worker->config.domain,
                             worker->failures, worker->last_error);
    return 0;
}

int hst_worker_call(struct hst_worker *worker, const char *operation, const json_t *params, uint64_t timeout_ms,
                    hst_worker_done_fn done, void *context, struct hst_error *err)
{
    struct call *call;
    HST_TRY(admit(worker, err));
    HST_TRY(append_call(worker, operation, params, &call, err));
    call->timeout_ms = or_default(timeout_ms, HST_WORKER_CALL_MS);
    call->done = done;
    call->context = context;
    if (worker->state == HST_WORKER_STOPPED) start(worker);
    else if (worker->state == HST_WORKER_READY) next_call(worker);
    return 0;
}

enum hst_worker_state hst_worker_state(const struct hst_worker *worker)
{
    return worker->state;
}

json_t *hst_worker_json(const struct hst_worker *worker)
{
    char since[32];
    hst_clock_format(worker->since_wall_ns, since, sizeof since);
    json_t *pid = worker->child != NULL ? json_integer(hst_child_pid(worker->child)) : json_null();
    return json_pack("{s:s, s:s, s:o, s:I, s:s, s:s?, s:o, s:b, s:I, s:i}", "domain", worker->config.domain, "state",
                     state_names[worker->state], "pid", pid, "restarts", (json_int_t)worker->restarts, "since", since, "last_error",
                     worker->last_error[0] != '\0' ? worker->last_error : NULL, "operations",
                     worker->operations != NULL ? json_incref(worker->operations) : json_array(), "busy",
                     (int)(worker->state == HST_WORKER_BUSY), "waiting", (json_int_t)worker->waiting, "failures", (int)worker->failures);
}

int hst_worker_new(const struct hst_worker_config *config, struct hst_worker **ret_worker, struct hst_error *err)
{
    struct hst_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) return hst_error_nomem(err);
    worker->config = *config;
    worker->since_wall_ns = hst_clock_wall_ns();
    hst_list_init(&worker->calls);
    uv_timer_init(config->loop, &worker->timer);
    worker->timer.data = worker;
    ++*config->live;
    *ret_worker = worker;
    return 0;
}

static void free_when_closed(uv_handle_t *handle)
{
    struct hst_worker *worker = handle->data;
    --*worker->config.live;
    json_decref(worker->operations);
    free(worker);
}

void hst_worker_free(struct hst_worker *worker)
{
    if (worker == NULL) return;
    fail_running(worker, HST_E_SHUTTING_DOWN, "the daemon is stopping");
    fail_waiting(worker, HST_E_SHUTTING_DOWN, "the daemon is stopping");
    if (worker->child != NULL) hst_child_abandon(worker->child);
    uv_close((uv_handle_t *)&worker->timer, free_when_closed);
}
