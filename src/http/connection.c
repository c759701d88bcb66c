#include "http/connection.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/percent.h"
#include "http/limits.h"
#include "http/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct hst_connection {
    struct hst_list node;
    const struct hst_connection_config *config;
    uv_tcp_t tcp;
    uv_timer_t timer;
    struct hst_parse parse;
    struct hst_strbuf unread; /* bytes that came while a request was served */
    uint64_t ticket;          /* of the request being served; 0 = none */
    uint64_t subscription;    /* of events; 0 = none */
    unsigned handles;         /* not closed yet */
    bool serving;             /* a request is being served: read no other */
    bool last;                /* close after the answer */
    bool ended;               /* the peer sends no more */
    bool head_only;           /* the answer has no body */
    bool closed;
};

/* A write under way. */
struct writing {
    uv_write_t request;
    char *bytes; /* owned */
};

static void feed(struct hst_connection *connection, const char *bytes, size_t length);
static void read_on(struct hst_connection *connection);

static void on_handle_closed(uv_handle_t *handle)
{
    struct hst_connection *connection = handle->data;
    if (--connection->handles > 0) return;
    hst_parse_fini(&connection->parse);
    hst_strbuf_fini(&connection->unread);
    --*connection->config->live;
    free(connection);
}

void hst_connection_close(struct hst_connection *connection)
{
    struct hst_service *service = connection->config->service;
    if (connection->closed) return;
    connection->closed = true;
    hst_list_remove(&connection->node);
    if (connection->ticket != 0) hst_service_forget(service, connection->ticket);
    if (connection->subscription != 0) hst_service_unsubscribe(service, connection->subscription);
    uv_close((uv_handle_t *)&connection->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&connection->timer, on_handle_closed);
}

void hst_connection_close_all(struct hst_list *list)
{
    HST_LIST_FOREACH(node, list)
        hst_connection_close(hst_container_of(node, struct hst_connection, node));
}

static void on_time(uv_timer_t *timer)
{
    hst_connection_close(timer->data);
}

static void set_deadline(struct hst_connection *connection, uint64_t ms)
{
    uv_timer_start(&connection->timer, on_time, ms, 0);
}

/* Bytes go out; `bytes` is owned from here on. */
static void write_bytes(struct hst_connection *connection, char *bytes, size_t length, uv_write_cb done)
{
    struct writing *writing = calloc(1, sizeof *writing);
    uv_buf_t buffer = uv_buf_init(bytes, (unsigned)length);
    if (writing != NULL && bytes != NULL && !connection->closed) {
        writing->bytes = bytes;
        writing->request.data = writing;
        if (uv_write(&writing->request, (uv_stream_t *)&connection->tcp, &buffer, 1, done) == 0) return;
    }
    free(writing);
    free(bytes);
    hst_connection_close(connection);
}

static struct hst_connection *end_write(uv_write_t *request, int status)
{
    struct writing *writing = request->data;
    struct hst_connection *connection = request->handle->data;
    free(writing->bytes);
    free(writing);
    if (status < 0) hst_connection_close(connection);
    return connection;
}

static void on_note_written(uv_write_t *request, int status)
{
    end_write(request, status);
}

