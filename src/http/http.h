#ifndef HST_HTTP_HTTP_H
#define HST_HTTP_HTTP_H
/** @file
 * The HTTP server: llhttp (strict) on libuv streams, deadlines and limits on everything, Host and Origin checked before routing,
 * server-sent events with Last-Event-ID. Loop thread only. */
#include "service/service.h"

/** The server. */
struct hst_http;

/** What it needs. */
struct hst_http_config {
    uv_loop_t *loop;             /**< the loop */
    struct hst_service *service; /**< borrowed */
    const char *listen;          /**< "127.0.0.1:8420", "[::1]:0"; port 0 picks a free one */
    const char *token;           /**< NULL, or what Authorization: Bearer must carry */
    const char *const *allowed_hosts; /**< further Host names that are this machine's */
    size_t allowed_host_count;   /**< of allowed_hosts */
    bool metrics_only;           /**< serve /metrics and /health to anybody, and nothing else */
};
/** Listen. HST_E_CONFIG for an address beyond loopback without a token, unless it is for metrics only. */
int hst_http_new(const struct hst_http_config *config, struct hst_http **ret_http, struct hst_error *err);
/** "http://127.0.0.1:8420", with the real port. */
const char *hst_http_url(const struct hst_http *http);
/** Close every connection and free. Runs the loop until its handles are closed. NULL is fine. */
void hst_http_free(struct hst_http *http);
#endif
