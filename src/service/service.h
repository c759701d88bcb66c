#ifndef HST_SERVICE_SERVICE_H
#define HST_SERVICE_SERVICE_H
/** @file
 * The verbs, free of transport. A request comes in as method, path, query and JSON; the answer goes out as JSON, now or later,
 * through a callback. HTTP, the Unix socket and the workers call the same hst_service_call. Loop thread only. */
#include "cache/cache.h"
#include "catalog/catalog.h"
#include "load/load.h"
#include <jansson.h>

/** The service. */
struct hst_service;

/** Who asks. */
struct hst_peer {
    int32_t pid;        /**< of a Unix socket peer; 0 over HTTP */
    char transport[16]; /**< "http", "unix", "worker" */
    bool owns;          /**< root or the user that hoistd runs as, by a Unix socket: what it may write anyway, it may have written */
};

/** A request. Borrowed during hst_service_call. */
struct hst_request {
    const char *method;   /**< "GET", ... */
    const char *path;     /**< "/api/model/load", percent-decoded, no query */
    const char *query;    /**< raw query string without '?', or NULL */
    const char *body;     /**< body bytes, or NULL */
    size_t body_length;   /**< of body; 0 = none */
    struct hst_peer peer; /**< who */
};

/** An answer. Borrowed during the callback. */
struct hst_reply {
    int http_status;          /**< 200, 404, ... */
    const char *content_type; /**< "application/json", "text/plain; version=0.0.4", "text/html" */
    const char *body;         /**< bytes */
    size_t body_length;       /**< of body */
    const char *allow;        /**< 405: value of the Allow header, else NULL */
};

/** Called exactly once a request, perhaps before hst_service_call returns. */
typedef void (*hst_reply_fn)(void *context, const struct hst_reply *reply);

/** Listeners to give to the catalog, the cache and the loader, which are made before the service: they publish events and keep
 * counters. Pass `slot`; hst_service_new fills *slot. News before that is dropped. */
struct hst_service_slot {
    struct hst_service *service; /**< NULL until hst_service_new was told of this slot */
};

/** What was found of cards when hoistd started. */
struct hst_service_cards {
    size_t found;    /**< by the driver */
    size_t used;     /**< are devices */
    const char *why; /**< borrowed: why none or not all are used; "" = all that were found are */
};

/** What the service serves; all borrowed, must outlive it. Workers register their routes with hst_service_add_routes. */
struct hst_service_config {
    uv_loop_t *loop;             /**< the loop */
    struct hst_catalog *catalog; /**< models */
    struct hst_cache *cache;     /**< RAM tier */
    struct hst_loader *loader;   /**< jobs and devices */
    struct hst_device *const *devices; /**< devices */
    size_t device_count;         /**< of devices */
    struct hst_service_cards cards; /**< where cards went */
    const char *url;             /**< for /health and messages; may be NULL */
    bool predict;                /**< bring in what is probably used next */
    bool restore;                /**< bring back after a restart what was in RAM */
    struct hst_service_slot *slot; /**< filled with the new service; may be NULL */
};

/** Make it. *ret_service owned by the caller. */
int hst_service_new(const struct hst_service_config *config, struct hst_service **ret_service, struct hst_error *err);
/** Answer every waiting request with HST_E_SHUTTING_DOWN and free. NULL is fine. */
void hst_service_free(struct hst_service *service);
/** Serve a request. @return a ticket > 0 to forget it with, or 0 when it was already answered */
uint64_t hst_service_call(struct hst_service *service, const struct hst_request *request, hst_reply_fn reply, void *context);
/** The asker is gone: never call its callback. Work it began goes on. */
void hst_service_forget(struct hst_service *service, uint64_t ticket);

