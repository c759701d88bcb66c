/* Calls: found a handler, answered once, forgotten when the asker is gone. */
#include "base/cleanup.h"
#include "base/log.h"
#include "service/envelope.h"
#include "service/fields.h"
#include "service/internal.h"

#include <stdio.h>
#include <string.h>

struct pending {
    struct hst_list node;
    uint64_t ticket;
    hst_reply_fn reply;
    void *context;
};

static struct pending *find(struct hst_service *service, uint64_t ticket)
{
    return hst_map_get(&service->by_ticket, &ticket, sizeof ticket);
}

static void drop(struct hst_service *service, struct pending *pending)
{
    hst_map_remove(&service->by_ticket, &pending->ticket, sizeof pending->ticket);
    hst_list_remove(&pending->node);
    free(pending);
}

static void make_request_id(const struct hst_service *service, uint64_t ticket, char out[48])
{
    snprintf(out, 48, "%s-%llu", service->instance, (unsigned long long)ticket);
}

/* Answer; a ticket that is unknown was answered or forgotten. `body` is NULL when there was no memory to write it. */
static void answer(struct hst_service *service, uint64_t ticket, struct hst_reply reply)
{
    static const char no_memory[] = "{\"success\":false,\"data\":null,\"error\":{\"code\":\"nomem\",\"category\":\"memory\",\"severity\":\"high\","
                                    "\"message\":\"the daemon is out of memory\",\"recoverable\":true,\"recovery\":{\"attempted\":[],"
                                    "\"succeeded\":false},\"recommended_actions\":[],\"details\":{}},\"request_id\":\"\",\"timestamp\":null}";
    struct pending *pending = find(service, ticket);
    if (pending == NULL) return;
    hst_reply_fn fn = pending->reply;
    void *context = pending->context;
    drop(service, pending);
    if (reply.body == NULL)
        reply = (struct hst_reply){.http_status = 503, .content_type = "application/json", .body = no_memory, .body_length = sizeof no_memory - 1};
    service->counts.requests[reply.http_status / 100]++;
    fn(context, &reply);
}

void hst_call_ok(struct hst_service *service, uint64_t ticket, json_t *data)
{
    char request_id[48];
    make_request_id(service, ticket, request_id);
    HST_AUTO(hst_freep) char *text = hst_envelope_ok(data, request_id);
    answer(service, ticket, (struct hst_reply){.http_status = 200, .content_type = "application/json", .body = text, .body_length = text != NULL ? strlen(text) : 0});
}

static void fail(struct hst_service *service, uint64_t ticket, const struct hst_error *error, json_t *details, const char *allow)
{
    char request_id[48];
    make_request_id(service, ticket, request_id);
    if (hst_status_info(error->status)->http >= 500) hst_log(HST_LOG_WARN, "service", "request %s failed: %s", request_id, error->text);
    HST_AUTO(hst_freep) char *text = hst_envelope_fail(error, details, request_id);
    answer(service, ticket, (struct hst_reply){.http_status = hst_status_info(error->status)->http, .content_type = "application/json", .body = text,
                                               .body_length = text != NULL ? strlen(text) : 0, .allow = allow});
}

void hst_call_fail(struct hst_service *service, uint64_t ticket, const struct hst_error *error, json_t *details)
{
    fail(service, ticket, error, details, NULL);
}

void hst_call_raw(struct hst_service *service, uint64_t ticket, const char *content_type, const char *body, size_t length)
{
    answer(service, ticket, (struct hst_reply){.http_status = 200, .content_type = content_type, .body = body, .body_length = length});
}

char *hst_service_refusal(struct hst_service *service, const struct hst_error *error)
{
    char request_id[48];
    make_request_id(service, ++service->next_ticket, request_id);
    service->counts.requests[hst_status_info(error->status)->http / 100]++;
    return hst_envelope_fail(error, NULL, request_id);
}

void hst_call_fail_all(struct hst_service *service, const struct hst_error *error)
{
    while (!hst_list_empty(&service->calls))
        hst_call_fail(service, hst_container_of(service->calls.next, struct pending, node)->ticket, error, NULL);
}

