#ifndef HST_SERVICE_ROUTER_H
#define HST_SERVICE_ROUTER_H
/** @file
 * Which handler a path belongs to. */
#include "service/limits.h"
#include "service/service.h"

/** A table of routes with its context. */
struct hst_router_table {
    const struct hst_route *routes; /**< static, ended by a NULL method */
    void *context;                  /**< for its handlers */
};
/** The router. Zero-initialise; free with hst_router_fini. */
struct hst_router {
    struct hst_router_table *tables; /**< owned */
    size_t count;                    /**< of tables */
};
/** What was found. */
struct hst_router_match {
    const struct hst_route *route; /**< NULL: no such path, or not with this method */
    void *context;                 /**< of its table */
    char *params[HST_ROUTE_PARAMS_MAX]; /**< in the scratch text */
    char allow[64];                /**< "GET, POST": methods the path takes; "" = no such path */
};

/** Add a table. */
int hst_router_add(struct hst_router *router, const struct hst_route *routes, void *context, struct hst_error *err);
/** Look up. `scratch` holds the path and is taken apart: it must live as long as the parameters are used. HEAD finds GET. */
void hst_router_find(const struct hst_router *router, const char *method, char scratch[HST_ROUTE_PATH_MAX], struct hst_router_match *ret_match);
/** Free what it holds. */
void hst_router_fini(struct hst_router *router);
#endif
