#ifndef HST_HTTP_LIMITS_H
#define HST_HTTP_LIMITS_H
/** @file
 * Limits of the HTTP server, each with its reason. */

/** Request line and headers: browsers with many cookies send 8 KiB. */
#define HST_HTTP_HEAD_MAX 16384u
/** Headers of a request: browsers send about 20. */
#define HST_HTTP_HEADERS_MAX 64u
/** Body: the largest useful one lists some thousand component ids. */
#define HST_HTTP_BODY_MAX 1048576u
/** All bytes of a request: body and the overhead of small chunks. */
#define HST_HTTP_REQUEST_MAX (8u * HST_HTTP_BODY_MAX)
/** Connections at once. */
#define HST_HTTP_CONNECTIONS_MAX 1024u
/** From the first byte (or the connection) to the end of the headers. */
#define HST_HTTP_HEAD_MS 5000u
/** From the end of the headers to the end of the body. */
#define HST_HTTP_BODY_MS 10000u
/** Between two requests of a connection. */
#define HST_HTTP_IDLE_MS 60000u
/** For the peer to take an answer. */
#define HST_HTTP_WRITE_MS 30000u
/** Between two signs of life of an event stream. */
#define HST_HTTP_HEARTBEAT_MS 15000u
/** Bytes of events that wait for a subscriber; one that is slower is cut off, and may come back with its last event id. */
#define HST_HTTP_EVENTS_MAX 262144u
#endif