/* The answer is out: the next request, which may have come already. */
static void on_answer_written(uv_write_t *request, int status)
{
    struct hst_connection *connection = end_write(request, status);
    if (connection->closed) return;
    if (connection->last) {
        hst_connection_close(connection);
        return;
    }
    struct hst_strbuf unread = connection->unread;
    connection->unread = (struct hst_strbuf){0};
    connection->serving = false;
    hst_parse_next(&connection->parse);
    set_deadline(connection, HST_HTTP_IDLE_MS);
    feed(connection, unread.text, unread.length);
    hst_strbuf_fini(&unread);
    read_on(connection);
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"}, {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
                   {409, "Conflict"}, {413, "Content Too Large"}, {415, "Unsupported Media Type"}, {417, "Expectation Failed"},
                   {421, "Misdirected Request"}, {422, "Unprocessable Content"}, {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"}, {503, "Service Unavailable"}, {507, "Insufficient Storage"}};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status) return reasons[i].reason;
    return "Status";
}

static void write_head(struct hst_strbuf *out, const struct hst_reply *reply, bool last)
{
    hst_strbuf_printf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n", reply->http_status,
                      reason_of(reply->http_status), reply->content_type, reply->body_length);
    if (reply->allow != NULL) hst_strbuf_printf(out, "Allow: %s\r\n", reply->allow);
    if (reply->http_status == 401) hst_strbuf_puts(out, "WWW-Authenticate: Bearer\r\n");
    if (strncmp(reply->content_type, "text/html", 9) == 0)
        hst_strbuf_puts(out, "Content-Security-Policy: default-src 'self' 'unsafe-inline'; frame-ancestors 'none'\r\n");
    hst_strbuf_printf(out, "Connection: %s\r\n\r\n", last ? "close" : "keep-alive");
}

static void send_reply(struct hst_connection *connection, const struct hst_reply *reply)
{
    struct hst_strbuf out = {0};
    write_head(&out, reply, connection->last);
    if (!connection->head_only) hst_strbuf_append(&out, reply->body, reply->body_length);
    size_t length = out.length;
    set_deadline(connection, HST_HTTP_WRITE_MS);
    write_bytes(connection, hst_strbuf_take(&out), length, on_answer_written);
}

static void on_reply(void *context, const struct hst_reply *reply)
{
    struct hst_connection *connection = context;
    connection->ticket = 0;
    send_reply(connection, reply);
}

/* Our own refusal: the service was not asked. */
static void refuse(struct hst_connection *connection, const struct hst_error *error, bool close_after)
{
    HST_AUTO(hst_freep) char *text = hst_service_refusal(connection->config->service, error);
    connection->serving = true;
    connection->last = connection->last || close_after;
    send_reply(connection, &(struct hst_reply){.http_status = hst_status_info(error->status)->http, .content_type = "application/json", .body = text != NULL ? text : "",
                                               .body_length = text != NULL ? strlen(text) : 0});
}

static bool on_event(void *context, const struct hst_event *event)
{
    struct hst_connection *connection = context;
    struct hst_strbuf out = {0};
    uint64_t subscription = connection->subscription;
    connection->subscription = 0; /* a connection that is closed meanwhile is unsubscribed by what this returns */
    hst_strbuf_printf(&out, "id: %llu\nevent: %s\ndata: %s\n\n", (unsigned long long)event->id, event->name, event->data);
    size_t length = out.length;
    if (uv_stream_get_write_queue_size((uv_stream_t *)&connection->tcp) + length <= HST_HTTP_EVENTS_MAX)
        write_bytes(connection, hst_strbuf_take(&out), length, on_note_written);
    else
        hst_connection_close(connection);
    hst_strbuf_fini(&out);
    connection->subscription = subscription;
    return !connection->closed;
}

static void on_heartbeat(uv_timer_t *timer)
{
    struct hst_connection *connection = timer->data;
    write_bytes(connection, strdup(":\n\n"), 3, on_note_written);
}

/* The event id to go on after; UINT64_MAX = none was given. */
static int read_last_id(const struct hst_connection *connection, const char *query, uint64_t *ret_id, struct hst_error *err)
{
    const char *text = hst_parse_header(&connection->parse, HST_HTTP_LAST_EVENT_ID);
    if (text == NULL && query != NULL && strncmp(query, "last_event_id=", 14) == 0) text = query + 14;
    *ret_id = UINT64_MAX;
    if (text == NULL || text[0] == '\0') return HST_OK;
    if (strlen(text) > 18 || text[strspn(text, "0123456789")] != '\0') return hst_error_set(err, HST_E_INVALID_ARGUMENT, "Last-Event-ID is no event's number");
    *ret_id = strtoull(text, NULL, 10);
    return HST_OK;
}

