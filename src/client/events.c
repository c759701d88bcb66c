#include "client/internal.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>

struct hoist_events {
    struct hoist_client *client; /* owned */
    uint32_t request;
};

static int subscribe(struct hoist_events *events, uint64_t last_event_id, struct hoist_error *error)
{
    HST_AUTO(hst_answer_fini) struct hst_answer answer = {0};
    char body[64] = "{}";
    if (last_event_id > 0) snprintf(body, sizeof body, "{\"last_event_id\":%llu}", (unsigned long long)last_event_id);
    HST_TRY(hst_connection_ask(events->client, HST_FRAME_EVENTS, body, -1, (int)events->client->timeout_ms, &answer, error));
    events->request = events->client->next_request;
    return HST_OK;
}

int hoist_events_open(const char *socket_path, uint64_t last_event_id, struct hoist_events **ret_events, struct hoist_error *error)
{
    struct hoist_events *events = calloc(1, sizeof *events);
    if (events == NULL) {
        struct hst_error ours = {0};
        hst_error_nomem(&ours);
        return hst_report(error, &ours);
    }
    int status = hoist_connect(socket_path, 0, &events->client, error);
    if (status == HST_OK) status = subscribe(events, last_event_id, error);
    if (status < 0)
        hoist_events_close(events);
    else
        *ret_events = events;
    return status;
}

int hoist_events_next(struct hoist_events *events, int timeout_ms, char **ret_json, struct hoist_error *error)
{
    HST_AUTO(hst_answer_fini) struct hst_answer answer = {0};
    struct hst_error ours = {0};
    *ret_json = NULL;
    if (hst_connection_poll(events->client, events->request, timeout_ms, &answer, &ours) < 0) return hst_report(error, &ours);
    if (answer.type == HST_FRAME_ERROR) return hst_report_json(error, answer.body);
    *ret_json = hst_steal(&answer.body);
    return HST_OK;
}

void hoist_events_close(struct hoist_events *events)
{
    if (events == NULL) return;
    hoist_disconnect(events->client);
    free(events);
}
