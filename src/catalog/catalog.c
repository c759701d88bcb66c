#include "base/cleanup.h"
#include "catalog/content.h"
#include "catalog/hashes.h"
#include "catalog/limits.h"

#include <string.h>

static int copy_roots(struct hst_catalog *catalog, const struct hst_catalog_config *config, struct hst_error *err)
{
    catalog->roots = calloc(config->root_count + 1, sizeof *catalog->roots);
    if (catalog->roots == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < config->root_count; i++)
        if ((catalog->roots[i] = strdup(config->roots[i])) == NULL) return hst_error_nomem(err);
    return HST_OK;
}

static unsigned choose_threads(const struct hst_catalog_config *config)
{
    unsigned wanted = config->threads > 0 ? config->threads : 2 * uv_available_parallelism();
    return wanted < HST_SCAN_THREADS_MAX ? wanted : HST_SCAN_THREADS_MAX;
}

static int open_parts(struct hst_catalog *catalog, struct hst_error *err)
{
    const struct hst_catalog_config *config = &catalog->config;
    HST_TRY(copy_roots(catalog, config, err));
    catalog->threads = choose_threads(config);
    HST_TRY(hst_exec_new(config->loop, "scan", catalog->threads, &catalog->exec, err));
    if (config->hash != HST_HASH_NEVER) HST_TRY(hst_hasher_new(catalog, &catalog->hasher, err));
    HST_TRY(hst_slices_init(&catalog->slices, config->loop, hst_scan_step, catalog, err));
    if (config->watch != HST_CATALOG_ASKED) HST_TRY(hst_watcher_new(catalog, &catalog->watcher, err));
    if (config->database == NULL) return HST_OK;
    HST_TRY(hst_db_open(config->database, &catalog->db, err));
    HST_TRY(hst_memory_recall(catalog, err));
    HST_TRY(hst_hashes_recall(catalog, err));
    return hst_content_recall(catalog, err);
}

int hst_catalog_new(const struct hst_catalog_config *config, struct hst_catalog **ret_catalog, struct hst_error *err)
{
    struct hst_catalog *catalog = calloc(1, sizeof *catalog);
    if (catalog == NULL) return hst_error_nomem(err);
    catalog->config = *config;
    catalog->scan.status.state = "idle";
    hst_list_init(&catalog->scan.waiting);
    hst_list_init(&catalog->dirty_hashes);
    hst_list_init(&catalog->dirty_contents);
    hst_list_init(&catalog->scan.parsed);
    int status = open_parts(catalog, err);
    if (status < 0)
        hst_catalog_free(catalog);
    else
        *ret_catalog = catalog;
    return status;
}

void hst_catalog_free(struct hst_catalog *catalog)
{
    if (catalog == NULL) return;
    catalog->stopping = true;
    hst_hasher_stop(catalog->hasher);
    catalog->halted = true;
    hst_scan_stop(catalog);
    hst_exec_free(catalog->exec);
    hst_hasher_free(catalog->hasher);
    hst_slices_fini(&catalog->slices);
    hst_watcher_free(catalog->watcher);
    hst_scan_free(catalog);
    hst_db_close(catalog->db);
    hst_entry_free_all(catalog);
    hst_hashes_free_all(catalog);
    for (size_t i = 0; catalog->roots != NULL && i < catalog->config.root_count; i++)
        free(catalog->roots[i]);
    free(catalog->roots);
    free(catalog);
}

const char *const *hst_catalog_roots(const struct hst_catalog *catalog, size_t *ret_count)
{
    *ret_count = catalog->config.root_count;
    return (const char *const *)catalog->roots;
}

bool hst_catalog_was_corrupt(const struct hst_catalog *catalog)
{
    return catalog->db != NULL && hst_db_was_corrupt(catalog->db);
}

struct hst_db *hst_catalog_database(const struct hst_catalog *catalog)
{
    return catalog->db;
}

struct hst_model *hst_catalog_find(const struct hst_catalog *catalog, const char *id)
{
    struct hst_entry *entry = hst_map_get_str(&catalog->by_id, id);
    return entry != NULL ? entry->model : NULL;
}

struct hst_model *hst_catalog_find_file(const struct hst_catalog *catalog, const struct hst_file_id *id, size_t *ret_file)
{
    struct hst_model *model = hst_map_get(&catalog->by_file, id, HST_FILE_KEY_BYTES);
    for (size_t i = 0; model != NULL && i < model->file_count; i++) {
        if (!hst_file_id_equal(&model->files[i].id, id)) continue;
        *ret_file = i;
        return model;
    }
    return NULL;
}

struct hst_model *hst_catalog_next(const struct hst_catalog *catalog, size_t *cursor)
{
    while (*cursor < catalog->count) {
        const struct hst_entry *entry = catalog->sorted[(*cursor)++];
        if (entry != NULL && entry->model != NULL) return entry->model;
    }
    return NULL;
}

size_t hst_catalog_count(const struct hst_catalog *catalog)
{
    return catalog->models;
}
