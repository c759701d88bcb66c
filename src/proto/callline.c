#include "proto/callline.h"

#include "base/percent.h"

#include <string.h>

static int malformed(struct hst_error *err)
{
    return hst_error_set(err, HST_E_PROTOCOL, "a CALL must begin with a line \"METHOD /path\"");
}

/* Cut at the first `separator`. @return what follows it, or NULL */
static char *cut(char *text, char separator)
{
    char *at = strchr(text, separator);
    if (at == NULL) return NULL;
    *at = '\0';
    return at + 1;
}

int hst_callline_parse(char *body, size_t length, struct hst_callline *ret_line, struct hst_error *err)
{
    char *end = length > 0 ? memchr(body, '\n', length) : NULL;
    if (end == NULL || memchr(body, '\0', (size_t)(end - body)) != NULL) return malformed(err);
    *end = '\0';
    char *path = cut(body, ' ');
    if (path == NULL || path[0] != '/' || body[0] == '\0') return malformed(err);
    char *query = cut(path, '?');
    if (!hst_percent_decode(path)) return malformed(err);
    size_t json_length = length - (size_t)(end + 1 - body);
    *ret_line = (struct hst_callline){body, path, query, json_length > 0 ? end + 1 : NULL, json_length};
    return HST_OK;
}
