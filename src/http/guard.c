#include "http/guard.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool hst_guard_is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

bool hst_guard_is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits >= 1 && digits <= 5 && text[digits] == '\0' && atoi(text) <= 65535;
}

/* Length of the name in "name", "name:port", "[::1]:port"; 0 when it is none of these. */
static size_t name_length(const char *host)
{
    size_t length = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (length > strlen(host)) return 0;
    const char *port = host + length;
    if (port[0] == '\0') return length;
    return port[0] == ':' && hst_guard_is_port(port + 1) ? length : 0;
}

static bool is_name(const char *host, size_t length, const char *name)
{
    return strlen(name) == length && strncasecmp(host, name, length) == 0;
}

static bool is_address(const char *host, size_t length, const char *address)
{
    bool bracketed = strchr(address, ':') != NULL;
    return bracketed ? length == strlen(address) + 2 && strncasecmp(host + 1, address, strlen(address)) == 0 : is_name(host, length, address);
}

static bool is_ours(const struct hst_guard *guard, const char *host)
{
    static const char *const always[] = {"localhost", "127.0.0.1", "[::1]"};
    size_t length = name_length(host);
    if (length == 0) return false;
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        if (is_name(host, length, always[i])) return true;
    for (size_t i = 0; i < guard->allowed_host_count; i++)
        if (is_name(host, length, guard->allowed_hosts[i])) return true;
    return guard->address != NULL && !hst_guard_is_loopback(guard->address) && is_address(host, length, guard->address);
}

/* The page that asks must come from us, under the name we are asked by. */
static bool is_same_origin(const struct hst_guard_request *request)
{
    static const char scheme[] = "http://";
    if (request->fetch_site != NULL && strcmp(request->fetch_site, "same-origin") != 0 && strcmp(request->fetch_site, "none") != 0) return false;
    if (request->origin == NULL) return true;
    return strncmp(request->origin, scheme, sizeof scheme - 1) == 0 && strcasecmp(request->origin + sizeof scheme - 1, request->host) == 0;
}

/* Takes as long for a wrong token as for a right one. */
static bool equal_slowly(const char *given, const char *wanted)
{
    size_t given_length = strlen(given), length = strlen(wanted);
    unsigned different = given_length != length;
    for (size_t i = 0; i < length; i++)
        different |= (unsigned char)wanted[i] ^ (unsigned char)given[i < given_length ? i : given_length];
    return different == 0;
}

static bool has_token(const struct hst_guard *guard, const struct hst_guard_request *request)
{
    static const char bearer[] = "Bearer ";
    if (guard->token == NULL || strncmp(request->path, "/health/", 8) == 0) return true;
    const char *given = request->authorization;
    return given != NULL && strncasecmp(given, bearer, sizeof bearer - 1) == 0 && equal_slowly(given + sizeof bearer - 1, guard->token);
}

static bool is_for_metrics(const char *path)
{
    return strcmp(path, "/metrics") == 0 || strncmp(path, "/health/", 8) == 0;
}

int hst_guard_check(const struct hst_guard *guard, const struct hst_guard_request *request, struct hst_error *err)
{
    if (request->host == NULL) return hst_error_set(err, HST_E_BAD_REQUEST, "the request has no Host header");
    if (guard->metrics_only) return is_for_metrics(request->path) ? HST_OK : hst_error_set(err, HST_E_NOT_FOUND, "here are /metrics and /health alone");
    if (!is_ours(guard, request->host)) return hst_error_set(err, HST_E_MISDIRECTED_HOST, "the Host header names another machine: %s", request->host);
    if (!is_same_origin(request)) return hst_error_set(err, HST_E_FORBIDDEN, "the request comes from another site");
    if (!has_token(guard, request)) return hst_error_set(err, HST_E_UNAUTHORIZED, "send Authorization: Bearer with the daemon's token");
    return HST_OK;
}
