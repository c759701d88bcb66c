/* Talking to a device off the loop thread. */
#include "base/cleanup.h"
#include "load/internal.h"
#include "model/reread.h"
#include "os/file.h"

#include <string.h>

struct running {
    struct hst_device_task task;
    const struct hst_device *device;
    struct hst_device_memory *memory; /* of the block, or allocated here */
    struct hst_claim *claim; /* of what it is filled from: it stays where it is, though the residency may be moved meanwhile; referenced, or NULL */
    struct hst_device_extent *extents;
    size_t extent_count;
    bool allocated; /* here: to be released when filling fails */
    int status;
    struct hst_error error;
};

static bool fills(const struct hst_device_task *task)
{
    return task->fill != NULL || task->component != NULL;
}

/* ---- from files ---- */

/* The files of a model that are read, by their index; -1 = not open. */
struct opened {
    int *fds;
    size_t count;
};

static void opened_fini(struct opened *opened)
{
    for (size_t i = 0; opened->fds != NULL && i < opened->count; i++)
        hst_closep(&opened->fds[i]);
    free(opened->fds);
}

static int open_files(const struct running *running, const struct hst_model *model, struct opened *opened, struct hst_error *err)
{
    opened->fds = malloc((model->file_count + 1) * sizeof *opened->fds);
    if (opened->fds == NULL) return hst_error_nomem(err);
    opened->count = model->file_count;
    memset(opened->fds, -1, (model->file_count + 1) * sizeof *opened->fds);
    for (size_t i = 0; i < running->extent_count; i++) {
        int *fd = &opened->fds[running->extents[i].fd];
        if (*fd < 0) *fd = hst_reread_open(&model->files[running->extents[i].fd], err);
        if (*fd < 0) return *fd;
        running->extents[i].fd = *fd;
    }
    return HST_OK;
}

/* Is what was read what was parsed? */
static int check_files(const struct hst_model *model, const struct opened *opened, struct hst_error *err)
{
    for (size_t i = 0; i < opened->count; i++) {
        struct hst_file_id id;
        if (opened->fds[i] < 0) continue;
        HST_TRY(hst_file_identify(opened->fds[i], &id, err));
        if (!hst_file_id_equal(&id, &model->files[i].id)) return hst_error_set(err, HST_E_FILE_CHANGED, "%s was changed while it was read", model->files[i].path);
    }
    return HST_OK;
}

static int fill_from_files(struct running *running, struct hst_error *err)
{
    HST_AUTO(opened_fini) struct opened opened = {0};
    const struct hst_model *model = running->task.component->model;
    HST_TRY(open_files(running, model, &opened, err));
    HST_TRY(running->device->ops->fill(running->memory, running->extents, running->extent_count, running->task.progress, err));
    return check_files(model, &opened, err);
}

/* ---- on the thread ---- */

static int allocate_and_fill(struct running *running, struct hst_error *err)
{
    const struct hst_device_ops *ops = running->device->ops;
    const struct hst_device_layout *layout = &running->task.allocation->layout;
    if (running->memory == NULL) {
        HST_TRY(ops->allocate(running->device->backend, layout->segment_bytes, layout->segment_count, &running->memory, err));
        running->allocated = true;
    }
    if (!fills(&running->task)) return HST_OK;
    if (running->task.fill == NULL) return fill_from_files(running, err);
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
    hst_claim_unref(running->claim);
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
    const struct hst_allocation_source source = {task->fill, task->component, task->recast};
    if (task->fill != NULL) running->claim = hst_claim_ref(hst_claim_of(task->fill));
    if (fills(task)) HST_TRY(hst_allocation_extents(task->allocation, &source, &running->extents, &running->extent_count, err));
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
