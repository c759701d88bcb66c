#include "service/recorder.h"

#include "base/cleanup.h"
#include "os/clock.h"
#include "service/internal.h"
#include "service/limits.h"
#include "service/preload.h"
#include "service/residents.h"
#include "service/usejson.h"
#include "service/usekey.h"
#include "store/db_notes.h"

#include <stdlib.h>
#include <string.h>

struct hst_recorder {
    struct hst_service *service;
    struct hst_db *db;             /* or NULL: nothing is kept */
    struct hst_exec *exec;         /* one thread, that writes */
    uv_timer_t timer;
    bool closed;                   /* the timer is */
    bool writing;
    bool marked;                   /* since the last write began */
    struct hst_patterns *patterns;
    struct hst_ledger ledger;
    json_t *residents;             /* of the last hoistd */
    json_t *gone;                  /* keys that were forgotten and are still in the database */
};

double hst_recorder_now(void)
{
    return (double)hst_clock_wall_ns() / 1e9;
}

struct hst_patterns *hst_recorder_patterns(const struct hst_recorder *recorder)
{
    return recorder->patterns;
}

struct hst_ledger *hst_recorder_ledger(struct hst_recorder *recorder)
{
    return &recorder->ledger;
}

json_t *hst_recorder_residents(const struct hst_recorder *recorder)
{
    return recorder->residents;
}

/* ---- reading ---- */

static int read_note(void *context, const struct hst_db_note *note)
{
    json_object_set_new(context, note->key, json_loads(note->value, 0, NULL));
    return HST_OK;
}

/* An object of an area's notes by key. What is no JSON is left out. */
static int read_area(const struct hst_recorder *recorder, const char *area, json_t **ret_rows, struct hst_error *err)
{
    *ret_rows = json_object();
    return recorder->db != NULL ? hst_db_each_note(recorder->db, area, read_note, *ret_rows, err) : HST_OK;
}

static int recall(struct hst_recorder *recorder, struct hst_error *err)
{
    json_t *uses = NULL, *state = NULL;
    int status = read_area(recorder, "use", &uses, err);
    if (status == HST_OK) status = read_area(recorder, "state", &state, err);
    if (status == HST_OK) {
        hst_usejson_recall(recorder->patterns, uses);
        hst_usejson_recall_ledger(&recorder->ledger, json_object_get(state, "predictions"));
        recorder->residents = json_incref(json_object_get(state, "residents"));
    }
    json_decref(uses);
    json_decref(state);
    return status;
}

/* ---- writing ---- */

/* Notes on their way to the database. The thread has them for itself until it is done. */
struct writing {
    struct hst_recorder *recorder;
    struct hst_db_note *notes; /* owned; keys and values as well */
    size_t count, room;
    int status;
};

static void free_writing(struct writing *writing)
{
    for (size_t i = 0; i < writing->count; i++) {
        free((char *)writing->notes[i].key);
        free((char *)writing->notes[i].value);
    }
    free(writing->notes);
    free(writing);
}

/* `value` (stolen) NULL = take it out. */
static void add(struct writing *writing, const char *area, const char *key, json_t *value)
{
    char *copy = strdup(key), *text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    if (copy != NULL && writing->count < writing->room && (value == NULL || text != NULL))
        writing->notes[writing->count++] = (struct hst_db_note){area, copy, text};
    else {
        free(copy);
        free(text);
    }
    json_decref(value);
}

static void collect(struct writing *writing)
{
    struct hst_recorder *recorder = writing->recorder;
    size_t cursor = 0, index;
    json_t *key;
    json_array_foreach(recorder->gone, index, key)
        add(writing, "use", json_string_value(key), NULL);
    json_array_clear(recorder->gone);
    for (struct hst_pattern *pattern; (pattern = hst_patterns_each(recorder->patterns, &cursor));) {
        if (!pattern->changed) continue;
        add(writing, "use", pattern->key, hst_usejson_pattern(pattern));
        pattern->changed = false;
    }
    add(writing, "state", "predictions", hst_usejson_ledger(&recorder->ledger));
    add(writing, "state", "residents", hst_residents_list(recorder->service, hst_preload_pending(recorder->service->preload)));
}

static struct writing *make_writing(struct hst_recorder *recorder)
{
    struct writing *writing = calloc(1, sizeof *writing);
    if (writing == NULL) return NULL;
    writing->recorder = recorder;
    writing->room = hst_patterns_count(recorder->patterns) + json_array_size(recorder->gone) + 2;
    writing->notes = calloc(writing->room, sizeof *writing->notes);
    if (writing->notes != NULL) collect(writing);
    return writing;
}