static void stream_events(struct hst_connection *connection, const char *query)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                               "Connection: close\r\n\r\nretry: 2000\n\n";
    struct hst_error error = {0};
    uint64_t last_id;
    if (read_last_id(connection, query, &last_id, &error) < 0) {
        refuse(connection, &error, false);
        return;
    }
    connection->serving = true;
    write_bytes(connection, strdup(head), sizeof head - 1, on_note_written);
    uint64_t subscription = connection->closed ? 0 : hst_service_subscribe(connection->config->service, last_id, on_event, connection);
    if (subscription == 0) {
        hst_log(HST_LOG_WARN, "http", "a subscriber was turned away: there are too many");
        hst_connection_close(connection);
        return;
    }
    connection->subscription = subscription;
    uv_timer_start(&connection->timer, on_heartbeat, HST_HTTP_HEARTBEAT_MS, HST_HTTP_HEARTBEAT_MS);
}

/* The target, cut and decoded in place. */
static int read_target(struct hst_connection *connection, char **ret_path, char **ret_query, struct hst_error *err)
{
    char *path = connection->parse.target.text;
    if (path == NULL || path[0] != '/') return hst_error_set(err, HST_E_BAD_REQUEST, "the request's target must be a path");
    char *query = path;
    strsep(&query, "?");
    if (!hst_percent_decode(path)) return hst_error_set(err, HST_E_BAD_REQUEST, "the path is not percent-encoded");
    *ret_path = path;
    *ret_query = query;
    return HST_OK;
}

static int check(const struct hst_connection *connection, const char *path, struct hst_error *err)
{
    const struct hst_parse *parse = &connection->parse;
    const char *type = hst_parse_header(parse, HST_HTTP_CONTENT_TYPE), *expect = hst_parse_header(parse, HST_HTTP_EXPECT);
    struct hst_guard_request request = {.path = path,
                                        .host = hst_parse_header(parse, HST_HTTP_HOST),
                                        .origin = hst_parse_header(parse, HST_HTTP_ORIGIN),
                                        .fetch_site = hst_parse_header(parse, HST_HTTP_FETCH_SITE),
                                        .authorization = hst_parse_header(parse, HST_HTTP_AUTHORIZATION)};
    HST_TRY(hst_guard_check(connection->config->guard, &request, err));
    if (expect != NULL && strcasecmp(expect, "100-continue") != 0) return hst_error_set(err, HST_E_BAD_REQUEST, "the expectation '%s' is not known", expect);
    if (parse->body.length == 0) return HST_OK;
    bool json = type != NULL && strncasecmp(type, "application/json", 16) == 0 && (type[16] == '\0' || type[16] == ';' || type[16] == ' ');
    return json ? HST_OK : hst_error_set(err, HST_E_UNSUPPORTED_MEDIA_TYPE, "send the body with Content-Type: application/json");
}

static void serve(struct hst_connection *connection)
{
    const struct hst_parse *parse = &connection->parse;
    struct hst_error error = {0};
    char *path = NULL, *query = NULL;
    connection->serving = true;
    connection->last = !parse->keep_alive;
    connection->head_only = strcmp(hst_parse_method(parse), "HEAD") == 0;
    uv_timer_stop(&connection->timer);
    if (read_target(connection, &path, &query, &error) < 0 || check(connection, path, &error) < 0) {
        refuse(connection, &error, false);
        return;
    }
    if (strcmp(path, "/api/events") == 0 && strcmp(hst_parse_method(parse), "GET") == 0) {
        stream_events(connection, query);
        return;
    }
    struct hst_request request = {.method = hst_parse_method(parse), .path = path, .query = query, .body = parse->body.text, .body_length = parse->body.length};
    snprintf(request.peer.transport, sizeof request.peer.transport, "http");
    connection->ticket = hst_service_call(connection->config->service, &request, on_reply, connection);
}

