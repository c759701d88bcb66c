#include "daemon/yamlfile.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

int hst_yamlfile_fail(const char *path, const yaml_event_t *event, struct hst_error *err, const char *what)
{
    return hst_error_set(err, HST_E_CONFIG, "%s line %zu: %s", path, event->start_mark.line + 1, what);
}

static void close_file(FILE **file)
{
    if (*file != NULL) fclose(*file);
}

int hst_yamlfile_read(const char *path, hst_yamlfile_fn fn, void *context, struct hst_error *err)
{
    HST_AUTO(close_file) FILE *file = fopen(path, "re");
    if (file == NULL) return hst_error_set(err, HST_E_CONFIG, "cannot read %s: %s", path, strerror(errno));
    HST_AUTO(yaml_parser_delete) yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) return hst_error_nomem(err);
    yaml_parser_set_input_file(&parser, file);
    int status = HST_OK;
    for (bool more = true; more && status == HST_OK;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event))
            return hst_error_set(err, HST_E_CONFIG, "%s line %zu: %s", path, parser.problem_mark.line + 1, parser.problem != NULL ? parser.problem : "not YAML");
        status = fn(context, &event, err);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    return status;
}