static void write_work(void *arg)
{
    struct writing *writing = arg;
    writing->status = hst_db_put_notes(writing->recorder->db, writing->notes, writing->count, NULL);
}

/* What could not be written is tried again with the next change. */
static void write_done(void *arg)
{
    struct writing *writing = arg;
    struct hst_recorder *recorder = writing->recorder;
    for (size_t i = 0; writing->status < 0 && i < writing->count; i++) {
        struct hst_pattern *pattern = hst_patterns_find(recorder->patterns, writing->notes[i].key);
        if (pattern != NULL) pattern->changed = true;
        if (writing->notes[i].value == NULL) json_array_append_new(recorder->gone, json_string(writing->notes[i].key));
    }
    free_writing(writing);
    recorder->writing = false;
    if (recorder->marked) hst_recorder_mark(recorder);
}

static void write_now(struct hst_recorder *recorder)
{
    struct writing *writing = make_writing(recorder);
    recorder->marked = false;
    if (writing == NULL) return;
    recorder->writing = true;
    if (hst_exec_submit(recorder->exec, write_work, write_done, writing) == HST_OK) return;
    writing->status = HST_E_NOMEM;
    write_done(writing);
}

static void on_time(uv_timer_t *timer)
{
    write_now(timer->data);
}

void hst_recorder_mark(struct hst_recorder *recorder)
{
    if (recorder == NULL || recorder->db == NULL) return;
    recorder->marked = true;
    if (!recorder->writing && !uv_is_closing((uv_handle_t *)&recorder->timer) && !uv_is_active((uv_handle_t *)&recorder->timer))
        uv_timer_start(&recorder->timer, on_time, HST_RECORDER_MS, 0);
}

/* ---- using ---- */

void hst_recorder_use(struct hst_recorder *recorder, const char *key, double waited_s)
{
    double now_s = hst_recorder_now();
    if (recorder == NULL) return;
    hst_patterns_use(recorder->patterns, key, now_s, waited_s);
    hst_ledger_use(&recorder->ledger, key, now_s, waited_s);
    hst_recorder_mark(recorder);
}

void hst_recorder_job(struct hst_recorder *recorder, const struct hst_job *job)
{
    char key[HST_PATTERN_KEY_MAX];
    if (job->state != HST_JOB_DONE || job->ahead || job->dry) return;
    hst_usekey_write(key, job->model, job->components, job->component_count, job->precision);
    hst_recorder_use(recorder, key, job->plan->ram_bytes > 0 ? job->loading_ms / 1e3 : 0);
}

/* ---- its life ---- */

static void on_gone(void *context, const char *key)
{
    struct hst_recorder *recorder = context;
    json_array_append_new(recorder->gone, json_string(key));
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_recorder *)handle->data)->closed = true;
}

static void stop_timer(struct hst_recorder *recorder)
{
    uv_close((uv_handle_t *)&recorder->timer, on_closed);
    while (!recorder->closed)
        uv_run(recorder->service->config.loop, UV_RUN_ONCE);
}

static int begin(struct hst_recorder *recorder, struct hst_error *err)
{
    HST_TRY(hst_patterns_new(&recorder->patterns, err));
    hst_patterns_listen(recorder->patterns, on_gone, recorder);
    HST_TRY(hst_exec_new(recorder->service->config.loop, "record", 1, &recorder->exec, err));
    return recall(recorder, err);
}

int hst_recorder_new(struct hst_service *service, struct hst_recorder **ret_recorder, struct hst_error *err)
{
    struct hst_recorder *recorder = calloc(1, sizeof *recorder);
    if (recorder == NULL) return hst_error_nomem(err);
    *recorder = (struct hst_recorder){.service = service, .db = hst_catalog_database(service->config.catalog), .gone = json_array()};
    uv_timer_init(service->config.loop, &recorder->timer);
    recorder->timer.data = recorder;
    uv_unref((uv_handle_t *)&recorder->timer);
    int status = begin(recorder, err);
    if (status == HST_OK)
        *ret_recorder = recorder;
    else
        hst_recorder_free(recorder);
    return status;
}

void hst_recorder_free(struct hst_recorder *recorder)
{
    if (recorder == NULL) return;
    stop_timer(recorder);
    while (recorder->writing)
        uv_run(recorder->service->config.loop, UV_RUN_ONCE);
    if (recorder->db != NULL && recorder->exec != NULL && recorder->patterns != NULL) write_now(recorder); /* pins are not told */
    hst_exec_free(recorder->exec);
    hst_patterns_free(recorder->patterns);
    json_decref(recorder->residents);
    json_decref(recorder->gone);
    free(recorder);
}
