#include "formats/torch.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "formats/builder.h"
#include "formats/limits.h"
#include "formats/pickle.h"
#include "formats/zip.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first pickle of the older stream: a number that nobody writes by chance. */
static const uint8_t stream_magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
enum { FIRST_READ = 1 << 20, DTYPE_ARGUMENT = 6 };

/* Where the bytes of a storage lie. */
struct place {
    uint64_t offset, size_bytes;
};

struct reader {
    const struct hst_source *source;
    struct hst_error *err;
    struct hst_arena *arena;     /* of pickles and directories, not of the table */
    struct hst_builder builder;
    struct hst_map places;       /* key of a storage -> struct place */
    uint64_t visits, visits_most; /* of values in dicts */
    char name[HST_NAME_MAX + 1]; /* of the tensor being looked at */
};

static int fail(const struct reader *reader, int status, const char *what)
{
    return hst_error_set(reader->err, status, "%s: '%.100s'", what, reader->name);
}

static bool is_kind(const struct hst_pickle_value *value, enum hst_pickle_kind kind)
{
    return value != NULL && value->kind == kind;
}

/* ---- a tensor ---- */

/* The arguments of the rebuilding function, and what its storage is. */
struct description {
    const struct hst_pickle_value *tensor, *storage_type, *key, *offset, *sizes, *strides;
    enum hst_dtype dtype;
};

static const struct hst_pickle_value *item(const struct hst_pickle_value *value, size_t i, enum hst_pickle_kind kind)
{
    bool there = i < value->count && value->items[i]->kind == kind;
    return there ? value->items[i] : NULL;
}

static bool all_numbers(const struct hst_pickle_value *tuple)
{
    for (size_t i = 0; i < tuple->count; i++)
        if (tuple->items[i]->kind != HST_PICKLE_NUMBER || tuple->items[i]->number < 0) return false;
    return true;
}

static enum hst_dtype dtype_of(const struct description *d)
{
    const struct hst_pickle_value *given = item(d->tensor, DTYPE_ARGUMENT, HST_PICKLE_GLOBAL);
    if (given != NULL && given->name->role == HST_PICKLE_ROLE_DTYPE) return given->name->dtype;
    return d->storage_type->name->dtype != 0 ? d->storage_type->name->dtype : HST_DTYPE_U8;
}

static bool is_sound(const struct description *d)
{
    if (d->offset == NULL || d->sizes == NULL || d->strides == NULL) return false;
    bool shaped = d->sizes->count == d->strides->count && d->sizes->count <= HST_RANK_MAX;
    return shaped && d->offset->number >= 0 && all_numbers(d->sizes) && all_numbers(d->strides);
}

/* What a storage is made of was checked when it was read (pickle.c). */
static bool describe(const struct hst_pickle_value *tensor, struct description *d)
{
    const struct hst_pickle_value *storage = item(tensor, 0, HST_PICKLE_STORAGE);
    if (storage == NULL) return false;
    *d = (struct description){.tensor = tensor,
                              .storage_type = storage->items[1],
                              .key = storage->items[2],
                              .offset = item(tensor, 1, HST_PICKLE_NUMBER),
                              .sizes = item(tensor, 2, HST_PICKLE_TUPLE),
                              .strides = item(tensor, 3, HST_PICKLE_TUPLE)};
    d->dtype = dtype_of(d);
    return is_sound(d);
}

/* Do the strides walk through the bytes in order? Those of a dimension of one element mean nothing. */
static bool is_contiguous(const struct description *d)
{
    uint64_t step = 1;
    for (size_t i = d->sizes->count; i > 0; i--) {
        uint64_t size = (uint64_t)d->sizes->items[i - 1]->number;
        if (size == 0) return true;
        if (size != 1 && (uint64_t)d->strides->items[i - 1]->number != step) return false;
        step *= size; /* a product that overflows is refused with the shape */
    }
    return true;
}

