#include "service/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int hst_router_add(struct hst_router *router, const struct hst_route *routes, void *context, struct hst_error *err)
{
    struct hst_router_table *grown = realloc(router->tables, (router->count + 1) * sizeof *grown);
    if (grown == NULL) return hst_error_nomem(err);
    router->tables = grown;
    router->tables[router->count++] = (struct hst_router_table){routes, context};
    return HST_OK;
}

/* A path cut into its segments. */
struct path {
    char *segments[32];
    size_t count;
};

/* "/a/b" is two segments, "/" one empty one; more segments than any route has match nothing. */
static struct path cut(char *text)
{
    struct path path = {0};
    if (text[0] != '/') return path;
    for (char *rest = text + 1; path.count < sizeof path.segments / sizeof path.segments[0];) {
        path.segments[path.count++] = rest;
        rest = strchr(rest, '/');
        if (rest == NULL) return path;
        *rest++ = '\0';
    }
    path.count = 0;
    return path;
}

/* The next segment of a pattern; *pattern moves on, to NULL at the end. */
static size_t next_segment(const char **pattern, const char **ret_segment)
{
    *ret_segment = *pattern + 1;
    size_t length = strcspn(*ret_segment, "/");
    *pattern = (*ret_segment)[length] == '/' ? *ret_segment + length : NULL;
    return length;
}

static bool matches(const char *pattern, const struct path *path, char **ret_params)
{
    size_t params = 0;
    for (size_t i = 0; i < path->count; i++) {
        const char *segment;
        if (pattern == NULL) return false;
        size_t length = next_segment(&pattern, &segment);
        if (segment[0] == '{' && path->segments[i][0] != '\0')
            ret_params[params++] = path->segments[i];
        else if (strlen(path->segments[i]) != length || memcmp(segment, path->segments[i], length) != 0)
            return false;
    }
    return path->count > 0 && pattern == NULL;
}

static void allow(struct hst_router_match *match, const char *method)
{
    size_t used = strlen(match->allow);
    snprintf(match->allow + used, sizeof match->allow - used, "%s%s", used > 0 ? ", " : "", method);
}

static void try_table(const struct hst_router_table *table, const char *method, const struct path *path, struct hst_router_match *match)
{
    for (const struct hst_route *route = table->routes; route->method != NULL && match->route == NULL; route++) {
        char *params[HST_ROUTE_PARAMS_MAX] = {0};
        if (!matches(route->pattern, path, params)) continue;
        allow(match, route->method);
        if (strcmp(route->method, method) != 0) continue;
        match->route = route;
        match->context = table->context;
        memcpy(match->params, params, sizeof params);
    }
}

void hst_router_find(const struct hst_router *router, const char *method, char scratch[HST_ROUTE_PATH_MAX], struct hst_router_match *ret_match)
{
    struct path path = cut(scratch);
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    *ret_match = (struct hst_router_match){0};
    for (size_t i = 0; i < router->count && ret_match->route == NULL; i++)
        try_table(&router->tables[i], wanted, &path, ret_match);
}

void hst_router_fini(struct hst_router *router)
{
    free(router->tables);
    *router = (struct hst_router){0};
}
