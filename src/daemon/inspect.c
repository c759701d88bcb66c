#include "daemon/inspect.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "catalog/catalog.h"
#include "daemon/parsing.h"
#include "daemon/roots.h"
#include "service/view.h"

#include <stdlib.h>

static void print(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2));
    fputc('\n', stdout);
    json_decref(json);
}

/* What went wrong is an answer, too: {"error": ...}. */
static int fail(const struct hst_error *err)
{
    print(json_pack("{s:o}", "error", hst_error_json(err, NULL)));
    return hst_status_info(err->status)->exit_code;
}

static int verify(const struct hst_settings *settings)
{
    struct hst_error err = {0};
    struct hst_validation *validation;
    struct hst_validation_wish wish = {.path = hst_settings_get(settings, "verify"), .deep = hst_settings_get(settings, "deep") != NULL};
    if (hst_validation_run(&wish, &validation, &err) < 0) return fail(&err);
    int code = hst_validation_is_valid(validation) ? 0 : hst_status_info(validation->problem.status < 0 ? validation->problem.status : HST_E_INVALID_FILE)->exit_code;
    if (validation->model == NULL) {
        fail(&validation->problem);
    } else {
        json_t *view = hst_view_plain_model(validation->model);
        json_object_set_new(view, "validation", hst_view_validation(validation));
        print(view);
    }
    hst_validation_free(validation);
    return code;
}

static json_t *list_models(const struct hst_catalog *catalog)
{
    json_t *models = json_array();
    size_t cursor = 0;
    for (struct hst_model *model; (model = hst_catalog_next(catalog, &cursor));)
        json_array_append_new(models, hst_view_plain_model(model));
    return models;
}

/* Scan to the end and print. @return exit code */
static int scan_and_print(uv_loop_t *loop, struct hst_catalog *catalog)
{
    struct hst_error err = {0};
    if (hst_catalog_scan(catalog, &err) < 0) return fail(&err);
    uv_run(loop, UV_RUN_DEFAULT);
    struct hst_scan_status scan = hst_catalog_scan_status(catalog);
    print(json_pack("{s:o, s:I, s:{s:f, s:I, s:I, s:I}}", "models", list_models(catalog), "total_models",
                    (json_int_t)hst_catalog_count(catalog), "scan", "duration_ms", scan.duration_ms, "files_seen",
                    (json_int_t)scan.files_seen, "files_changed", (json_int_t)scan.files_changed, "errors", (json_int_t)scan.errors));
    return scan.errors > 0 ? 1 : 0;
}

static int scan(const struct hst_settings *settings)
{
    HST_AUTO(hst_roots_fini) struct hst_roots roots = {0};
    struct hst_error err = {0};
    struct hst_catalog *catalog;
    uv_loop_t loop;
    if (hst_roots_collect(settings, &roots, &err) < 0) return fail(&err);
    uv_loop_init(&loop);
    struct hst_catalog_config config = {.loop = &loop, .roots = (const char *const *)roots.folders, .root_count = roots.count,
                                        .stay_inside = !hst_settings_on(settings, "follow_links")};
    if (hst_catalog_new(&config, &catalog, &err) < 0) return fail(&err);
    int code = scan_and_print(&loop, catalog);
    hst_catalog_free(catalog);
    uv_loop_close(&loop);
    return code;
}

/* Either of them, with hoist-scan to parse. */
static int inspect(const struct hst_settings *settings, int (*run)(const struct hst_settings *settings))
{
    struct hst_scanner *scanner;
    struct hst_error err = {0};
    if (hst_parsing_begin(settings, &scanner, &err) < 0) return fail(&err);
    int code = run(settings);
    hst_parsing_end(scanner);
    return code;
}

int hst_inspect_verify(const struct hst_settings *settings)
{
    return inspect(settings, verify);
}

int hst_inspect_scan(const struct hst_settings *settings)
{
    return inspect(settings, scan);
}