static int place_tensor(const struct reader *reader, const struct description *d, struct hst_tensor *tensor)
{
    const struct place *place = hst_map_get_str(&reader->places, d->key->text); /* there is one: check_storages */
    uint64_t begin;
    if (!hst_checked_mul((uint64_t)d->offset->number, hst_dtype_info(d->dtype)->block_bytes, &begin) || begin > place->size_bytes || tensor->size_bytes > place->size_bytes - begin)
        return fail(reader, HST_E_INVALID_FILE, "bounds: the storage is too short for the tensor");
    tensor->offset = place->offset + begin;
    return HST_OK;
}

static int add_tensor(struct reader *reader, const struct hst_pickle_value *value)
{
    struct description d;
    struct hst_tensor *tensor;
    uint64_t shape[HST_RANK_MAX];
    if (!describe(value, &d)) return fail(reader, HST_E_INVALID_FILE, "tensor: it is described in an unknown way");
    HST_TRY(hst_builder_add(&reader->builder, reader->name, strlen(reader->name), &tensor, reader->err));
    tensor->dtype = d.dtype;
    for (size_t i = 0; i < d.sizes->count; i++)
        shape[i] = (uint64_t)d.sizes->items[i]->number;
    HST_TRY(hst_builder_shape(&reader->builder, tensor, shape, (uint32_t)d.sizes->count, reader->err));
    if (!is_contiguous(&d)) return fail(reader, HST_E_INVALID_FILE, "stride: in this layout the tensor's elements do not lie in order");
    return place_tensor(reader, &d, tensor);
}

/* ---- all tensors ---- */

/* A dict being walked through, and how long its own name is. */
struct level {
    const struct hst_pickle_value *dict;
    size_t next, name_length;
};

/* Write the key behind the names of the dicts around it. *ret_named = false when it is of a kind that names nothing. */
static int name_item(struct reader *reader, size_t at, const struct hst_pickle_value *key, bool *ret_named)
{
    size_t room = sizeof reader->name - at;
    int length = 0;
    if (key->kind == HST_PICKLE_BLOB) return fail(reader, HST_E_INVALID_FILE, "name: a NUL in a name within");
    if (key->kind == HST_PICKLE_TEXT) length = snprintf(reader->name + at, room, "%s%s", at > 0 ? "." : "", key->text);
    if (key->kind == HST_PICKLE_NUMBER) length = snprintf(reader->name + at, room, "%s%lld", at > 0 ? "." : "", (long long)key->number);
    *ret_named = key->kind == HST_PICKLE_TEXT || key->kind == HST_PICKLE_NUMBER;
    if ((size_t)length < room) return HST_OK;
    return hst_error_set(reader->err, HST_E_LIMIT_EXCEEDED, "limit: name: it is longer than %u bytes", HST_NAME_MAX);
}

static bool holds_tensors(const struct hst_pickle_value *value)
{
    return value->kind == HST_PICKLE_TENSOR || value->kind == HST_PICKLE_DICT;
}

static int take_item(struct reader *reader, struct level *levels, size_t *depth, const struct hst_pickle_value *value)
{
    if (value->kind == HST_PICKLE_TENSOR) return add_tensor(reader, value);
    if (*depth == HST_PICKLE_DEPTH_MAX) return fail(reader, HST_E_LIMIT_EXCEEDED, "limit: depth: dicts are nested too deeply");
    levels[(*depth)++] = (struct level){value, 0, strlen(reader->name)};
    return HST_OK;
}

