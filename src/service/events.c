#include "service/events.h"

#include "service/internal.h"

#include <stdlib.h>
#include <string.h>

struct subscription {
    struct hst_list node;
    uint64_t id;
    hst_event_fn fn;
    void *context;
};

void hst_events_init(struct hst_events *events)
{
    hst_list_init(&events->subscriptions);
}

static void drop(struct hst_events *events, struct subscription *subscription)
{
    hst_list_remove(&subscription->node);
    events->subscription_count--;
    free(subscription);
}

static struct subscription *of(struct hst_list *node)
{
    return hst_container_of(node, struct subscription, node);
}

void hst_events_fini(struct hst_events *events)
{
    HST_LIST_FOREACH(node, &events->subscriptions)
        drop(events, of(node));
    for (size_t i = 0; i < HST_EVENTS_KEPT; i++) {
        free(events->ring[i].name);
        free(events->ring[i].data);
    }
}

static void tell_all(struct hst_events *events, const struct hst_kept_event *kept)
{
    const struct hst_event event = {kept->id, kept->name, kept->data};
    HST_LIST_FOREACH(node, &events->subscriptions)
        if (!of(node)->fn(of(node)->context, &event)) drop(events, of(node));
}

void hst_service_publish(struct hst_service *service, const char *name, json_t *data)
{
    struct hst_events *events = &service->events;
    char *text = json_dumps(data, JSON_COMPACT), *copy = strdup(name);
    json_decref(data);
    if (text == NULL || copy == NULL) { /* out of memory: whoever comes back sees the gap in the ids */
        free(text);
        free(copy);
        return;
    }
    uint64_t id = ++events->last_id;
    struct hst_kept_event *kept = &events->ring[id % HST_EVENTS_KEPT];
    free(kept->name);
    free(kept->data);
    *kept = (struct hst_kept_event){id, copy, text};
    tell_all(events, kept);
}

/* Tell what came after `last_id`; "resync" first when some of it is gone, or when the id is not one of ours (a daemon before us). */
static bool replay(const struct hst_events *events, uint64_t last_id, hst_event_fn fn, void *context)
{
    uint64_t oldest = events->last_id >= HST_EVENTS_KEPT ? events->last_id - HST_EVENTS_KEPT + 1 : 1;
    bool resync = last_id > events->last_id || last_id + 1 < oldest;
    uint64_t first = resync ? oldest : last_id + 1;
    const struct hst_event told = {first - 1, "resync", "{}"};
    if (resync && !fn(context, &told)) return false;
    for (uint64_t id = first; id <= events->last_id; id++) {
        const struct hst_kept_event *kept = &events->ring[id % HST_EVENTS_KEPT];
        const struct hst_event event = {kept->id, kept->name, kept->data};
        if (kept->id == id && !fn(context, &event)) return false;
    }
    return true;
}

uint64_t hst_service_subscribe(struct hst_service *service, uint64_t last_id, hst_event_fn fn, void *context)
{
    struct hst_events *events = &service->events;
    if (events->subscription_count >= HST_SUBSCRIPTIONS_MAX) return 0;
    struct subscription *subscription = calloc(1, sizeof *subscription);
    if (subscription == NULL) return 0;
    *subscription = (struct subscription){.id = ++events->next_subscription, .fn = fn, .context = context};
    if (last_id != UINT64_MAX && !replay(events, last_id, fn, context)) {
        free(subscription);
        return 0;
    }
    hst_list_append(&events->subscriptions, &subscription->node);
    events->subscription_count++;
    return subscription->id;
}

void hst_service_unsubscribe(struct hst_service *service, uint64_t id)
{
    HST_LIST_FOREACH(node, &service->events.subscriptions)
        if (of(node)->id == id) drop(&service->events, of(node));
}
