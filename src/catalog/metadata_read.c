#include "catalog/metadata_read.h"

#include "base/cleanup.h"
#include "catalog/internal.h"
#include "catalog/limits.h"
#include "catalog/metadata_collect.h"

#include <string.h>

struct job {
    struct hst_catalog *catalog;
    struct hst_model *model;
    struct hst_override_list said;
    struct hst_metadata_read found;
    bool image;
    hst_metadata_read_fn done;
    void *context;
    int status;
    struct hst_error error;
};

static void free_job(struct job *job)
{
    hst_metadata_fini(&job->found.list);
    hst_override_fini(&job->said);
    hst_model_unref(job->model);
    free(job->found.image);
    free(job);
}

/* Content decides: a browser is told what it is, and nothing but an image is sent as one. */
static const char *image_type(const char *bytes, size_t length)
{
    if (length >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0) return "image/png";
    if (length >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0) return "image/jpeg";
    if (length >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0) return "image/webp";
    return NULL;
}

static int read_image(struct job *job, struct hst_error *err)
{
    struct hst_metadata_preview *preview = &job->found.list.preview;
    struct hst_file_id id;
    if (preview->path == NULL) return hst_error_set(err, HST_E_FILE_MISSING, "%s has no preview: an image such as %s.preview.png beside it", job->model->id, job->model->name);
    HST_AUTO(hst_closep) int fd = hst_file_open(preview->path, &id, err);
    if (fd < 0) return fd;
    if (id.size_bytes > HST_PREVIEW_MAX) return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "the preview has %llu bytes", (unsigned long long)id.size_bytes);
    HST_TRY(hst_file_slurp(fd, 0, id.size_bytes, &job->found.image, err));
    job->found.image_length = id.size_bytes;
    preview->content_type = image_type(job->found.image, id.size_bytes);
    return preview->content_type != NULL ? HST_OK : hst_error_set(err, HST_E_INVALID_FILE, "%s is no PNG, JPEG or WebP image", preview->path);
}

static void work(void *arg)
{
    struct job *job = arg;
    job->status = hst_metadata_collect_again(job->model, !job->image, &job->said, &job->found.list, &job->error);
    if (job->status == HST_OK && job->image) job->status = read_image(job, &job->error);
}

static void finish(void *arg)
{
    struct job *job = arg;
    job->done(job->context, job->status < 0 ? NULL : &job->found, job->status < 0 ? &job->error : NULL);
    free_job(job);
}

static int start(struct job *job, const struct hst_entry *entry, struct hst_error *err)
{
    job->model = hst_model_ref(entry->model);
    HST_TRY(hst_override_copy(&entry->said, &job->said, err));
    return hst_exec_submit(job->catalog->exec, work, finish, job) < 0 ? hst_error_nomem(err) : HST_OK;
}

int hst_metadata_read_begin(struct hst_catalog *catalog, const char *id, bool image, hst_metadata_read_fn done, void *context, struct hst_error *err)
{
    const struct hst_entry *entry = hst_map_get_str(&catalog->by_id, id);
    if (entry == NULL || entry->model == NULL) return hst_error_set(err, HST_E_MODEL_NOT_FOUND, "no model has the id '%s'", id);
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) return hst_error_nomem(err);
    *job = (struct job){.catalog = catalog, .image = image, .done = done, .context = context};
    hst_metadata_init(&job->found.list, HST_METADATA_READ_MAX, HST_METADATA_READ_MAX);
    int status = start(job, entry, err);
    if (status < 0) free_job(job);
    return status;
}
