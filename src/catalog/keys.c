#include "catalog/keys.h"

#include "formats/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So many tensors under a prefix make it the main model's (as ComfyUI counts). */
enum { ENOUGH = 5 };

static bool starts(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Types whose elements are not those of the layer but what a packer made of them. */
static bool is_integer(enum hst_dtype dtype)
{
    return dtype == HST_DTYPE_U8 || dtype == HST_DTYPE_I32 || dtype == HST_DTYPE_U32 || dtype == HST_DTYPE_F4;
}

static int make_room(struct hst_keys *keys, size_t more, struct hst_error *err)
{
    if (keys->count + more <= keys->room) return HST_OK;
    const struct hst_tensor **grown = realloc(keys->tensors, (keys->count + more) * sizeof *grown);
    if (grown == NULL) return hst_error_nomem(err);
    keys->tensors = grown;
    keys->room = keys->count + more;
    return HST_OK;
}

int hst_keys_add(struct hst_keys *keys, const struct hst_tensor_table *table, struct hst_error *err)
{
    if (keys->prefix == NULL) keys->prefix = "";
    HST_TRY(make_room(keys, table->count, err));
    for (size_t i = 0; i < table->count; i++) {
        keys->integers = keys->integers || is_integer(table->tensors[i].dtype);
        if (hst_map_put_str(&keys->by_name, table->tensors[i].name, &table->tensors[i]) < 0) return hst_error_nomem(err);
        keys->tensors[keys->count++] = &table->tensors[i];
    }
    keys->sorted = false;
    return HST_OK;
}

static size_t count_under(const struct hst_keys *keys, const char *prefix)
{
    size_t votes = 0;
    for (size_t i = 0; i < keys->count; i++)
        votes += starts(keys->tensors[i]->name, prefix);
    return votes;
}

void hst_keys_choose_prefix(struct hst_keys *keys, const char *const *prefixes, size_t count)
{
    size_t most = ENOUGH;
    keys->prefix = "";
    keys->bare = true;
    for (size_t i = 0; i < count; i++) {
        size_t votes = count_under(keys, prefixes[i]);
        if (votes <= most) continue;
        most = votes;
        keys->prefix = prefixes[i];
    }
}

bool hst_keys_set_prefix(struct hst_keys *keys, const char *prefix)
{
    bool found = false;
    for (size_t i = 0; !found && i < keys->count; i++)
        found = starts(keys->tensors[i]->name, prefix);
    if (found) keys->prefix = prefix;
    keys->bare = false;
    return found;
}

/* The whole name in `out`, or NULL when it is longer than any. */
static const char *whole(const struct hst_keys *keys, const char *name, char out[HST_NAME_MAX + 1])
{
    if (keys->prefix[0] == '\0') return name;
    return (size_t)snprintf(out, HST_NAME_MAX + 1, "%s%s", keys->prefix, name) <= HST_NAME_MAX ? out : NULL;
}

const struct hst_tensor *hst_keys_find(const struct hst_keys *keys, const char *name)
{
    char buffer[HST_NAME_MAX + 1];
    const char *full = whole(keys, name, buffer);
    const struct hst_tensor *tensor = full != NULL ? hst_map_get_str(&keys->by_name, full) : NULL;
    return tensor == NULL && keys->bare ? hst_map_get_str(&keys->by_name, name) : tensor;
}

static bool ends(const char *text, const char *end)
{
    size_t length = strlen(text), cut = strlen(end);
    return length >= cut && memcmp(text + length - cut, end, cut) == 0;
}

const struct hst_tensor *hst_keys_ending(const struct hst_keys *keys, const char *suffix)
{
    for (size_t i = 0; i < keys->count; i++)
        if (ends(keys->tensors[i]->name, suffix)) return keys->tensors[i];
    return NULL;
}

/* Integers, or a note of bitsandbytes beside it: the shape is that of the packing. */
static bool is_packed(const struct hst_keys *keys, const struct hst_tensor *tensor)
{
    static const char *const notes[] = {".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4", ".absmax"};
    char name[HST_NAME_MAX + 64];
    bool packed = is_integer(tensor->dtype);
    if (!keys->integers) return false;
    for (size_t i = 0; !packed && i < sizeof notes / sizeof notes[0]; i++) {
        snprintf(name, sizeof name, "%s%s", tensor->name, notes[i]);
        packed = hst_map_get_str(&keys->by_name, name) != NULL;
    }
    return packed;
}

static int by_name(const void *a, const void *b)
{
    const struct hst_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static void sort(struct hst_keys *keys)
{
    if (!keys->sorted && keys->count > 0) qsort(keys->tensors, keys->count, sizeof(const struct hst_tensor *), by_name);
    keys->sorted = true;
}

/* The number of tensors whose name comes before this one. */
static size_t position(const struct hst_keys *keys, const char *name)
{
    size_t low = 0, high = keys->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(keys->tensors[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The n-th tensor whose name begins so; `name` ends in '*'. */
static const struct hst_tensor *nth_beginning(struct hst_keys *keys, const char *name, size_t n)
{
    char buffer[HST_NAME_MAX + 1], begin[HST_NAME_MAX + 1];
    const char *full = whole(keys, name, buffer);
    if (full == NULL) return NULL;
    snprintf(begin, sizeof begin, "%.*s", (int)strlen(full) - 1, full);
    sort(keys);
    size_t at = position(keys, begin) + n;
    return at < keys->count && starts(keys->tensors[at]->name, begin) ? keys->tensors[at] : NULL;
}

static bool find(const void *context, const char *name, size_t *cursor, struct hst_rule_seen *ret_seen)
{
    union {
        const void *borrowed;
        struct hst_keys *keys;
    } subject = {.borrowed = context};
    struct hst_keys *keys = subject.keys;
    const struct hst_tensor *tensor = name[strlen(name) - 1] == '*' ? nth_beginning(keys, name, *cursor) : *cursor == 0 ? hst_keys_find(keys, name) : NULL;
    if (tensor == NULL) return false;
    ++*cursor;
    bool stripped = keys->prefix[0] != '\0' && starts(tensor->name, keys->prefix);
    *ret_seen = (struct hst_rule_seen){.prefix = stripped ? keys->prefix : "",
                                       .name = tensor->name + (stripped ? strlen(keys->prefix) : 0),
                                       .shape = tensor->shape,
                                       .rank = tensor->rank,
                                       .packed = is_packed(keys, tensor)};
    return true;
}

struct hst_rule_subject hst_keys_subject(struct hst_keys *keys)
{
    return (struct hst_rule_subject){.context = keys, .count = keys->count, .find = find};
}

void hst_keys_fini(struct hst_keys *keys)
{
    hst_map_fini(&keys->by_name);
    free(keys->tensors);
    *keys = (struct hst_keys){0};
}
