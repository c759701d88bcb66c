/* Talking to a device off the loop thread. */
#include "base/cleanup.h"
#include "load/internal.h"

struct running {
    struct hst_device_task task;
    const struct hst_device *device;
    struct hst_device_memory *memory; /* of the block, or allocated here */
    struct hst_device_extent *extents;
    size_t extent_count;
    bool allocated; /* here: to be released when filling fails */
    int status;
    struct hst_error error;
};

static int allocate_and_fill(struct running *running, struct hst_error *err)
{
    const struct hst_device_ops *ops = running->device->ops;
    const struct hst_device_layout *layout = &running->task.allocation->layout;
    if (running->memory == NULL) {
        HST_TRY(ops->allocate(running->device->backend, layout->segment_bytes, layout->segment_count, &running->memory, err));
        running->allocated = true;
    }
    if (running->task.fill == NULL) return HST_OK;
    return ops->fill(running->memory, running->extents, running->extent_count, running->task.progress, err);
}

static void work(void *arg)
{
    struct running *running = arg;
    running->status = allocate_and_fill(running, &running->error);
    if (running->status == HST_OK || !running->allocated) return;
    running->device->ops->release(hst_steal(&running->memory));
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
    if (running->allocated) task.allocation->blocks[0]->memory = running->memory;
    free_running(running);
    task.done(task.context, status, status < 0 ? &error : NULL);
}

static int begin(struct running *running, struct hst_error *err)
{
    struct hst_device_task *task = &running->task;
    if (task->fill != NULL) HST_TRY(hst_allocation_extents(task->allocation, task->fill, &running->extents, &running->extent_count, err));
    return hst_exec_submit(task->loader->exec, work, done, running) < 0 ? hst_error_nomem(err) : HST_OK;
}

int hst_device_task_start(const struct hst_device_task *task, struct hst_error *err)
{
    struct running *running = calloc(1, sizeof *running);
    if (running == NULL) return hst_error_nomem(err);
    running->task = *task;
    running->device = task->allocation->device;
    running->memory = task->allocation->blocks[0]->memory;
    int status = begin(running, err);
    if (status < 0) free_running(running);
    return status;
}
