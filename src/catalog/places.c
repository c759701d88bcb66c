#include "catalog/places.h"

#include "base/cleanup.h"
#include "base/map.h"

#include <string.h>
#include <uv.h>

struct hst_places {
    uv_mutex_t lock; /* guards all of it */
    uv_cond_t wake;
    struct hst_map visited;    /* places by id; owns those that were given out or wait */
    struct hst_place *pending; /* wait */
    struct hst_place **links;  /* owned; not yet in visited */
    size_t link_count, link_room;
    size_t folders, most; /* claimed; at most */
    unsigned busy; /* given out and not back */
    bool halted;
    struct hst_error error; /* the first of following links */
};

int hst_places_new(size_t most, struct hst_places **ret_places, struct hst_error *err)
{
    struct hst_places *places = calloc(1, sizeof *places);
    if (places == NULL) return hst_error_nomem(err);
    places->most = most;
    uv_mutex_init(&places->lock);
    uv_cond_init(&places->wake);
    *ret_places = places;
    return HST_OK;
}

static int make_place(const char *path, struct hst_place **ret_place, struct hst_error *err)
{
    struct hst_folder_id id;
    *ret_place = NULL;
    if (!hst_folder_identify(path, &id)) return HST_OK;
    *ret_place = malloc(sizeof **ret_place + strlen(path) + 1);
    if (*ret_place == NULL) return hst_error_nomem(err);
    (*ret_place)->id = id;
    strcpy((*ret_place)->path, path);
    return HST_OK;
}

/* Takes the place over. */
static int claim(struct hst_places *places, struct hst_place *place, struct hst_error *err)
{
    HST_AUTO(hst_freep) struct hst_place *mine = place;
    if (hst_map_get(&places->visited, &mine->id, sizeof mine->id) != NULL) return HST_OK;
    if (places->folders >= places->most)
        return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "limit: there are more than %zu folders; the rest, %s among them, was not looked at", places->most, place->path);
    if (hst_map_put(&places->visited, &mine->id, sizeof mine->id, mine) < 0) return hst_error_nomem(err);
    places->folders++;
    place->next = places->pending;
    places->pending = hst_steal(&mine);
    uv_cond_signal(&places->wake);
    return HST_OK;
}

static int keep_link(struct hst_places *places, struct hst_place *place, struct hst_error *err)
{
    HST_AUTO(hst_freep) struct hst_place *mine = place;
    if (places->link_count == places->link_room) {
        size_t room = places->link_room * 2 + 16;
        struct hst_place **grown = reallocarray(places->links, room, sizeof(struct hst_place *));
        if (grown == NULL) return hst_error_nomem(err);
        places->links = grown;
        places->link_room = room;
    }
    places->links[places->link_count++] = hst_steal(&mine);
    return HST_OK;
}

int hst_places_add(struct hst_places *places, const char *path, bool by_link, struct hst_error *err)
{
    struct hst_place *place;
    HST_TRY(make_place(path, &place, err));
    if (place == NULL) return HST_OK;
    uv_mutex_lock(&places->lock);
    bool later = by_link && places->link_count < places->most;
    int status = later ? keep_link(places, place, err) : claim(places, place, err);
    uv_mutex_unlock(&places->lock);
    return status;
}

static int by_path(const void *a, const void *b)
{
    return strcmp((*(struct hst_place *const *)a)->path, (*(struct hst_place *const *)b)->path);
}

/* All that no link leads to was looked at. */
static void follow_links(struct hst_places *places)
{
    qsort(places->links, places->link_count, sizeof(struct hst_place *), by_path);
    for (size_t i = 0; i < places->link_count; i++)
        (void)claim(places, places->links[i], places->error.status == HST_OK ? &places->error : NULL);
    places->link_count = 0;
}

static struct hst_place *take(struct hst_places *places)
{
    struct hst_place *place = places->pending;
    if (place == NULL || places->halted) return NULL;
    places->pending = place->next;
    places->busy++;
    return place;
}

struct hst_place *hst_places_next(struct hst_places *places)
{
    uv_mutex_lock(&places->lock);
    while (places->pending == NULL && places->busy > 0 && !places->halted)
        uv_cond_wait(&places->wake, &places->lock);
    if (places->pending == NULL && places->link_count > 0 && !places->halted) follow_links(places);
    struct hst_place *place = take(places);
    if (place == NULL) uv_cond_broadcast(&places->wake);
    uv_mutex_unlock(&places->lock);
    return place;
}

void hst_places_done(struct hst_places *places, struct hst_place *place, bool again)
{
    uv_mutex_lock(&places->lock);
    if (again) {
        place->next = places->pending;
        places->pending = place;
    }
    if (--places->busy == 0) uv_cond_broadcast(&places->wake);
    uv_mutex_unlock(&places->lock);
}

void hst_places_halt(struct hst_places *places, bool halt)
{
    uv_mutex_lock(&places->lock);
    places->halted = halt;
    uv_cond_broadcast(&places->wake);
    uv_mutex_unlock(&places->lock);
}

const struct hst_error *hst_places_error(const struct hst_places *places)
{
    return &places->error;
}

void hst_places_free(struct hst_places *places)
{
    if (places == NULL) return;
    size_t cursor = 0;
    for (struct hst_place *place; (place = hst_map_next(&places->visited, &cursor));)
        free(place);
    for (size_t i = 0; i < places->link_count; i++)
        free(places->links[i]);
    free(places->links);
    hst_map_fini(&places->visited);
    uv_cond_destroy(&places->wake);
    uv_mutex_destroy(&places->lock);
    free(places);
}
