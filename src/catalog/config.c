#include "catalog/config.h"

#include "base/cleanup.h"
#include "catalog/internal.h"
#include "store/db_config.h"

#include <stdio.h>
#include <string.h>

const struct hst_model_config *hst_config_of(const struct hst_catalog *catalog, const char *model_id)
{
    static const struct hst_model_config unsaid;
    const struct hst_entry *entry = catalog != NULL ? hst_map_get_str(&catalog->by_id, model_id) : NULL;
    return entry != NULL ? &entry->config : &unsaid;
}

struct hst_model *hst_config_next_pinned(const struct hst_catalog *catalog, size_t *cursor)
{
    for (struct hst_model *model; catalog != NULL && (model = hst_catalog_next(catalog, cursor)) != NULL;) {
        const struct hst_entry *entry = hst_map_get_str(&catalog->by_id, model->id);
        if (entry->config.pin == HST_PIN_YES || entry->pinning) return model;
    }
    return NULL;
}

/* Numbers that nobody may ask for are those of another program: nothing is said then. */
static int recall(void *context, const struct hst_db_config *row)
{
    struct hst_entry *entry = hst_map_get_str(&((struct hst_catalog *)context)->by_id, row->id);
    if (entry == NULL) return HST_OK;
    struct hst_model_config *config = &entry->config;
    if (row->pin >= 0) config->pin = row->pin > 0 ? HST_PIN_YES : HST_PIN_NO;
    config->has_ttl = row->ttl_seconds >= 0 && row->ttl_seconds <= HST_TTL_SECONDS_MAX;
    config->ttl_seconds = config->has_ttl ? (uint32_t)row->ttl_seconds : 0;
    config->has_priority = row->priority >= -HST_PRIORITY_MOST && row->priority <= HST_PRIORITY_MOST;
    config->priority = config->has_priority ? row->priority : 0;
    snprintf(config->precision, sizeof config->precision, "%.15s", row->precision != NULL ? row->precision : "");
    return HST_OK;
}

int hst_config_recall(struct hst_catalog *catalog, struct hst_error *err)
{
    return hst_db_each_config(catalog->db, recall, catalog, err);
}

/* A wish on its way to the database. */
struct job {
    struct hst_catalog *catalog;
    struct hst_model *model; /* referenced */
    struct hst_model_config config;
    hst_config_fn done;
    void *context;
    int status;
    struct hst_error error;
};

static void free_job(struct job *job)
{
    hst_model_unref(job->model);
    free(job);
}

static void work(void *arg)
{
    struct job *job = arg;
    const struct hst_model_config *config = &job->config;
    const struct hst_db_config row = {.id = job->model->id,
                                      .pin = (int)config->pin - (int)HST_PIN_NO,
                                      .ttl_seconds = config->has_ttl ? (int64_t)config->ttl_seconds : -1,
                                      .priority = config->has_priority ? config->priority : HST_DB_UNSAID,
                                      .precision = config->precision[0] != '\0' ? config->precision : NULL};
    if (job->catalog->db != NULL) job->status = hst_db_put_configs(job->catalog->db, &row, 1, &job->error);
}

static void finish(void *arg)
{
    struct job *job = arg;
    struct hst_catalog *catalog = job->catalog;
    struct hst_entry *entry = catalog->stopping ? NULL : hst_map_get_str(&catalog->by_id, job->model->id);
    if (entry != NULL) entry->configuring = entry->pinning = false;
    if (job->status == HST_OK && entry == NULL) job->status = hst_error_set(&job->error, HST_E_SHUTTING_DOWN, "the daemon is stopping");
    if (job->status == HST_OK) entry->config = job->config;
    job->done(job->context, job->status < 0 ? &job->error : NULL);
    free_job(job);
}

int hst_config_set(struct hst_catalog *catalog, const char *model_id, const struct hst_model_config *config, hst_config_fn done, void *context,
                   struct hst_error *err)
{
    struct hst_entry *entry = hst_map_get_str(&catalog->by_id, model_id);
    if (entry == NULL || entry->model == NULL) return hst_error_set(err, HST_E_MODEL_NOT_FOUND, "no model has the id '%s'", model_id);
    if (entry->configuring) return hst_error_set(err, HST_E_BUSY, "the configuration of %s is being written", model_id);
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) return hst_error_nomem(err);
    *job = (struct job){.catalog = catalog, .model = hst_model_ref(entry->model), .config = *config, .done = done, .context = context};
    if (hst_exec_submit(catalog->exec, work, finish, job) < 0) {
        free_job(job);
        return hst_error_nomem(err);
    }
    entry->configuring = true;
    entry->pinning = config->pin == HST_PIN_YES;
    return HST_OK;
}
