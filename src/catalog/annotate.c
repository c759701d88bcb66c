/* An annotation:  checks (loop) --> write, remember, parse again (executor) --> publish (loop) --> done. */
#include "catalog/annotate.h"

#include "base/cleanup.h"
#include "catalog/internal.h"
#include "model/layout.h"
#include "catalog/metadata_write.h"
#include "catalog/probe.h"
#include "catalog/sidecar.h"
#include "catalog/summary.h"
#include "os/folder.h"

#include <string.h>

/* An annotation under way. */
struct job {
    struct hst_catalog *catalog;
    struct hst_model *old;        /* as it was */
    struct hst_annotation what;
    struct hst_override_list said; /* all that the user said, with what is new */
    hst_annotate_fn done;
    void *context;
    struct hst_model *new;        /* as it is now */
    struct hst_candidate seen;    /* what a scan will see of it */
    int status;
    struct hst_error error;
};

static void free_job(struct job *job)
{
    hst_override_fini(&job->what.words);
    hst_override_fini(&job->what.said);
    hst_override_fini(&job->said);
    hst_model_unref(job->old);
    hst_model_unref(job->new);
    free(job->seen.path);
    free(job);
}

static bool may_go_on(void *context)
{
    return !((struct hst_catalog *)context)->halted;
}

static int write_words(struct job *job, struct hst_error *err)
{
    if (job->what.words.count == 0) return HST_OK;
    if (job->what.target == HST_ANNOTATE_SIDECAR) return hst_metadata_write_sidecar(job->old, job->seen.is_folder, &job->what.words, err);
    HST_TRY(hst_metadata_write_header(job->old, &job->what.words, (struct hst_metadata_write_leave){may_go_on, job->catalog}, err));
    /* One that cannot be written goes on saying what it says, and the answer shows that it does. */
    (void)hst_metadata_write_sidecar_follow(job->old, job->seen.is_folder, &job->what.words, NULL);
    return HST_OK;
}

static int remember(struct job *job, struct hst_error *err)
{
    size_t count = job->what.said.count;
    if (count == 0 || job->catalog->db == NULL) return HST_OK;
    HST_AUTO(hst_freep) struct hst_db_override *rows = calloc(count, sizeof *rows);
    if (rows == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct hst_db_override){job->old->id, job->what.said.items[i].key, job->what.said.items[i].value};
    return hst_db_put_overrides(job->catalog->db, rows, count, err);
}

/* What the next scan will see beside the model, so that it finds nothing new. */
static void look_beside(struct job *job)
{
    HST_AUTO(hst_freep) char *folder = strdup(job->old->path);
    char *slash = folder != NULL && !job->seen.is_folder ? strrchr(folder, '/') : NULL;
    if (slash != NULL) slash[slash == folder] = '\0';
    HST_AUTO(hst_closep) int dir_fd = folder != NULL ? hst_folder_open(folder, NULL) : -1;
    job->seen.path = strdup(job->old->path);
    if (dir_fd >= 0 && job->seen.path != NULL) hst_sidecar_stamp(dir_fd, &job->seen, 1);
}

/* A model that is gone can be spoken of all the same. */
static int read_again(struct job *job, struct hst_error *err)
{
    look_beside(job);
    int status = hst_probe_known(job->old->path, &(struct hst_probe_known){.is_folder = job->seen.is_folder, .said = &job->said}, &job->new, err);
    if (status == HST_OK) hst_layout_release_all(job->new); /* as after a scan */
    bool gone = status == HST_E_FILE_MISSING && job->what.words.count == 0;
    if (status == HST_OK && job->new->file_count == 1) hst_walk_add_file(&job->seen, &job->new->files[0].id);
    return gone ? HST_OK : status;
}

static void work(void *arg)
{
    struct job *job = arg;
    job->seen.is_folder = hst_folder_exists(job->old->path);
    job->status = write_words(job, &job->error);
    if (job->status == HST_OK) job->status = remember(job, &job->error);
    if (job->status == HST_OK) job->status = read_again(job, &job->error);
}

/* The file is another one now: the entry knows it by the new one's inode and times. */
static void follow_file(struct hst_entry *entry, const struct hst_candidate *seen)
{
    entry->device = seen->device;
    entry->inode = seen->inode;
    entry->fingerprint = seen->fingerprint;
    entry->stamp = seen->stamp;
    entry->generation++;
}

