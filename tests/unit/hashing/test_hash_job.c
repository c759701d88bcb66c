/* A file hashed a slice at a time: paused anywhere it gives the same hashes, written meanwhile it gives none. */
#include "hashing/hash_job.h"
#include "catalog/probe.h"
#include "model/reopen.h"
#include "cmocka_all.h"
#include "model_bytes.h"

#include <unistd.h>

enum { SIZE = 66 << 20 }; /* more than a slice */

struct fixture {
    uv_loop_t loop;
    struct hst_exec *exec;
    char folder[64];
    char path[128];
    struct hst_model *model;
    struct hst_hash_job *job;
    _Atomic(bool) stop;
    bool ended;
    bool helped;
};

static int begin(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    char header[128];
    strcpy(fixture->folder, "/tmp/hoist-test-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof fixture->path, "%s/one.safetensors", fixture->folder);
    snprintf(header, sizeof header, "{\"weight\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[0,%d]}}", SIZE, SIZE);
    model_bytes_write(fixture->path, header, SIZE);
    assert_int_equal(hst_probe_file(fixture->path, &fixture->model, NULL), 0);
    uv_loop_init(&fixture->loop);
    assert_int_equal(hst_exec_new(&fixture->loop, "test", 2, &fixture->exec, NULL), 0);
    *state = fixture;
    return 0;
}

static int end(void **state)
{
    struct fixture *fixture = *state;
    hst_exec_free(fixture->exec);
    if (fixture->job != NULL) hst_hash_job_free(fixture->job);
    hst_model_unref(fixture->model);
    uv_loop_close(&fixture->loop);
    unlink(fixture->path);
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

static void on_done(void *arg)
{
    ((struct fixture *)((struct hst_hash_job *)arg)->context)->ended = true;
}

static struct hst_hash_job *new_job(struct fixture *fixture)
{
    assert_int_equal(hst_hash_job_new(fixture->model, 0, true, &fixture->job, NULL), 0);
    fixture->job->stop = &fixture->stop;
    fixture->job->done = on_done;
    fixture->job->context = fixture;
    fixture->job->helped = fixture->helped;
    return fixture->job;
}

/* Run a slice, and stop it once `bytes` are hashed; 0 = to its end. */
static void run(struct fixture *fixture, uint64_t bytes)
{
    fixture->ended = false;
    fixture->stop = false;
    assert_int_equal(hst_hash_job_submit(fixture->job, fixture->exec), 0);
    while (fixture->job->offset < bytes)
        ;
    fixture->stop = bytes > 0;
    while (!fixture->ended)
        uv_run(&fixture->loop, UV_RUN_ONCE);
}

static void paused_anywhere_it_gives_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct hst_hashes expected;
    struct hst_tensor_table *table;
    int fd;
    assert_int_equal(hst_reopen(fixture->path, &fixture->model->files[0].id, &fd, &table, NULL), 0);
    assert_int_equal(hst_hash_file(fd, table, NULL, &expected, NULL), 0);
    hst_tensor_table_free(table);
    close(fd);
    for (uint64_t pause = 1; pause < SIZE; pause += SIZE / 4) {
        struct hst_hash_job *job = new_job(fixture);
        run(fixture, pause);
        assert_int_equal(job->status, 0);
        while (!job->finished)
            run(fixture, 0);
        assert_memory_equal(&job->hashes, &expected, sizeof expected);
        hst_hash_job_free(job);
    }
    fixture->job = NULL;
}

static void two_threads_give_the_same_paused_anywhere(void **state)
{
    ((struct fixture *)*state)->helped = true;
    paused_anywhere_it_gives_the_same(state);
}

/* The only thread of the executor reads: its helper never comes, and is not waited for. */
static void a_helper_that_does_not_come_is_not_waited_for(void **state)
{
    struct fixture *fixture = *state;
    hst_exec_free(fixture->exec);
    assert_int_equal(hst_exec_new(&fixture->loop, "test", 1, &fixture->exec, NULL), 0);
    two_threads_give_the_same_paused_anywhere(state);
}

static void written_meanwhile_it_gives_none(void **state)
{
    struct fixture *fixture = *state;
    struct hst_hash_job *job = new_job(fixture);
    run(fixture, 0);
    assert_false(job->finished);
    FILE *file = fopen(fixture->path, "r+b");
    fseek(file, -1, SEEK_END);
    fputc('x', file);
    fclose(file);
    run(fixture, 0);
    assert_int_equal(job->status, HST_E_FILE_CHANGED);
    assert_false(job->finished);
}

static void one_that_became_shorter_fails(void **state)
{
    struct fixture *fixture = *state;
    struct hst_hash_job *job = new_job(fixture);
    run(fixture, 0);
    assert_int_equal(truncate(fixture->path, 1 << 20), 0);
    run(fixture, 0);
    assert_int_equal(job->status, HST_E_TRUNCATED);
    assert_false(job->finished);
}

static void one_that_is_another_by_now_is_not_begun(void **state)
{
    struct fixture *fixture = *state;
    struct hst_hash_job *job = new_job(fixture);
    model_bytes_write(fixture->path, "{}", 0);
    run(fixture, 0);
    assert_int_equal(job->status, HST_E_FILE_CHANGED);
    assert_int_equal(job->offset, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paused_anywhere_it_gives_the_same, begin, end),
        cmocka_unit_test_setup_teardown(two_threads_give_the_same_paused_anywhere, begin, end),
        cmocka_unit_test_setup_teardown(a_helper_that_does_not_come_is_not_waited_for, begin, end),
        cmocka_unit_test_setup_teardown(written_meanwhile_it_gives_none, begin, end),
        cmocka_unit_test_setup_teardown(one_that_became_shorter_fails, begin, end),
        cmocka_unit_test_setup_teardown(one_that_is_another_by_now_is_not_begun, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
