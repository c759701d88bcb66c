#include "keeper/items.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "os/filelease.h"
#include "os/view.h"

void hst_items_init(struct hst_items *items)
{
    *items = (struct hst_items){0};
    hst_list_init(&items->all);
}

static struct hst_kept *find(const struct hst_items *items, uint64_t id)
{
    return hst_map_get(&items->by_id, &id, sizeof id);
}

void hst_kept_fini(struct hst_kept *kept)
{
    hst_hold_unmap(&kept->hold);
    for (size_t i = 0; i < kept->fd_count; i++)
        hst_closep(&kept->fds[i]);
    hst_ranges_fini(&kept->locked);
    free(kept->blob);
    *kept = (struct hst_kept){0};
}

/* Files but that of the blob. */
static size_t count_files(const struct hst_kept *kept)
{
    return kept->fd_count - kept->blob_in_file;
}

/* The new blob goes where the old one was; files and locks stay. */
static void replace_blob(struct hst_kept *kept, struct hst_kept *given)
{
    if (kept->blob_in_file) hst_closep(&kept->fds[--kept->fd_count]);
    if (given->blob_in_file) kept->fds[kept->fd_count++] = given->fds[0];
    free(kept->blob);
    kept->kind = given->kind;
    kept->blob = given->blob;
    kept->blob_bytes = given->blob_bytes;
    kept->blob_in_file = given->blob_in_file;
    *given = (struct hst_kept){0};
}

static void replace_all(struct hst_kept *kept, struct hst_kept *given)
{
    struct hst_list node = kept->node;
    hst_kept_fini(kept);
    *kept = *given;
    kept->node = node;
    *given = (struct hst_kept){0};
}

static int add(struct hst_items *items, struct hst_kept *given, struct hst_error *err)
{
    if (items->by_id.count >= HST_KEEPER_ITEMS_MAX) return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "limit: more than %u items", HST_KEEPER_ITEMS_MAX);
    struct hst_kept *kept = malloc(sizeof *kept);
    if (kept == NULL) return hst_error_nomem(err);
    *kept = *given;
    if (hst_map_put(&items->by_id, &kept->id, sizeof kept->id, kept) < 0) {
        free(kept);
        return hst_error_nomem(err);
    }
    hst_list_append(&items->all, &kept->node);
    items->highest_id = hst_max_u64(items->highest_id, kept->id);
    *given = (struct hst_kept){0};
    return HST_OK;
}

int hst_items_put(struct hst_items *items, struct hst_kept *given, struct hst_error *err)
{
    struct hst_kept *old = find(items, given->id);
    if (old == NULL) return add(items, given, err);
    if (count_files(given) == 0)
        replace_blob(old, given);
    else
        replace_all(old, given);
    return HST_OK;
}

static int map(struct hst_kept *kept, struct hst_error *err)
{
    uint64_t size_bytes;
    if (kept->hold.address != NULL) return HST_OK;
    if (count_files(kept) == 0) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "the item has no file");
    HST_TRY(hst_view_size(kept->fds[0], &size_bytes, err));
    if (size_bytes == 0) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "the file is empty");
    return hst_hold_map(kept->fds[0], 0, hst_round_up(size_bytes, hst_hold_page_size()), &kept->hold, err);
}

/* The item, mapped, if it has this range. */
static int reach(struct hst_items *items, uint64_t id, const struct hst_keeper_range *range, struct hst_kept **ret_kept, struct hst_error *err)
{
    struct hst_kept *kept = find(items, id);
    uint64_t page = hst_hold_page_size(), end;
    if (kept == NULL) return hst_error_set(err, HST_E_NOT_FOUND, "there is no item %llu", (unsigned long long)id);
    HST_TRY(map(kept, err));
    bool inside = hst_checked_add(range->offset, range->size_bytes, &end) && end <= kept->hold.size_bytes;
    if (!inside || range->offset % page != 0 || range->size_bytes % page != 0)
        return hst_error_set(err, HST_E_INVALID_ARGUMENT, "the item has no such range of pages");
    *ret_kept = kept;
    return HST_OK;
}

int hst_items_lock(struct hst_items *items, uint64_t id, const struct hst_keeper_range *range, bool *ret_locked, struct hst_error *err)
{
    struct hst_kept *kept;
    HST_TRY(reach(items, id, range, &kept, err));
    HST_TRY(hst_ranges_add(&kept->locked, range, err));
    *ret_locked = hst_hold_lock(&kept->hold, range->offset, range->size_bytes);
    return *ret_locked ? HST_OK : hst_items_unlock(items, id, range, err);
}

int hst_items_unlock(struct hst_items *items, uint64_t id, const struct hst_keeper_range *range, struct hst_error *err)
{
    struct hst_kept *kept;
    HST_TRY(reach(items, id, range, &kept, err));
    HST_TRY(hst_ranges_remove(&kept->locked, range, err));
    hst_hold_let_go(&kept->hold, range->offset, range->size_bytes);
    return HST_OK;
}

static void forget(struct hst_items *items, struct hst_kept *kept)
{
    hst_map_remove(&items->by_id, &kept->id, sizeof kept->id);
    hst_list_remove(&kept->node);
    hst_kept_fini(kept);
    free(kept);
}

void hst_items_drop(struct hst_items *items, uint64_t id)
{
    struct hst_kept *kept = find(items, id);
    if (kept != NULL) forget(items, kept);
}

void hst_items_release_leases(struct hst_items *items)
{
    HST_LIST_FOREACH(node, &items->all) {
        const struct hst_kept *kept = hst_container_of(node, struct hst_kept, node);
        for (size_t i = 0; i < count_files(kept); i++)
            hst_filelease_release(kept->fds[i]);
    }
}

void hst_items_fini(struct hst_items *items)
{
    HST_LIST_FOREACH(node, &items->all)
        forget(items, hst_container_of(node, struct hst_kept, node));
    hst_map_fini(&items->by_id);
}