static int walk(struct reader *reader, const struct hst_pickle_value *dict)
{
    struct level levels[HST_PICKLE_DEPTH_MAX] = {{dict, 0, 0}};
    for (size_t depth = 1; depth > 0;) {
        struct level *level = &levels[depth - 1];
        if (level->next + 1 >= level->dict->count) {
            depth--;
            continue;
        }
        const struct hst_pickle_value *key = level->dict->items[level->next], *value = level->dict->items[level->next + 1];
        level->next += 2;
        reader->name[level->name_length] = '\0';
        /* Each takes two bytes of the pickle at least, unless a dict is in several places. */
        if (++reader->visits > reader->visits_most) return hst_error_set(reader->err, HST_E_LIMIT_EXCEEDED, "limit: nodes: dicts hold each other");
        bool named = false;
        if (holds_tensors(value)) HST_TRY(name_item(reader, level->name_length, key, &named));
        if (named) HST_TRY(take_item(reader, levels, &depth, value));
    }
    return HST_OK;
}

/* `length` is the pickle's. */
static int take_root(struct reader *reader, const struct hst_pickle_value *root, uint64_t length)
{
    const struct hst_pickle_value *state = hst_pickle_get(root, "state_dict");
    if (is_kind(state, HST_PICKLE_DICT)) root = state;
    snprintf(reader->name, sizeof reader->name, "tensor");
    if (root->kind == HST_PICKLE_TENSOR) return add_tensor(reader, root);
    reader->name[0] = '\0';
    reader->visits_most = length;
    if (root->kind != HST_PICKLE_DICT) return hst_error_set(reader->err, HST_E_UNKNOWN_FORMAT, "pickle: it holds neither tensors nor a dict of them");
    return walk(reader, root);
}

static int add_place(struct reader *reader, const char *key, struct place where)
{
    struct place *place = hst_arena_alloc(reader->arena, sizeof *place);
    if (place == NULL || hst_map_put_str(&reader->places, key, place) < 0) return hst_error_nomem(reader->err);
    *place = where;
    return HST_OK;
}

/* Bytes of a storage by what the pickle says of it. */
static int storage_bytes(const struct reader *reader, const struct hst_pickle_value *storage, uint64_t *ret_bytes)
{
    enum hst_dtype dtype = storage->items[1]->name->dtype;
    unsigned element = dtype != 0 ? hst_dtype_info(dtype)->block_bytes : 1;
    if (hst_checked_mul((uint64_t)storage->items[4]->number, element, ret_bytes)) return HST_OK;
    return hst_error_set(reader->err, HST_E_INVALID_FILE, "overflow: the storage '%.64s' has too many elements", storage->items[2]->text);
}

/* What the pickle says of each storage is what lies there. */
static int check_storages(const struct reader *reader, const struct hst_pickle_value *storages)
{
    for (size_t i = 0; i < storages->count; i++) {
        const char *key = storages->items[i]->items[2]->text;
        const struct place *place = hst_map_get_str(&reader->places, key);
        uint64_t bytes;
        HST_TRY(storage_bytes(reader, storages->items[i], &bytes));
        if (place == NULL) return hst_error_set(reader->err, HST_E_INVALID_FILE, "storage: there are no bytes for the storage '%.64s'", key);
        if (place->size_bytes == bytes) continue;
        const char *how = place->size_bytes < bytes ? "short" : "long";
        return hst_error_at(reader->err, HST_E_INVALID_FILE, place->offset, "storage_size: the storage '%.64s' is too %s: it has %llu bytes and should have %llu", key, how,
                            (unsigned long long)place->size_bytes, (unsigned long long)bytes);
    }
    return HST_OK;
}

/* ---- the archive ---- */

static int read_member(struct reader *reader, const struct hst_zip_entry *entry, uint8_t **ret_bytes)
{
    if (entry->size_bytes > HST_PICKLE_MAX) return hst_error_at(reader->err, HST_E_LIMIT_EXCEEDED, entry->offset, "limit: pickle: it is too large");
    HST_AUTO(hst_freep) uint8_t *bytes = malloc(entry->size_bytes + 1);
    if (bytes == NULL) return hst_error_nomem(reader->err);
    HST_TRY(reader->source->read_at(reader->source->context, entry->offset, bytes, entry->size_bytes, reader->err));
    bytes[entry->size_bytes] = '\0';
    *ret_bytes = hst_steal(&bytes);
    return HST_OK;
}