/* Requests that came while one is served wait here, and beyond HST_HTTP_HEAD_MAX in the kernel. */
static void keep_unread(struct hst_connection *connection, const char *bytes, size_t length)
{
    hst_strbuf_append(&connection->unread, bytes, length);
    if (!hst_strbuf_ok(&connection->unread))
        hst_connection_close(connection);
    else if (connection->unread.length > HST_HTTP_HEAD_MAX)
        uv_read_stop((uv_stream_t *)&connection->tcp);
}

static void after_feed(struct hst_connection *connection, bool was_in_headers)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct hst_parse *parse = &connection->parse;
    if (parse->complete || !was_in_headers || parse->in_headers) return;
    set_deadline(connection, HST_HTTP_BODY_MS);
    if (parse->wants_continue) write_bytes(connection, strdup(go_on), sizeof go_on - 1, on_note_written);
    parse->wants_continue = false;
}

static void feed(struct hst_connection *connection, const char *bytes, size_t length)
{
    struct hst_parse *parse = &connection->parse;
    bool begins = !hst_parse_is_underway(parse) && length > 0, in_headers = parse->in_headers;
    size_t used;
    if (connection->serving) {
        keep_unread(connection, bytes, length);
        return;
    }
    if (begins) set_deadline(connection, HST_HTTP_HEAD_MS);
    if (hst_parse_feed(parse, bytes, length, &used) < 0) {
        refuse(connection, &parse->error, true);
        return;
    }
    after_feed(connection, in_headers);
    if (!parse->complete) return;
    if (used < length) keep_unread(connection, bytes + used, length - used);
    serve(connection);
}

/* The peer sends no more. In the middle of a request that is a mistake which is worth an answer. */
static void end_reading(struct hst_connection *connection)
{
    struct hst_error error = {0};
    if (connection->serving && connection->subscription == 0) return; /* the answer first, then what waits in `unread` */
    if (connection->serving || !hst_parse_is_underway(&connection->parse)) {
        hst_connection_close(connection);
        return;
    }
    hst_error_set(&error, HST_E_BAD_REQUEST, "the request ended too early");
    refuse(connection, &error, true);
}

static void on_end(struct hst_connection *connection)
{
    uv_read_stop((uv_stream_t *)&connection->tcp);
    connection->ended = true;
    end_reading(connection);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct hst_connection *connection = stream->data;
    if (length == UV_EOF)
        on_end(connection);
    else if (length < 0)
        hst_connection_close(connection);
    else if (connection->subscription == 0)
        feed(connection, buffer->base, (size_t)length);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    static char buffer[65536]; /* the loop thread's alone: what is read is used up before the next read */
    (void)handle;
    (void)suggested;
    *ret_buffer = uv_buf_init(buffer, sizeof buffer);
}

static void read_on(struct hst_connection *connection)
{
    if (connection->closed) return;
    if (connection->ended)
        end_reading(connection);
    else if (connection->unread.length <= HST_HTTP_HEAD_MAX)
        uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read); /* goes on if it was stopped */
}

void hst_connection_accept(const struct hst_connection_config *config, uv_stream_t *listener)
{
    struct hst_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) return;
    connection->config = config;
    connection->handles = 2;
    hst_list_append(config->list, &connection->node);
    ++*config->live;
    hst_parse_init(&connection->parse);
    uv_tcp_init(config->loop, &connection->tcp);
    uv_timer_init(config->loop, &connection->timer);
    connection->tcp.data = connection;
    connection->timer.data = connection;
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) < 0 || *config->live > HST_HTTP_CONNECTIONS_MAX ||
        uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read) < 0) {
        hst_connection_close(connection);
        return;
    }
    uv_tcp_nodelay(&connection->tcp, 1);
    set_deadline(connection, HST_HTTP_HEAD_MS);
}