/** A verb in flight: what a handler answers. */
struct hst_call {
    struct hst_service *service;  /**< the service */
    const struct hst_request *request; /**< valid until the handler returns */
    const char *params[4];        /**< path parameters in order; valid until the handler returns */
    const json_t *body;           /**< parsed JSON object, or NULL when none was sent; valid until the handler returns */
    const json_t *fields;         /**< body and query parameters together (service/fields.h); valid until the handler returns */
    void *route_context;          /**< of the route */
    uint64_t ticket;              /**< names this call to hst_call_ok and hst_call_fail, also after the handler returned */
};
/** A route: method, pattern such as "/api/models/{id}/metadata", and one of two kinds of handler. */
struct hst_route {
    const char *method;  /**< "GET" */
    const char *pattern; /**< "{name}" matches one segment */
    void (*handle)(struct hst_call *call); /**< answers with hst_call_* once, now or later; or NULL */
    int (*answer)(const struct hst_call *call, json_t **ret_data, struct hst_error *err); /**< answers at once: with data (new reference) or an error */
};
/** Add routes (static array ended by a NULL method), with what hst_call.route_context shall be. */
int hst_service_add_routes(struct hst_service *service, const struct hst_route *routes, void *route_context, struct hst_error *err);
/** Answer with data (stolen reference). */
void hst_call_ok(struct hst_service *service, uint64_t ticket, json_t *data);
/** Answer with an error; `details` (stolen, may be NULL) is merged into error.details. */
void hst_call_fail(struct hst_service *service, uint64_t ticket, const struct hst_error *error, json_t *details);
/** Answer with something that is no envelope (metrics, HTML). */
void hst_call_raw(struct hst_service *service, uint64_t ticket, const char *content_type, const char *body, size_t length);
/** The envelope of an error that happened before there was a call (HTTP's own). Owned by the caller: free. */
char *hst_service_refusal(struct hst_service *service, const struct hst_error *error);
/** The error object of the contract: code, category, severity, message, recoverable, recovery, recommended_actions, details. New reference. */
json_t *hst_error_json(const struct hst_error *error, json_t *details);

/** An event, as sent over SSE and the socket. */
struct hst_event {
    uint64_t id;      /**< 1, 2, ... */
    const char *name; /**< "job.progress" */
    const char *data; /**< JSON text of one line */
};
/** Called for each new event. Return false to be unsubscribed. */
typedef bool (*hst_event_fn)(void *context, const struct hst_event *event);
/** Publish (data stolen). */
void hst_service_publish(struct hst_service *service, const char *name, json_t *data);
/** Subscribe; kept events after `last_id` are replayed at once; when some of them are gone already, an event "resync" comes first.
 * UINT64_MAX = only new ones. @return subscription id, or 0 when out of memory or over the limit */
uint64_t hst_service_subscribe(struct hst_service *service, uint64_t last_id, hst_event_fn fn, void *context);
/** End a subscription. */
void hst_service_unsubscribe(struct hst_service *service, uint64_t subscription);

/** A request to map a model, or to hold the file behind an fd. Borrowed during the call. */
struct hst_open_request {
    const char *model_id;      /**< or NULL with file_id */
    const struct hst_file_id *file_id; /**< identity of the fd a client sent, or NULL */
    const char *device_id;     /**< NULL or "cpu" = host:0 */
    const char *const *roles;  /**< components; NULL = all */
    size_t role_count;         /**< of roles */
    const char *precision;     /**< NULL = as stored */
    const char *domain;        /**< NULL = "client" */
    bool share;                /**< of a device with memory of its own: map the one copy, which nobody may write; else a copy is made that is the caller's alone */
    bool hold;                 /**< only make resident and lease: no index, no data fds */
    struct hst_peer peer;      /**< who */
};
/** The answer. fds are owned by the service: send or dup them before returning. */
struct hst_opened {
    json_t *body;       /**< {lease_id, model_id, generation, components[]}, on a card device_id, device_uuid, shared, too; borrowed */
    const int *fds;     /**< index, pipe, data fds...; hold: pipe */
    size_t fd_count;    /**< of fds */
};
/** Called exactly once: opened with err NULL, or NULL with the error. */
typedef void (*hst_open_fn)(void *context, const struct hst_opened *opened, const struct hst_error *err);
/** Cache and load if needed (single flight), lease, and describe. @return a ticket for hst_service_forget_open, or 0 when answered already */
uint64_t hst_service_open(struct hst_service *service, const struct hst_open_request *request, hst_open_fn fn, void *context);
/** The asker is gone. */
void hst_service_forget_open(struct hst_service *service, uint64_t ticket);
/** Catalog listener over a slot. */
struct hst_catalog_listener hst_service_catalog_listener(struct hst_service_slot *slot);
/** Cache listener over a slot. */
struct hst_cache_listener hst_service_cache_listener(struct hst_service_slot *slot);
/** Loader listener over a slot. */
struct hst_loader_listener hst_service_loader_listener(struct hst_service_slot *slot);
#endif