/* What an entry is called in the folder of the pickle, whose name with its slash has `folder` bytes; NULL when it lies elsewhere. */
static const char *name_beside(const struct hst_zip_entry *entry, const struct hst_zip_entry *pickle, size_t folder)
{
    return strncmp(entry->name, pickle->name, folder) == 0 ? entry->name + folder : NULL;
}

/* The file of this name beside the pickle, or NULL. */
static const struct hst_zip_entry *find_beside(const struct hst_zip *zip, const struct hst_zip_entry *pickle, size_t folder, const char *name)
{
    for (size_t i = 0; i < zip->count; i++) {
        const char *own = name_beside(&zip->entries[i], pickle, folder);
        if (own != NULL && strcmp(own, name) == 0) return &zip->entries[i];
    }
    return NULL;
}

static bool is_little(const char *text)
{
    return strcmp(text, "little") == 0;
}

/* One to three digits, and a line's end at most. */
static bool is_version(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    bool ends = text[digits] == '\0' || strcmp(text + digits, "\n") == 0;
    return digits >= 1 && digits <= 3 && text[0] != '0' && ends;
}

/* Small files that say something about the archive; one that is not there says nothing. */
static const struct {
    const char *name;
    bool (*is_good)(const char *text);
    const char *wrong;
} notes[] = {{"byteorder", is_little, "byteorder: the weights are not little-endian (endianness 'little')"}, {"version", is_version, "version: the archive's version is no number"}};
enum { NOTES = sizeof notes / sizeof notes[0], NOTE_MAX = 64 };

static int check_note(struct reader *reader, const struct hst_zip_entry *entry, size_t note)
{
    HST_AUTO(hst_freep) uint8_t *text = NULL;
    if (entry == NULL) return HST_OK;
    if (entry->size_bytes <= NOTE_MAX) HST_TRY(read_member(reader, entry, &text));
    bool good = text != NULL && strlen((char *)text) == entry->size_bytes && notes[note].is_good((char *)text);
    return good ? HST_OK : hst_error_at(reader->err, HST_E_INVALID_FILE, entry->offset, "%s", notes[note].wrong);
}

static bool is_code(const char *own)
{
    return strncmp(own, "code/", 5) == 0 || strcmp(own, "constants.pkl") == 0;
}

/* TorchScript is a program with weights beside it. */
static int check_code(const struct reader *reader, const struct hst_zip *zip, const struct hst_zip_entry *pickle, size_t folder)
{
    for (size_t i = 0; i < zip->count; i++) {
        const char *own = name_beside(&zip->entries[i], pickle, folder);
        if (own == NULL || !is_code(own)) continue;
        return hst_error_at(reader->err, HST_E_UNSAFE_FILE, zip->entries[i].header, "torchscript: it carries a program ('%.64s'), which hoist never runs", zip->entries[i].name);
    }
    return HST_OK;
}

/* "archive/data/17" is the storage "17". */
static int learn_members(struct reader *reader, const struct hst_zip *zip, const struct hst_zip_entry *pickle, size_t folder)
{
    for (size_t i = 0; i < zip->count; i++) {
        const struct hst_zip_entry *entry = &zip->entries[i];
        const char *own = name_beside(entry, pickle, folder);
        if (own == NULL || strncmp(own, "data/", 5) != 0) continue;
        if (hst_map_get_str(&reader->places, own + 5) != NULL) return hst_error_at(reader->err, HST_E_INVALID_FILE, entry->offset, "duplicate: '%.64s'", entry->name);
        HST_TRY(add_place(reader, own + 5, (struct place){entry->offset, entry->size_bytes}));
    }
    return HST_OK;
}

