#include "hashing/hash_lanes.h"

#include <stdlib.h>

void hst_hash_lanes_init(struct hst_hash_lanes *lanes)
{
    *lanes = (struct hst_hash_lanes){.closed = true, .count = 1};
    pthread_mutex_init(&lanes->lock, NULL);
    pthread_cond_init(&lanes->changed, NULL);
}

void hst_hash_lanes_open(struct hst_hash_lanes *lanes, bool helped)
{
    pthread_mutex_lock(&lanes->lock);
    lanes->count = helped ? HST_HASH_LANES_PIECES : 1;
    lanes->read = lanes->hashed = 0;
    lanes->closed = false;
    pthread_mutex_unlock(&lanes->lock);
}

/* Hash the data of the next piece, if it is nobody's yet. Called and left with the lock. @return was there one? */
static bool step(struct hst_hash_lanes *lanes)
{
    if (lanes->busy || lanes->hashed == lanes->read) return false;
    size_t at = lanes->hashed % lanes->count;
    lanes->busy = true;
    pthread_mutex_unlock(&lanes->lock);
    hst_hash_update_data(lanes->hash, lanes->pieces[at], lanes->lengths[at]);
    pthread_mutex_lock(&lanes->lock);
    lanes->busy = false;
    lanes->hashed++;
    pthread_cond_broadcast(&lanes->changed);
    return true;
}

/* At most `most` pieces wait for their half of the data. Called and left with the lock. */
static void leave_at_most(struct hst_hash_lanes *lanes, uint64_t most)
{
    while (lanes->read - lanes->hashed > most)
        if (!step(lanes)) pthread_cond_wait(&lanes->changed, &lanes->lock);
}

static int find_room(struct hst_hash_lanes *lanes, size_t *ret_at, struct hst_error *err)
{
    pthread_mutex_lock(&lanes->lock);
    leave_at_most(lanes, lanes->count - 1);
    size_t at = lanes->read % lanes->count;
    pthread_mutex_unlock(&lanes->lock);
    if (lanes->pieces[at] == NULL) lanes->pieces[at] = hst_pass_piece_new();
    *ret_at = at;
    return lanes->pieces[at] != NULL ? HST_OK : hst_error_nomem(err);
}

int hst_hash_lanes_next(struct hst_hash_lanes *lanes, struct hst_pass *pass, size_t *ret_length, struct hst_error *err)
{
    size_t at, length;
    HST_TRY(find_room(lanes, &at, err));
    HST_TRY(hst_pass_next(pass, lanes->pieces[at], &length, err));
    pthread_mutex_lock(&lanes->lock);
    lanes->lengths[at] = length;
    lanes->read++;
    pthread_cond_broadcast(&lanes->changed);
    pthread_mutex_unlock(&lanes->lock);
    hst_hash_update_file(lanes->hash, lanes->pieces[at], length);
    *ret_length = length;
    return HST_OK;
}

void hst_hash_lanes_close(struct hst_hash_lanes *lanes)
{
    pthread_mutex_lock(&lanes->lock);
    leave_at_most(lanes, 0);
    lanes->closed = true;
    pthread_cond_broadcast(&lanes->changed);
    pthread_mutex_unlock(&lanes->lock);
}

void hst_hash_lanes_help(struct hst_hash_lanes *lanes)
{
    pthread_mutex_lock(&lanes->lock);
    while (!lanes->closed)
        if (!step(lanes)) pthread_cond_wait(&lanes->changed, &lanes->lock);
    pthread_mutex_unlock(&lanes->lock);
}

void hst_hash_lanes_fini(struct hst_hash_lanes *lanes)
{
    for (size_t i = 0; i < HST_HASH_LANES_PIECES; i++)
        free(lanes->pieces[i]);
    pthread_mutex_destroy(&lanes->lock);
    pthread_cond_destroy(&lanes->changed);
}
