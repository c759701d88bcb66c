#ifndef HST_HTTP_CONNECTION_H
#define HST_HTTP_CONNECTION_H
/** @file
 * One HTTP connection: requests one after the other, each with deadlines, or a stream of events. Loop thread only.
 *
 *   head --> body --> serving --> writing --> idle --> head ...
 *                        \--> events (until one side closes)
 */
#include "base/list.h"
#include "http/guard.h"
#include "service/service.h"

/** What connections share. Borrowed. */
struct hst_connection_config {
    uv_loop_t *loop;             /**< the loop */
    struct hst_service *service; /**< who answers */
    const struct hst_guard *guard; /**< who may ask */
    struct hst_list *list;       /**< connections */
    size_t *live;                /**< counts those whose memory is not freed */
};
struct hst_connection;

/** Accept one from a listening socket. */
void hst_connection_accept(const struct hst_connection_config *config, uv_stream_t *listener);
/** Close. It frees itself after that. */
void hst_connection_close(struct hst_connection *connection);
/** Close every one of a list. */
void hst_connection_close_all(struct hst_list *list);
#endif