/* The one pickle of the weights, in the one folder that holds all. */
static int find_pickle(const struct reader *reader, const struct hst_zip *zip, const struct hst_zip_entry **ret_pickle, size_t *ret_folder)
{
    const struct hst_zip_entry *pickle = hst_zip_find_end(zip, 0, "/data.pkl");
    if (pickle == NULL) return hst_error_set(reader->err, HST_E_UNKNOWN_FORMAT, "zip: it is a zip archive without weights of PyTorch");
    *ret_folder = strlen(pickle->name) - strlen("data.pkl");
    bool deep = memchr(pickle->name, '/', *ret_folder - 1) != NULL;
    if (deep || hst_zip_find_end(zip, (size_t)(pickle - zip->entries) + 1, "/data.pkl") != NULL)
        return hst_error_at(reader->err, HST_E_INVALID_FILE, pickle->header, "ambiguous: the archive holds several sets of weights");
    *ret_pickle = pickle;
    return HST_OK;
}

static int read_pickle(struct reader *reader, const struct hst_zip_entry *pickle)
{
    struct hst_cursor cursor;
    struct hst_pickle read;
    HST_AUTO(hst_freep) uint8_t *bytes = NULL;
    HST_TRY(read_member(reader, pickle, &bytes));
    hst_cursor_init(&cursor, bytes, pickle->size_bytes, pickle->offset);
    HST_TRY(hst_pickle_read(&cursor, reader->arena, &read, reader->err));
    if (hst_cursor_left(&cursor) > 0) return hst_error_at(reader->err, HST_E_INVALID_FILE, pickle->offset + cursor.at, "trailing: something follows the pickle's end");
    HST_TRY(check_storages(reader, &read.storages));
    return take_root(reader, read.value, pickle->size_bytes);
}

static int read_archive(struct reader *reader)
{
    struct hst_zip zip;
    const struct hst_zip_entry *pickle = NULL;
    size_t folder = 0;
    HST_TRY(hst_zip_read(reader->source, reader->arena, &zip, reader->err));
    HST_TRY(find_pickle(reader, &zip, &pickle, &folder));
    HST_TRY(check_code(reader, &zip, pickle, folder));
    for (size_t i = 0; i < NOTES; i++)
        HST_TRY(check_note(reader, find_beside(&zip, pickle, folder, notes[i].name), i));
    HST_TRY(learn_members(reader, &zip, pickle, folder));
    if (!zip.has_checksums) HST_TRY(hst_builder_warn(&reader->builder, reader->err, "checksum: the archive was saved without checksums"));
    return read_pickle(reader, pickle);
}

/* ---- the older stream ---- */

/* The pickles of a stream, and where they end. */
struct stream {
    const struct hst_pickle_value *root, *keys;
    struct hst_pickle_value storages; /* that the root names */
    struct hst_map named; /* key of a storage -> what the pickle says of it; borrowed */
    uint64_t end;
};

/* The storages follow the pickles in the order of the list of keys: a number of elements, then those. */
static int learn_storage(struct reader *reader, const struct stream *stream, const struct hst_pickle_value *key, uint64_t *at)
{
    uint64_t count, bytes, size = reader->source->size_bytes;
    const struct hst_pickle_value *storage = key->kind == HST_PICKLE_TEXT ? hst_map_get_str(&stream->named, key->text) : NULL;
    if (storage == NULL) return hst_error_at(reader->err, HST_E_INVALID_FILE, *at, "storage: one that nothing names");
    if (hst_map_get_str(&reader->places, key->text) != NULL) return hst_error_at(reader->err, HST_E_INVALID_FILE, *at, "duplicate: the storage '%.64s'", key->text);
    HST_TRY(storage_bytes(reader, storage, &bytes));
    if (size - *at < sizeof count) return hst_error_at(reader->err, HST_E_TRUNCATED, size, "truncated: the file ends between two storages");
    HST_TRY(reader->source->read_at(reader->source->context, *at, &count, sizeof count, reader->err));
    if (le64toh(count) != (uint64_t)storage->items[4]->number) return hst_error_at(reader->err, HST_E_INVALID_FILE, *at, "storage_size: not what the pickle says");
    *at += sizeof count;
    if (bytes > size - *at)
        return hst_error_at(reader->err, HST_E_TRUNCATED, size, "truncated: %llu bytes of a storage are missing at the end", (unsigned long long)(bytes - (size - *at)));
    HST_TRY(add_place(reader, key->text, (struct place){*at, bytes}));
    *at += bytes;
    return HST_OK;
}

