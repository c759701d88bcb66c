#include "os/exec.h"

#include "base/list.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* A job on its way to a thread, or a completion on its way back. */
struct task {
    struct hst_list node;
    hst_exec_fn work; /* NULL for a posted completion */
    hst_exec_fn done;
    void *arg;
};

struct hst_exec {
    pthread_mutex_t lock; /* guards jobs, finished, stopping */
    pthread_cond_t wake;
    struct hst_list jobs;
    struct hst_list finished;
    bool stopping;
    uv_loop_t *loop;
    uv_async_t async;
    bool async_closed;
    size_t pending; /* loop thread only; the async handle keeps the loop alive exactly while it is not 0 */
    char name[16];
    unsigned thread_count;
    pthread_t threads[];
};

static struct task *pop(struct hst_list *queue)
{
    if (hst_list_empty(queue)) return NULL;
    struct task *task = hst_container_of(queue->next, struct task, node);
    hst_list_remove(&task->node);
    return task;
}

static void push(struct hst_exec *exec, struct hst_list *queue, struct task *task)
{
    pthread_mutex_lock(&exec->lock);
    hst_list_append(queue, &task->node);
    pthread_mutex_unlock(&exec->lock);
}

/* The next job, or NULL when the pool stops. */
static struct task *wait_for_job(struct hst_exec *exec)
{
    pthread_mutex_lock(&exec->lock);
    while (hst_list_empty(&exec->jobs) && !exec->stopping)
        pthread_cond_wait(&exec->wake, &exec->lock);
    struct task *task = pop(&exec->jobs);
    pthread_mutex_unlock(&exec->lock);
    return task;
}

static void *thread_main(void *arg)
{
    struct hst_exec *exec = arg;
    pthread_setname_np(pthread_self(), exec->name);
    for (struct task *task; (task = wait_for_job(exec));) {
        task->work(task->arg);
        push(exec, &exec->finished, task);
        uv_async_send(&exec->async);
    }
    return NULL;
}

static struct task *next_finished(struct hst_exec *exec)
{
    pthread_mutex_lock(&exec->lock);
    struct task *task = pop(&exec->finished);
    pthread_mutex_unlock(&exec->lock);
    return task;
}

static void finish(struct hst_exec *exec, struct task *task)
{
    if (task->work != NULL && --exec->pending == 0) uv_unref((uv_handle_t *)&exec->async);
    hst_exec_fn done = task->done;
    void *arg = task->arg;
    free(task);
    if (done != NULL) done(arg);
}

static void drain(struct hst_exec *exec)
{
    for (struct task *task; (task = next_finished(exec));)
        finish(exec, task);
}

static void on_async(uv_async_t *async)
{
    drain(async->data);
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_exec *)handle->data)->async_closed = true;
}

static void stop_threads(struct hst_exec *exec)
{
    pthread_mutex_lock(&exec->lock);
    exec->stopping = true;
    pthread_cond_broadcast(&exec->wake);
    pthread_mutex_unlock(&exec->lock);
    for (unsigned i = 0; i < exec->thread_count; i++)
        pthread_join(exec->threads[i], NULL);
}

static int start_threads(struct hst_exec *exec, unsigned threads, struct hst_error *err)
{
    for (; exec->thread_count < threads; exec->thread_count++)
        if (pthread_create(&exec->threads[exec->thread_count], NULL, thread_main, exec) != 0)
            return hst_error_set(err, HST_E_NOMEM, "cannot start thread %s", exec->name);
    return HST_OK;
}

int hst_exec_new(uv_loop_t *loop, const char *name, unsigned threads, struct hst_exec **ret_exec, struct hst_error *err)
{
    struct hst_exec *exec = calloc(1, sizeof *exec + threads * sizeof exec->threads[0]);
    if (exec == NULL) return hst_error_nomem(err);
    exec->loop = loop;
    snprintf(exec->name, sizeof exec->name, "%s", name);
    hst_list_init(&exec->jobs);
    hst_list_init(&exec->finished);
    pthread_mutex_init(&exec->lock, NULL);
    pthread_cond_init(&exec->wake, NULL);
    if (uv_async_init(loop, &exec->async, on_async) < 0) {
        free(exec);
        return hst_error_set(err, HST_E_INTERNAL, "cannot make an async handle");
    }
    exec->async.data = exec;
    uv_unref((uv_handle_t *)&exec->async);
    int status = start_threads(exec, threads, err);
    if (status < 0) {
        hst_exec_free(exec);
        return status;
    }
    *ret_exec = exec;
    return HST_OK;
}

static struct task *new_task(hst_exec_fn work, hst_exec_fn done, void *arg)
{
    struct task *task = calloc(1, sizeof *task);
    if (task != NULL) *task = (struct task){.work = work, .done = done, .arg = arg};
    return task;
}

int hst_exec_submit(struct hst_exec *exec, hst_exec_fn work, hst_exec_fn done, void *arg)
{
    struct task *task = new_task(work, done, arg);
    if (task == NULL) return HST_E_NOMEM;
    if (exec->pending++ == 0) uv_ref((uv_handle_t *)&exec->async);
    push(exec, &exec->jobs, task);
    pthread_cond_signal(&exec->wake);
    return HST_OK;
}

int hst_exec_post(struct hst_exec *exec, hst_exec_fn fn, void *arg)
{
    struct task *task = new_task(NULL, fn, arg);
    if (task == NULL) return HST_E_NOMEM;
    push(exec, &exec->finished, task);
    uv_async_send(&exec->async);
    return HST_OK;
}

size_t hst_exec_pending(const struct hst_exec *exec)
{
    return exec->pending;
}

/* Completions may submit further jobs after the threads are gone: those run here. */
static void run_leftovers(struct hst_exec *exec)
{
    drain(exec);
    for (struct task *task; (task = pop(&exec->jobs));) {
        task->work(task->arg);
        finish(exec, task);
        drain(exec);
    }
}

void hst_exec_free(struct hst_exec *exec)
{
    if (exec == NULL) return;
    stop_threads(exec);
    run_leftovers(exec);
    uv_ref((uv_handle_t *)&exec->async);
    uv_close((uv_handle_t *)&exec->async, on_closed);
    while (!exec->async_closed)
        uv_run(exec->loop, UV_RUN_ONCE);
    pthread_mutex_destroy(&exec->lock);
    pthread_cond_destroy(&exec->wake);
    free(exec);
}
