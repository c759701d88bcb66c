#include "http/http.h"

#include "base/log.h"
#include "http/connection.h"
#include "http/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKLOG = 511 };

struct hst_http {
    struct hst_http_config config;
    struct hst_connection_config shared;
    struct hst_guard guard;
    struct hst_list connections;
    size_t live;        /* connections that are not freed yet */
    uv_tcp_t tcp;       /* listens */
    bool made;          /* tcp is a handle of the loop */
    size_t closing;     /* handles of our own that are not closed yet */
    char address[64];   /* IP address */
    char url[96];
};

/* Where to listen, taken apart. */
struct place {
    char host[64];
    char port[8];
    struct sockaddr_storage address;
};

static int malformed(const char *listen, struct hst_error *err)
{
    return hst_error_set(err, HST_E_CONFIG, "listen must be off, ADDRESS:PORT or [ADDRESS]:PORT, not '%s'", listen);
}

/* "127.0.0.1:8420" or "[::1]:8420" into its two parts. */
static int cut_listen(const char *listen, struct place *place, struct hst_error *err)
{
    const char *colon = strrchr(listen, ':');
    if (colon == NULL) return malformed(listen, err);
    bool bracketed = listen[0] == '[' && colon > listen && colon[-1] == ']';
    const char *host = bracketed ? listen + 1 : listen;
    size_t length = (size_t)(colon - host) - bracketed;
    if (length == 0 || length >= sizeof place->host || !hst_guard_is_port(colon + 1)) return malformed(listen, err);
    snprintf(place->host, sizeof place->host, "%.*s", (int)length, host);
    snprintf(place->port, sizeof place->port, "%s", colon + 1);
    if (strcmp(place->host, "localhost") == 0) snprintf(place->host, sizeof place->host, "127.0.0.1");
    return HST_OK;
}

static int read_listen(const struct hst_http_config *config, struct place *place, struct hst_error *err)
{
    HST_TRY(cut_listen(config->listen, place, err));
    int port = atoi(place->port);
    bool good = uv_ip4_addr(place->host, port, (struct sockaddr_in *)(void *)&place->address) == 0 ||
                uv_ip6_addr(place->host, port, (struct sockaddr_in6 *)(void *)&place->address) == 0;
    if (!good) return hst_error_set(err, HST_E_CONFIG, "listen needs an IP address, not '%s'", place->host);
    if (config->token == NULL && !config->metrics_only && !hst_guard_is_loopback(place->host))
        return hst_error_set(err, HST_E_CONFIG, "listening on %s, beyond this machine, needs a token (token_file or HOIST_TOKEN)", place->host);
    return HST_OK;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct hst_http *http = listener->data;
    if (status == 0) hst_connection_accept(&http->shared, listener);
}

/* The real port and the URL. */
static void describe(struct hst_http *http)
{
    struct sockaddr_storage address = {0};
    int length = sizeof address;
    uv_tcp_getsockname(&http->tcp, (struct sockaddr *)&address, &length);
    unsigned port = ntohs(((struct sockaddr_in *)(void *)&address)->sin_port); /* at the same place in IPv6 */
    bool bracketed = strchr(http->address, ':') != NULL;
    snprintf(http->url, sizeof http->url, "http://%s%s%s:%u", bracketed ? "[" : "", http->address, bracketed ? "]" : "", port);
}

static int start(struct hst_http *http, struct hst_error *err)
{
    struct place place = {0};
    HST_TRY(read_listen(&http->config, &place, err));
    snprintf(http->address, sizeof http->address, "%s", place.host);
    uv_tcp_init(http->config.loop, &http->tcp);
    http->tcp.data = http;
    http->made = true;
    int status = uv_tcp_bind(&http->tcp, (struct sockaddr *)&place.address, 0);
    if (status == 0) status = uv_listen((uv_stream_t *)&http->tcp, BACKLOG, on_connection);
    if (status < 0) return hst_error_set(err, status == UV_EADDRINUSE ? HST_E_ALREADY_RUNNING : HST_E_CONFIG, "cannot listen on %s: %s", http->config.listen, uv_strerror(status));
    describe(http);
    return HST_OK;
}

int hst_http_new(const struct hst_http_config *config, struct hst_http **ret_http, struct hst_error *err)
{
    struct hst_http *http = calloc(1, sizeof *http);
    if (http == NULL) return hst_error_nomem(err);
    http->config = *config;
    hst_list_init(&http->connections);
    http->guard = (struct hst_guard){config->token, http->address, config->allowed_hosts, config->allowed_host_count, config->metrics_only};
    http->shared = (struct hst_connection_config){config->loop, config->service, &http->guard, &http->connections, &http->live};
    int status = start(http, err);
    if (status < 0)
        hst_http_free(http);
    else
        *ret_http = http;
    return status;
}

const char *hst_http_url(const struct hst_http *http)
{
    return http->url;
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_http *)handle->data)->closing--;
}

void hst_http_free(struct hst_http *http)
{
    if (http == NULL) return;
    http->closing = http->made;
    if (http->made) uv_close((uv_handle_t *)&http->tcp, on_closed);
    hst_connection_close_all(&http->connections);
    while (http->closing > 0 || http->live > 0)
        uv_run(http->config.loop, UV_RUN_ONCE);
    free(http);
}
