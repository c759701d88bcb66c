#ifndef HST_WIRE_LIMITS_H
#define HST_WIRE_LIMITS_H
/** @file
 * Limits of the socket server, each with its reason. */

/** Connections at once, if the limit of open files allows: a quarter of those, the rest is for weights. */
#define HST_WIRE_PEERS_MAX 4096u
/** Requests of one peer that are not answered yet: more than a client with threads needs. */
#define HST_WIRE_REQUESTS_MAX 64u
/** Bytes that wait for one peer to read them: the largest answer, a catalog of 10,000 models, has about 40 MiB. */
#define HST_WIRE_QUEUE_MAX (64u << 20)
/** Bytes of events that wait for a peer; one that is slower is cut off and may come back with its last event id. */
#define HST_WIRE_EVENTS_MAX (1u << 20)
/** Packets that one peer is served before the others are. */
#define HST_WIRE_TURN 16u
#endif
