/* A worker's process may do anything: its calls end with an answer or an error, and the next process takes over. */
#include "base/cleanup.h"
#include "cmocka_all.h"
#include "unit/workers/paths.h"
#include "workers/limits.h"
#include "workers/worker.h"

#include <signal.h>
#include <string.h>

static uv_loop_t loop;
static unsigned live;

struct seen {
    int done;
    int status;
    char text[HST_ERROR_TEXT_MAX];
    json_t *result;
};

struct fixture {
    struct hst_worker *worker;
    struct seen seen;
    int changes;
};

static void count_change(void *context, struct hst_worker *worker)
{
    (void)worker;
    ((struct fixture *)context)->changes++;
}

static void make(struct fixture *fixture, const char *const *arguments, uint64_t ping_ms)
{
    struct hst_worker_config config = {.loop = &loop, .domain = "processing", .arguments = arguments, .socket_path = "/run/test.sock",
        .ping_ms = ping_ms, .backoff_min_ms = 10, .changed = count_change, .context = fixture, .live = &live};
    *fixture = (struct fixture){0};
    assert_int_equal(hst_worker_new(&config, &fixture->worker, NULL), 0);
}

static const char *const good[] = {"python3", WORKER_PY, NULL};

static void drop(struct fixture *fixture)
{
    hst_worker_free(fixture->worker);
    while (live > 0)
        uv_run(&loop, UV_RUN_ONCE);
    json_decref(fixture->seen.result);
}

static void note(void *context, json_t *result, const struct hst_error *err)
{
    struct seen *seen = context;
    seen->done++;
    seen->status = err != NULL ? err->status : 0;
    snprintf(seen->text, sizeof seen->text, "%s", err != NULL ? err->text : "");
    json_decref(seen->result);
    seen->result = json_incref(result);
}

/* Call and wait for the end. Params are stolen. */
static int call(struct fixture *fixture, const char *operation, json_t *params, uint64_t timeout_ms)
{
    int before = fixture->seen.done;
    int status = hst_worker_call(fixture->worker, operation, params, timeout_ms, note, &fixture->seen, NULL);
    json_decref(params);
    while (status == 0 && fixture->seen.done == before)
        uv_run(&loop, UV_RUN_ONCE);
    return status < 0 ? status : fixture->seen.status;
}

static bool echoes(struct fixture *fixture)
{
    return call(fixture, "echo", json_pack("{s:i}", "value", 7), 0) == 0 && json_integer_value(fixture->seen.result) == 7;
}

static json_int_t number_of(struct fixture *fixture, const char *key)
{
    json_t *object = hst_worker_json(fixture->worker);
    json_int_t value = json_integer_value(json_object_get(object, key));
    json_decref(object);
    return value;
}

static void starts_on_the_first_call_and_answers(void **state)
{
    (void)state;
    struct fixture fixture;
    make(&fixture, good, 0);
    assert_int_equal(hst_worker_state(fixture.worker), HST_WORKER_STOPPED);
    assert_true(echoes(&fixture));
    assert_int_equal(hst_worker_state(fixture.worker), HST_WORKER_READY);
    assert_true(number_of(&fixture, "pid") > 0);
    assert_true(fixture.changes >= 3);
    drop(&fixture);
}

static void tells_the_process_where_the_daemon_is(void **state)
{
    (void)state;
    struct fixture fixture;
    make(&fixture, good, 0);
    assert_int_equal(call(&fixture, "environment", json_pack("{s:s}", "name", "HOIST_SOCKET"), 0), 0);
    assert_string_equal(json_string_value(fixture.seen.result), "/run/test.sock");
    drop(&fixture);
}

static void passes_a_megabyte_in_both_directions(void **state)
{
    (void)state;
    struct fixture fixture;
    char *text = calloc(1, (1 << 20) + 1);
    memset(text, 'x', 1 << 20);
    make(&fixture, good, 0);
    assert_int_equal(call(&fixture, "echo", json_pack("{s:s}", "value", text), 0), 0);
    assert_string_equal(json_string_value(fixture.seen.result), text);
    free(text);
    drop(&fixture);
}