static int publish(struct job *job, struct hst_entry *entry, struct hst_error *err)
{
    hst_override_fini(&entry->said);
    entry->said = job->said;
    job->said = (struct hst_override_list){0};
    entry->revision++;
    if (job->catalog->scan.phase != HST_SCAN_NONE) entry->settled = job->catalog->scan.number;
    entry->sidecars = job->seen.sidecars;
    entry->dirty = true;
    if (job->new == NULL) return hst_override_apply(&entry->said, entry->model, err);
    if (job->what.target == HST_ANNOTATE_HEADER && job->what.words.count > 0) follow_file(entry, &job->seen);
    int status = hst_entry_publish(job->catalog, entry, hst_steal(&job->new), err);
    if (status < 0) entry->stamp = 0; /* the next scan reads it again */
    return status;
}

static void finish(void *arg)
{
    struct job *job = arg;
    struct hst_catalog *catalog = job->catalog;
    struct hst_entry *entry = catalog->stopping ? NULL : hst_map_get_str(&catalog->by_id, job->old->id);
    if (entry != NULL) entry->annotating = false;
    if (job->status == HST_OK && entry == NULL) job->status = hst_error_set(&job->error, HST_E_SHUTTING_DOWN, "the daemon is stopping");
    if (job->status == HST_OK) job->status = publish(job, entry, &job->error);
    job->done(job->context, job->status < 0 ? &job->error : NULL);
    free_job(job);
}

static int check(struct hst_catalog *catalog, const char *id, const struct hst_annotation *annotation, struct hst_entry **ret_entry, struct hst_error *err)
{
    struct hst_entry *entry = hst_map_get_str(&catalog->by_id, id);
    if (entry == NULL || entry->model == NULL) return hst_error_set(err, HST_E_MODEL_NOT_FOUND, "no model has the id '%s'", id);
    if (entry->annotating) return hst_error_set(err, HST_E_BUSY, "the metadata of %s is being written", id);
    if (annotation->target == HST_ANNOTATE_HEADER && annotation->words.count > 0) HST_TRY(hst_metadata_write_can_header(entry->model, err));
    *ret_entry = entry;
    return HST_OK;
}

/* What is written into a file is not to be hidden by what the user said in the catalog before. */
static int take_back(struct job *job, const struct hst_entry *entry, struct hst_error *err)
{
    for (size_t i = 0; i < job->what.words.count; i++)
        for (size_t field = 0; field < HST_FIELDS; field++) {
            const struct hst_field_info *info = &hst_fields_of_metadata[field];
            bool hides = strcmp(info->written_as, job->what.words.items[i].key) == 0 && hst_override_get(&entry->said, info->name) != NULL;
            if (hides) HST_TRY(hst_override_set(&job->what.said, info->name, NULL, err));
        }
    return HST_OK;
}

static int start(struct job *job, struct hst_entry *entry, struct hst_error *err)
{
    job->old = hst_model_ref(entry->model);
    HST_TRY(take_back(job, entry, err));
    HST_TRY(hst_override_copy(&entry->said, &job->said, err));
    HST_TRY(hst_override_copy(&job->what.said, &job->said, err));
    if (hst_exec_submit(job->catalog->exec, work, finish, job) < 0) return hst_error_nomem(err);
    entry->annotating = true;
    return HST_OK;
}

int hst_annotate(struct hst_catalog *catalog, const char *id, struct hst_annotation *annotation, hst_annotate_fn done, void *context,
                 struct hst_error *err)
{
    struct job *job = calloc(1, sizeof *job);
    struct hst_entry *entry = NULL;
    struct hst_annotation what = *annotation;
    *annotation = (struct hst_annotation){0};
    if (job == NULL) {
        hst_override_fini(&what.words);
        hst_override_fini(&what.said);
        return hst_error_nomem(err);
    }
    *job = (struct job){.catalog = catalog, .what = what, .done = done, .context = context};
    int status = check(catalog, id, &job->what, &entry, err);
    if (status == HST_OK) status = start(job, entry, err);
    if (status < 0) free_job(job);
    return status;
}
