/* Talking to a device off the loop thread. */
#include "base/cleanup.h"
#include "load/internal.h"

struct running {
    struct hst_device_task task;
    struct hst_device_extent *extents;
    size_t extent_count;
    bool allocated; /* here: to be released when filling fails */
    int status;
    struct hst_error error;
};

static int allocate_and_fill(struct running *running, struct hst_error *err)
{
    struct hst_device_task *task = &running->task;
    const struct hst_device_ops *ops = task->device->ops;
    if (task->memory == NULL) {
        HST_TRY(ops->allocate(task->device->backend, &task->size_bytes, 1, &task->memory, err));
        running->allocated = true;
    }
    if (task->fill == NULL) return HST_OK;
    struct hst_device_progress progress = {.cancel = task->cancel};
    return ops->fill(task->memory, running->extents, running->extent_count, &progress, err);
}

static void work(void *arg)
{
    struct running *running = arg;
    running->status = allocate_and_fill(running, &running->error);
    if (running->status == HST_OK || !running->allocated) return;
    running->task.device->ops->release(running->task.memory);
    running->task.memory = NULL;
}

static void free_running(struct running *running)
{
    free(running->extents);
    free(running);
}

static void done(void *arg)
{
    struct running *running = arg;
    struct hst_device_task task = running->task;
    struct hst_error error = running->error;
    int status = running->status;
    free_running(running);
    task.done(task.context, status, status < 0 ? &error : NULL, task.memory);
}

/* Where the bytes are now: copied, because a residency belongs to the loop thread. */
static int copy_extents(struct running *running, const struct hst_residency *residency, struct hst_error *err)
{
    running->extents = calloc(residency->segment_count + 1, sizeof *running->extents);
    if (running->extents == NULL) return hst_error_nomem(err);
    running->extent_count = residency->segment_count;
    for (size_t i = 0; i < residency->segment_count; i++)
        running->extents[i] = (struct hst_device_extent){.fd = residency->segments[i].fd, .offset = residency->segments[i].offset, .size_bytes = residency->segments[i].size_bytes};
    return HST_OK;
}

int hst_device_task_start(const struct hst_device_task *task, struct hst_error *err)
{
    struct running *running = calloc(1, sizeof *running);
    if (running == NULL) return hst_error_nomem(err);
    running->task = *task;
    int status = task->fill != NULL ? copy_extents(running, task->fill, err) : HST_OK;
    if (status == HST_OK && hst_exec_submit(task->loader->exec, work, done, running) < 0) status = hst_error_nomem(err);
    if (status < 0) free_running(running);
    return status;
}