static int learn_storages(struct reader *reader, const struct stream *stream)
{
    uint64_t at = stream->end, size = reader->source->size_bytes;
    for (size_t i = 0; i < stream->keys->count; i++)
        HST_TRY(learn_storage(reader, stream, stream->keys->items[i], &at));
    if (at < size) return hst_error_at(reader->err, HST_E_INVALID_FILE, at, "trailing: %llu bytes follow the last storage", (unsigned long long)(size - at));
    return HST_OK;
}

static int note_storages(const struct reader *reader, struct stream *stream)
{
    for (size_t i = 0; i < stream->storages.count; i++) {
        struct hst_pickle_value *storage = stream->storages.items[i];
        const char *key = storage->items[2]->text;
        if (hst_map_get_str(&stream->named, key) != NULL) continue;
        if (hst_map_put_str(&stream->named, key, storage) < 0) return hst_error_nomem(reader->err);
    }
    return HST_OK;
}

/* Magic, version, what machine wrote it, the tensors, the keys of their storages. */
static int read_pickles(const struct reader *reader, struct hst_cursor *cursor, struct stream *stream)
{
    struct hst_pickle version, system, tensors, keys;
    hst_cursor_take(cursor, sizeof stream_magic);
    HST_TRY(hst_pickle_read(cursor, reader->arena, &version, reader->err));
    HST_TRY(hst_pickle_read(cursor, reader->arena, &system, reader->err));
    HST_TRY(hst_pickle_read(cursor, reader->arena, &tensors, reader->err));
    HST_TRY(hst_pickle_read(cursor, reader->arena, &keys, reader->err));
    const struct hst_pickle_value *little = hst_pickle_get(system.value, "little_endian");
    if (is_kind(little, HST_PICKLE_NUMBER) && little->number == 0) return hst_error_set(reader->err, HST_E_INVALID_FILE, "byteorder: the weights are not little-endian");
    if (keys.value->kind != HST_PICKLE_LIST) return hst_error_set(reader->err, HST_E_INVALID_FILE, "storage: there is no list of them");
    stream->root = tensors.value;
    stream->keys = keys.value;
    stream->end = cursor->at;
    stream->storages = tensors.storages;
    return HST_OK;
}

/* A pickle alone: what it is matters only in so far as it may be unsafe. */
static int read_stranger(const struct reader *reader, struct hst_cursor *cursor)
{
    struct hst_pickle ignored;
    HST_TRY(hst_pickle_read(cursor, reader->arena, &ignored, reader->err));
    return hst_error_set(reader->err, HST_E_UNKNOWN_FORMAT, "pickle: it is a Python pickle without weights of PyTorch");
}

/* With the first `length` bytes of the file at hand. */
static int read_front(const struct reader *reader, const uint8_t *bytes, size_t length, struct stream *stream)
{
    struct hst_cursor cursor;
    hst_cursor_init(&cursor, bytes, length, 0);
    bool ours = length > sizeof stream_magic && memcmp(bytes, stream_magic, sizeof stream_magic) == 0;
    return ours ? read_pickles(reader, &cursor, stream) : read_stranger(reader, &cursor);
}

/* An attempt with the first `length` bytes; what an earlier one made is forgotten. */
static int try_front(struct reader *reader, uint64_t length, struct stream *stream)
{
    HST_AUTO(hst_freep) uint8_t *bytes = malloc(length + 1);
    hst_arena_free(reader->arena);
    reader->arena = hst_arena_new();
    if (bytes == NULL || reader->arena == NULL) return hst_error_nomem(reader->err);
    HST_TRY(reader->source->read_at(reader->source->context, 0, bytes, length, reader->err));
    return read_front(reader, bytes, length, stream);
}

