#ifndef HST_TESTS_LIBRARY_H
#define HST_TESTS_LIBRARY_H
/** @file
 * A folder of models and a catalog over it, on a loop of its own. */
#include "catalog/catalog.h"
#include "cmocka_all.h"
#include "model_bytes.h"

#include <unistd.h>

struct library {
    uv_loop_t loop;
    char folder[64];    /* holds models/ and catalog.db */
    char models[96];
    char database[96];
    const char *roots[1];
    struct hst_catalog *catalog;
    char news[4096];    /* "id +\n" or "id -\n" for each change, "id #\n" for a model that is hashed */
    enum hst_hash_mode hash;
};

static inline void library_add_news(struct library *library, const struct hst_model *model, char what)
{
    size_t used = strlen(library->news);
    snprintf(library->news + used, sizeof library->news - used, "%s %c\n", model->id, what);
}

static inline void library_on_change(void *context, struct hst_model *model, bool available)
{
    library_add_news(context, model, available ? '+' : '-');
}

static inline void library_on_hashed(void *context, struct hst_model *model)
{
    library_add_news(context, model, '#');
}

/** Write a model of one tensor of `size` bytes. */
static inline void library_write(const struct library *library, const char *name, unsigned size)
{
    char path[256], header[256];
    snprintf(path, sizeof path, "%s/%s", library->models, name);
    snprintf(header, sizeof header, "{\"weight\":{\"dtype\":\"U8\",\"shape\":[%u],\"data_offsets\":[0,%u]}}", size, size);
    model_bytes_write(path, header, size);
}

static inline int library_open(struct library *library)
{
    return hst_catalog_new(&(struct hst_catalog_config){.loop = &library->loop, .roots = library->roots, .root_count = 1, .database = library->database,
                                                        .threads = 2, .hash = library->hash,
                                                        .listener = {.changed = library_on_change, .hashed = library_on_hashed, .context = library}},
                           &library->catalog, NULL);
}

static inline void library_init(struct library *library)
{
    char command[128];
    *library = (struct library){.folder = "/tmp/hoist-test-XXXXXX"};
    assert_non_null(mkdtemp(library->folder));
    snprintf(library->models, sizeof library->models, "%s/models", library->folder);
    snprintf(library->database, sizeof library->database, "%s/catalog.db", library->folder);
    snprintf(command, sizeof command, "mkdir -p %s/sub", library->models);
    assert_int_equal(system(command), 0);
    library->roots[0] = library->models;
    uv_loop_init(&library->loop);
}

/** Scan to the end. @return as hst_catalog_scan */
static inline int library_scan(struct library *library)
{
    library->news[0] = '\0';
    int status = hst_catalog_scan(library->catalog, NULL);
    while (status == 0 && strcmp(hst_catalog_scan_status(library->catalog).state, "running") == 0)
        uv_run(&library->loop, UV_RUN_ONCE);
    return status;
}

static inline void library_close(struct library *library)
{
    hst_catalog_free(library->catalog);
    library->catalog = NULL;
}

static inline void library_fini(struct library *library)
{
    char command[128];
    library_close(library);
    uv_run(&library->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&library->loop), 0);
    snprintf(command, sizeof command, "rm -r %s", library->folder);
    assert_int_equal(system(command), 0);
}
#endif