static void serves_calls_in_the_order_they_came(void **state)
{
    (void)state;
    struct fixture fixture;
    struct seen seen[10] = {0};
    make(&fixture, good, 0);
    for (int i = 0; i < 10; i++) {
        json_t *params = json_pack("{s:i}", "value", i);
        assert_int_equal(hst_worker_call(fixture.worker, "echo", params, 0, note, &seen[i], NULL), 0);
        json_decref(params);
    }
    while (seen[9].done == 0)
        uv_run(&loop, UV_RUN_ONCE);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(json_integer_value(seen[i].result), i);
        json_decref(seen[i].result);
    }
    drop(&fixture);
}

/* Whatever ends the process ends the call with this status, and the next call is answered by a new process. */
static void recovers_from(const char *operation, uint64_t timeout_ms, const char *said)
{
    struct fixture fixture;
    make(&fixture, good, 0);
    assert_int_equal(call(&fixture, operation, NULL, timeout_ms), HST_E_WORKER_GONE);
    assert_non_null(strstr(fixture.seen.text, said));
    assert_true(echoes(&fixture));
    assert_int_equal(number_of(&fixture, "restarts"), 1);
    assert_int_equal(number_of(&fixture, "failures"), 0);
    drop(&fixture);
}

static void recovers_from_an_exit_and_repeats_its_last_words(void **state)
{
    (void)state;
    recovers_from("die", 0, "exited with status 3: something broke here");
}

static void recovers_from_a_kill(void **state)
{
    (void)state;
    recovers_from("kill", 0, "ended by signal 9");
}

static void recovers_from_silence(void **state)
{
    (void)state;
    recovers_from("sleep", 100, "did not answer in time");
}

static void recovers_from_a_line_that_is_no_json(void **state)
{
    (void)state;
    recovers_from("shout", 0, "wrote what is not an answer");
}

static void recovers_from_an_answer_nobody_asked_for(void **state)
{
    (void)state;
    recovers_from("wrong_id", 0, "wrote what is not an answer");
}

static void recovers_from_a_closed_output(void **state)
{
    (void)state;
    recovers_from("close_output", 0, "closed its output");
}

static void keeps_the_end_of_what_it_printed(void **state)
{
    (void)state;
    recovers_from("noise", 0, "the last line");
}

static void calls_in_line_survive_the_death_of_the_process(void **state)
{
    (void)state;
    struct fixture fixture;
    struct seen first = {0};
    make(&fixture, good, 0);
    assert_int_equal(hst_worker_call(fixture.worker, "kill", NULL, 0, note, &first, NULL), 0);
    assert_true(echoes(&fixture));
    assert_int_equal(first.status, HST_E_WORKER_GONE);
    drop(&fixture);
}

static void passes_on_what_the_worker_says_went_wrong(void **state)
{
    (void)state;
    struct fixture fixture;
    make(&fixture, good, 0);
    assert_int_equal(call(&fixture, "fail", json_pack("{s:s}", "message", "no such voice"), 0), HST_E_WORKER_FAILED);
    assert_string_equal(fixture.seen.text, "no such voice");
    assert_int_equal(call(&fixture, "fail", json_pack("{s:s}", "code", "model_not_found"), 0), HST_E_MODEL_NOT_FOUND);
    assert_int_equal(call(&fixture, "fail", json_pack("{s:s}", "code", "made_up"), 0), HST_E_WORKER_FAILED);
    assert_int_equal(number_of(&fixture, "restarts"), 0);
    drop(&fixture);
}

static void opens_the_breaker_when_it_cannot_start(void **state)
{
    (void)state;
    static const char *const arguments[] = {"python3", WORKER_PY, "--never-ready", NULL};
    struct fixture fixture;
    make(&fixture, arguments, 0);
    assert_int_equal(call(&fixture, "echo", NULL, 0), HST_E_WORKER_UNAVAILABLE);
    assert_non_null(strstr(fixture.seen.text, "cannot start here"));
    while (hst_worker_state(fixture.worker) != HST_WORKER_STOPPED)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(number_of(&fixture, "failures"), HST_WORKER_BREAKER_FAILURES);
    struct hst_error err = {0};
    assert_int_equal(hst_worker_call(fixture.worker, "echo", NULL, 0, note, &fixture.seen, &err), HST_E_WORKER_UNAVAILABLE);
    assert_non_null(strstr(err.text, "5 times in a row"));
    drop(&fixture);
}