static int parse_body(const struct hst_request *request, json_t **ret_body, struct hst_error *err)
{
    json_error_t where;
    if (request->body_length == 0) return HST_OK;
    *ret_body = json_loadb(request->body, request->body_length, JSON_REJECT_DUPLICATES, &where);
    if (*ret_body == NULL) return hst_error_set(err, HST_E_MALFORMED_JSON, "the body is not valid JSON at byte %d: %s", where.position, where.text);
    if (!json_is_object(*ret_body)) return hst_error_set(err, HST_E_MALFORMED_JSON, "the body is JSON, but no object");
    return HST_OK;
}

static void run(struct hst_call *call, const struct hst_route *route)
{
    struct hst_error error = {0};
    json_t *data = NULL;
    if (route->handle != NULL) {
        route->handle(call);
        return;
    }
    if (route->answer(call, &data, &error) < 0)
        hst_call_fail(call->service, call->ticket, &error, NULL);
    else
        hst_call_ok(call->service, call->ticket, data);
}

static void drop_json(json_t **json)
{
    json_decref(*json);
}

/* Parse what came and run the handler. @return status of the parsing */
static int parse_and_run(struct hst_call *call, const struct hst_route *route, struct hst_error *err)
{
    HST_AUTO(drop_json) json_t *body = NULL;
    HST_AUTO(drop_json) json_t *fields = NULL;
    HST_TRY(parse_body(call->request, &body, err));
    HST_TRY(hst_fields_merge(body, call->request->query, &fields, err));
    call->body = body;
    call->fields = fields;
    run(call, route);
    return HST_OK;
}

static void refuse(struct hst_call *call, const struct hst_router_match *match)
{
    struct hst_error error = {0};
    const struct hst_request *request = call->request;
    bool known = match->allow[0] != '\0';
    hst_error_set(&error, known ? HST_E_METHOD_NOT_ALLOWED : HST_E_NOT_FOUND, known ? "%s does not take %s" : "there is no route %s for %s", request->path, request->method);
    fail(call->service, call->ticket, &error, NULL, known ? match->allow : NULL);
}

static void dispatch(struct hst_call *call)
{
    struct hst_router_match match = {0};
    struct hst_error error = {0};
    char path[HST_ROUTE_PATH_MAX];
    int length = snprintf(path, sizeof path, "%s", call->request->path);
    if (length < (int)sizeof path) hst_router_find(&call->service->router, call->request->method, path, &match);
    if (match.route == NULL) {
        refuse(call, &match);
        return;
    }
    memcpy(call->params, match.params, sizeof match.params);
    call->route_context = match.context;
    if (parse_and_run(call, match.route, &error) < 0) hst_call_fail(call->service, call->ticket, &error, NULL);
}

static struct pending *wait(struct hst_service *service, hst_reply_fn reply, void *context)
{
    struct pending *pending = calloc(1, sizeof *pending);
    if (pending == NULL) return NULL;
    *pending = (struct pending){.ticket = ++service->next_ticket, .reply = reply, .context = context};
    if (hst_map_put(&service->by_ticket, &pending->ticket, sizeof pending->ticket, pending) < 0) {
        free(pending);
        return NULL;
    }
    hst_list_append(&service->calls, &pending->node);
    return pending;
}

uint64_t hst_service_call(struct hst_service *service, const struct hst_request *request, hst_reply_fn reply, void *context)
{
    struct pending *pending = wait(service, reply, context);
    if (pending == NULL) {
        reply(context, &(struct hst_reply){.http_status = 503, .content_type = "application/json", .body = "{}", .body_length = 2});
        return 0;
    }
    struct hst_call call = {.service = service, .request = request, .ticket = pending->ticket};
    dispatch(&call);
    return find(service, call.ticket) != NULL ? call.ticket : 0;
}

void hst_service_forget(struct hst_service *service, uint64_t ticket)
{
    struct pending *pending = find(service, ticket);
    if (pending != NULL) drop(service, pending);
}
