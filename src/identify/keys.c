#include "identify/keys.h"

#include "base/text.h"
#include "formats/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So many tensors under a prefix make it the main model's (as ComfyUI counts). */
enum { ENOUGH = 5 };

static void use_prefix(struct hst_keys *keys, const char *prefix)
{
    keys->prefix = prefix;
    keys->prefix_length = strlen(prefix);
    memcpy(keys->name, prefix, keys->prefix_length);
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
    if (keys->prefix == NULL) use_prefix(keys, "");
    HST_TRY(make_room(keys, table->count, err));
    for (size_t i = 0; i < table->count; i++) {
        keys->integers = keys->integers || is_integer(table->tensors[i].dtype);
        keys->initials[(uint8_t)table->tensors[i].name[0]] = true;
        if (hst_map_put_str(&keys->by_name, table->tensors[i].name, &table->tensors[i]) < 0) return hst_error_nomem(err);
        keys->tensors[keys->count++] = &table->tensors[i];
    }
    return HST_OK;
}

static size_t count_under(const struct hst_keys *keys, const char *prefix)
{
    size_t votes = 0;
    for (size_t i = 0; i < keys->count; i++)
        votes += hst_starts_with(keys->tensors[i]->name, prefix);
    return votes;
}

void hst_keys_choose_prefix(struct hst_keys *keys, const char *const *prefixes, size_t count)
{
    size_t most = ENOUGH;
    use_prefix(keys, "");
    keys->bare = true;
    for (size_t i = 0; i < count; i++) {
        size_t votes = count_under(keys, prefixes[i]);
        if (votes <= most) continue;
        most = votes;
        use_prefix(keys, prefixes[i]);
    }
}

bool hst_keys_set_prefix(struct hst_keys *keys, const char *prefix)
{
    bool found = false;
    for (size_t i = 0; !found && i < keys->count; i++)
        found = hst_starts_with(keys->tensors[i]->name, prefix);
    if (found) use_prefix(keys, prefix);
    keys->bare = false;
    return found;
}

/* The whole name, or NULL when it is longer than any. Valid until the next call. */
static const char *whole(struct hst_keys *keys, const char *name)
{
    size_t length = strlen(name);
    if (keys->prefix_length == 0) return name;
    if (keys->prefix_length + length > HST_NAME_MAX) return NULL;
    memcpy(keys->name + keys->prefix_length, name, length + 1);
    return keys->name;
}

const struct hst_tensor *hst_keys_find(struct hst_keys *keys, const char *name)
{
    const char *full = whole(keys, name);
    const struct hst_tensor *tensor = full != NULL ? hst_map_get_str(&keys->by_name, full) : NULL;
    return tensor == NULL && keys->bare && full != name ? hst_map_get_str(&keys->by_name, name) : tensor;
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

/* The next tensor whose name begins so; `name` ends in '*'. Most questions end with the first byte, so the names need no order. */
static const struct hst_tensor *next_beginning(struct hst_keys *keys, const char *name, size_t *cursor)
{
    const char *full = whole(keys, name);
    if (full == NULL || !keys->initials[(uint8_t)full[0]] || strlen(full) > HST_NAME_MAX) return NULL;
    if (full == name) full = strcpy(keys->name, name); /* a copy, to take the star off */
    keys->name[strlen(full) - 1] = '\0';
    while (*cursor < keys->count)
        if (hst_starts_with(keys->tensors[(*cursor)++]->name, full)) return keys->tensors[*cursor - 1];
    return NULL;
}

static const struct hst_tensor *next_found(struct hst_keys *keys, const char *name, size_t *cursor)
{
    if (name[strlen(name) - 1] == '*') return next_beginning(keys, name, cursor);
    return (*cursor)++ == 0 ? hst_keys_find(keys, name) : NULL;
}

static bool find(const void *context, const char *name, size_t *cursor, struct hst_rule_seen *ret_seen)
{
    union {
        const void *borrowed;
        struct hst_keys *keys;
    } subject = {.borrowed = context};
    struct hst_keys *keys = subject.keys;
    const struct hst_tensor *tensor = next_found(keys, name, cursor);
    if (tensor == NULL) return false;
    bool stripped = keys->prefix_length > 0 && hst_starts_with(tensor->name, keys->prefix);
    *ret_seen = (struct hst_rule_seen){.prefix = stripped ? keys->prefix : "",
                                       .name = tensor->name + (stripped ? keys->prefix_length : 0),
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