/* Where the pickles end stands nowhere: more of the file is read until they do. */
static int find_pickles(struct reader *reader, struct stream *stream)
{
    uint64_t size = reader->source->size_bytes, most = hst_min_u64(size, HST_PICKLE_MAX), length = hst_min_u64(most, FIRST_READ);
    int status = try_front(reader, length, stream);
    while (status == HST_E_TRUNCATED && length < most) {
        length = hst_min_u64(most, 4 * length);
        status = try_front(reader, length, stream);
    }
    if (status == HST_E_TRUNCATED && most < size) return hst_error_set(reader->err, HST_E_LIMIT_EXCEEDED, "limit: pickle: it is too large");
    return status == HST_OK ? note_storages(reader, stream) : status;
}

static int read_stream(struct reader *reader)
{
    struct stream stream = {0};
    int status = find_pickles(reader, &stream);
    if (status == HST_OK) status = learn_storages(reader, &stream);
    if (status == HST_OK) status = check_storages(reader, &stream.storages);
    hst_map_fini(&stream.named);
    return status == HST_OK ? take_root(reader, stream.root, stream.end) : status;
}

/* ---- the format ---- */

static bool is_archive(const uint8_t *head, size_t length)
{
    return length >= 4 && memcmp(head, "PK\3\4", 4) == 0;
}

/* Length of a line of printable bytes with its end; 0 when it is none. */
static size_t line_length(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n') return i + 1;
        if (bytes[i] <= ' ') return 0;
    }
    return 0;
}

/* "cos\nsystem\n": without a protocol, a pickle may begin with what it asks for. */
static bool asks_at_once(const uint8_t *head, size_t length)
{
    size_t at = length > 0 && head[0] == '(';
    if (at >= length || (head[at] != 'c' && head[at] != 'i')) return false;
    size_t module = line_length(head + at, length - at);
    return module > 0 && line_length(head + at + module, length - at - module) > 0;
}

static bool is_pickle(const uint8_t *head, size_t length)
{
    return length >= 3 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5 && head[2] != 0;
}

static bool sniff(const uint8_t *head, size_t length, uint64_t file_size)
{
    (void)file_size;
    return is_archive(head, length) || is_pickle(head, length) || asks_at_once(head, length);
}

static int read_any(struct reader *reader)
{
    uint8_t head[4];
    struct hst_tensor_table *table = reader->builder.table;
    HST_TRY(reader->source->read_at(reader->source->context, 0, head, hst_min_u64(sizeof head, reader->source->size_bytes), reader->err));
    HST_TRY(is_archive(head, sizeof head) ? read_archive(reader) : read_stream(reader));
    table->file_size_bytes = reader->source->size_bytes;
    if (table->count == 0) return hst_error_set(reader->err, HST_E_UNKNOWN_FORMAT, "empty: there are no tensors in it");
    hst_builder_sort(&reader->builder);
    table->data_offset = table->tensors[0].offset;
    return HST_OK;
}

static int parse_file(const struct hst_source *source, struct hst_tensor_table **ret_table, struct hst_error *err)
{
    struct hst_error unseen = {0};
    HST_AUTO(hst_freep) struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) return hst_error_nomem(err);
    reader->source = source;
    reader->err = err != NULL ? err : &unseen;
    reader->arena = hst_arena_new();
    int status = reader->arena != NULL ? hst_builder_init(&reader->builder, hst_torch_format.name, reader->err) : hst_error_nomem(reader->err);
    if (status == HST_OK) status = read_any(reader);
    if (status == HST_OK) *ret_table = hst_builder_finish(&reader->builder);
    hst_builder_fini(&reader->builder);
    hst_map_fini(&reader->places);
    hst_arena_free(reader->arena);
    return status;
}

const struct hst_format hst_torch_format = {.name = "torch", .raw = true, .sniff = sniff, .parse = parse_file};