static void says_when_the_program_is_missing(void **state)
{
    (void)state;
    static const char *const arguments[] = {"/no/such/python", NULL};
    struct fixture fixture;
    make(&fixture, arguments, 0);
    assert_int_equal(call(&fixture, "echo", NULL, 0), HST_E_WORKER_UNAVAILABLE);
    assert_non_null(strstr(fixture.seen.text, "/no/such/python"));
    drop(&fixture);
}

static void refuses_what_would_wait_too_long(void **state)
{
    (void)state;
    struct fixture fixture;
    make(&fixture, good, 0);
    for (unsigned i = 0; i < HST_WORKER_QUEUE_MAX; i++)
        assert_int_equal(hst_worker_call(fixture.worker, "echo", NULL, 0, note, &fixture.seen, NULL), 0);
    assert_int_equal(hst_worker_call(fixture.worker, "echo", NULL, 0, note, &fixture.seen, NULL), HST_E_BUSY);
    drop(&fixture);
    assert_int_equal(fixture.seen.done, HST_WORKER_QUEUE_MAX);
    assert_int_equal(fixture.seen.status, HST_E_SHUTTING_DOWN);
}

static void wake(uv_timer_t *timer)
{
    uv_timer_stop(timer);
}

static void run_for(uint64_t ms)
{
    uint64_t end = uv_now(&loop) + ms;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, wake, ms, 0);
    while (uv_now(&loop) < end)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
}

static void asks_an_idle_worker_for_a_sign_of_life_in_silence(void **state)
{
    (void)state;
    struct fixture fixture;
    make(&fixture, good, 20);
    assert_true(echoes(&fixture));
    int changes = fixture.changes;
    run_for(300);
    assert_int_equal(fixture.changes, changes);
    assert_true(echoes(&fixture));
    assert_int_equal(number_of(&fixture, "restarts"), 0);
    drop(&fixture);
}

static void ends_a_process_that_ignores_sigterm(void **state)
{
    (void)state;
    struct fixture fixture;
    make(&fixture, good, 0);
    assert_int_equal(call(&fixture, "stubborn", NULL, 0), 0);
    pid_t pid = (pid_t)number_of(&fixture, "pid");
    assert_int_equal(kill(pid, 0), 0);
    drop(&fixture);
    assert_int_equal(kill(pid, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_on_the_first_call_and_answers),
        cmocka_unit_test(tells_the_process_where_the_daemon_is),
        cmocka_unit_test(passes_a_megabyte_in_both_directions),
        cmocka_unit_test(serves_calls_in_the_order_they_came),
        cmocka_unit_test(recovers_from_an_exit_and_repeats_its_last_words),
        cmocka_unit_test(recovers_from_a_kill),
        cmocka_unit_test(recovers_from_silence),
        cmocka_unit_test(recovers_from_a_line_that_is_no_json),
        cmocka_unit_test(recovers_from_an_answer_nobody_asked_for),
        cmocka_unit_test(recovers_from_a_closed_output),
        cmocka_unit_test(keeps_the_end_of_what_it_printed),
        cmocka_unit_test(calls_in_line_survive_the_death_of_the_process),
        cmocka_unit_test(passes_on_what_the_worker_says_went_wrong),
        cmocka_unit_test(opens_the_breaker_when_it_cannot_start),
        cmocka_unit_test(says_when_the_program_is_missing),
        cmocka_unit_test(refuses_what_would_wait_too_long),
        cmocka_unit_test(asks_an_idle_worker_for_a_sign_of_life_in_silence),
        cmocka_unit_test(ends_a_process_that_ignores_sigterm),
    };
    uv_loop_init(&loop);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    uv_loop_close(&loop);
    return failed;
}
