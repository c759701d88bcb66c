#ifndef HST_HTTP_GUARD_H
#define HST_HTTP_GUARD_H
/** @file
 * Who may ask: Host against DNS rebinding, Origin against other sites, the token. Pure. */
#include "base/error.h"

/** What is allowed. All borrowed. */
struct hst_guard {
    const char *token;                /**< NULL = none is needed */
    const char *address;              /**< IP address listened on, as in a Host header */
    const char *const *allowed_hosts; /**< further names of this machine */
    size_t allowed_host_count;        /**< of allowed_hosts */
    bool metrics_only;                /**< /metrics and /health for anybody, nothing else for nobody */
};
/** What a request says. NULL = no such header. */
struct hst_guard_request {
    const char *path;           /**< decoded */
    const char *host;           /**< Host */
    const char *origin;         /**< Origin */
    const char *fetch_site;     /**< Sec-Fetch-Site */
    const char *authorization;  /**< Authorization */
};
/** May it be served? HST_E_NOT_FOUND, HST_E_BAD_REQUEST, HST_E_MISDIRECTED_HOST, HST_E_FORBIDDEN, HST_E_UNAUTHORIZED. */
int hst_guard_check(const struct hst_guard *guard, const struct hst_guard_request *request, struct hst_error *err);
/** Does an address as in "127.0.0.1" or "::1" mean this machine alone? */
bool hst_guard_is_loopback(const char *address);
/** Is the text the number of a port, 0 to 65535? */
bool hst_guard_is_port(const char *text);
#endif
