#include "proto/index.h"

#include "base/checked.h"
#include "formats/dtype.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are used as they are on the wire");

enum { HEADER_WORDS = 8, SEGMENT_WORDS = 4, COMPONENT_WORDS = 2, TENSOR_WORDS = 9, PAGE = 4096 };
/* Words of the header. */
enum { H_MAGIC, H_VERSION, H_TOTAL_BYTES, H_SEGMENTS, H_TENSORS, H_COMPONENTS, H_SHAPE_WORDS, H_STRING_BYTES };
/* Words of a segment and of a tensor. */
enum { S_FD, S_OFFSET, S_SIZE, S_BACKING };
enum { T_NAME, T_NAME_LENGTH, T_DTYPE, T_RANK, T_SHAPE, T_COMPONENT, T_SEGMENT, T_OFFSET, T_SIZE };

/* ---- writing ---- */

/* Where the next word, shape and string go. */
struct writer {
    uint64_t *word;
    uint64_t *shapes;
    uint64_t shape_at;
    char *strings;
    uint64_t string_at;
};

static void put(struct writer *writer, const uint64_t *words, size_t count)
{
    memcpy(writer->word, words, count * sizeof *words);
    writer->word += count;
}

static uint64_t put_string(struct writer *writer, const char *text, uint64_t length)
{
    uint64_t at = writer->string_at;
    memcpy(writer->strings + at, text, length + 1);
    writer->string_at += length + 1;
    return at;
}

static void put_component(struct writer *writer, const struct hst_index_component *component)
{
    uint64_t length = strlen(component->role);
    put(writer, (uint64_t[]){put_string(writer, component->role, length), length}, COMPONENT_WORDS);
}

static void put_tensor(struct writer *writer, const struct hst_index_tensor *tensor)
{
    uint64_t length = strlen(tensor->name);
    uint64_t name = put_string(writer, tensor->name, length);
    if (tensor->rank > 0) memcpy(writer->shapes + writer->shape_at, tensor->shape, tensor->rank * sizeof *tensor->shape);
    const uint64_t words[TENSOR_WORDS] = {name, length, tensor->dtype, tensor->rank, writer->shape_at, tensor->component,
                                          tensor->segment, tensor->offset, tensor->size_bytes};
    put(writer, words, TENSOR_WORDS);
    writer->shape_at += tensor->rank;
}

static void put_content(struct writer *writer, const struct hst_index_content *content)
{
    for (size_t i = 0; i < content->segment_count; i++) {
        const struct hst_index_segment *segment = &content->segments[i];
        put(writer, (uint64_t[]){segment->fd, segment->offset, segment->size_bytes, segment->backing}, SEGMENT_WORDS);
    }
    for (size_t i = 0; i < content->component_count; i++)
        put_component(writer, &content->components[i]);
    for (size_t i = 0; i < content->tensor_count; i++)
        put_tensor(writer, &content->tensors[i]);
}

static uint64_t count_strings(const struct hst_index_content *content)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < content->component_count; i++)
        bytes += strlen(content->components[i].role) + 1;
    for (size_t i = 0; i < content->tensor_count; i++)
        bytes += strlen(content->tensors[i].name) + 1;
    return bytes;
}

static uint64_t count_shapes(const struct hst_index_content *content)
{
    uint64_t words = 0;
    for (size_t i = 0; i < content->tensor_count; i++)
        words += content->tensors[i].rank;
    return words;
}

int hst_index_encode(const struct hst_index_content *content, void **ret_bytes, size_t *ret_length, struct hst_error *err)
{
    uint64_t shape_words = count_shapes(content), string_bytes = count_strings(content);
    uint64_t table_words = HEADER_WORDS + SEGMENT_WORDS * content->segment_count + COMPONENT_WORDS * content->component_count +
                           TENSOR_WORDS * content->tensor_count;
    uint64_t total_bytes = (table_words + shape_words) * sizeof(uint64_t) + string_bytes;
    uint64_t *words = malloc(total_bytes);
    if (words == NULL) return hst_error_nomem(err);
    struct writer writer = {.word = words, .shapes = words + table_words, .strings = (char *)(words + table_words + shape_words)};
    const uint64_t header[HEADER_WORDS] = {HST_INDEX_MAGIC,       HST_INDEX_VERSION,        total_bytes, content->segment_count,
                                           content->tensor_count, content->component_count, shape_words, string_bytes};
    put(&writer, header, HEADER_WORDS);
    put_content(&writer, content);
    *ret_bytes = words;
    *ret_length = total_bytes;
    return HST_OK;
}

/* ---- reading ---- */

static int bad(struct hst_error *err, const char *what)
{
    return hst_error_set(err, HST_E_PROTOCOL, "the index of the model is damaged: %s", what);
}

/* What is left of the words while the parts are laid out. */
struct reader {
    const uint64_t *at;
    uint64_t left;
    bool failed;
};

static const uint64_t *take(struct reader *reader, uint64_t count, uint64_t words_each)
{
    const uint64_t *part = reader->at;
    if (reader->failed || count > reader->left / words_each) {
        reader->failed = true;
        return NULL;
    }
    reader->at += count * words_each;
    reader->left -= count * words_each;
    return part;
}

static int lay_out(const uint64_t *words, size_t length, struct hst_index *index, struct hst_error *err)
{
    struct reader reader = {.at = words + HEADER_WORDS, .left = length / sizeof *words - HEADER_WORDS};
    index->segments = take(&reader, index->segment_count, SEGMENT_WORDS);
    index->components = take(&reader, index->component_count, COMPONENT_WORDS);
    index->tensors = take(&reader, index->tensor_count, TENSOR_WORDS);
    index->shapes = take(&reader, words[H_SHAPE_WORDS], 1);
    if (reader.failed) return bad(err, "its parts are longer than the whole");
    index->strings = (const char *)reader.at;
    if (words[H_STRING_BYTES] != length - (uint64_t)(reader.at - words) * sizeof *words) return bad(err, "its parts are not the whole");
    return HST_OK;
}

static int check_header(const uint64_t *words, size_t length, struct hst_error *err)
{
    if (words == NULL || length < HEADER_WORDS * sizeof *words || (uintptr_t)words % sizeof *words != 0) return bad(err, "it is too short");
    if (words[H_MAGIC] != HST_INDEX_MAGIC || words[H_VERSION] != HST_INDEX_VERSION) return bad(err, "it is of another version");
    if (words[H_TOTAL_BYTES] != length) return bad(err, "its length is wrong");
    return HST_OK;
}

static int check_segment(const uint64_t *segment, size_t fd_count, struct hst_error *err)
{
    uint64_t end;
    if (segment[S_FD] >= fd_count) return bad(err, "a segment names a file that did not come along");
    if (segment[S_SIZE] == 0 || segment[S_OFFSET] % PAGE != 0) return bad(err, "a segment is empty or does not begin with a page");
    if (!hst_checked_add(segment[S_OFFSET], segment[S_SIZE], &end) || end > INT64_MAX) return bad(err, "a segment is too long");
    return HST_OK;
}

static int check_string(const struct hst_index *index, uint64_t offset, uint64_t length, struct hst_error *err)
{
    uint64_t bytes = index->words[H_STRING_BYTES], end;
    if (!hst_checked_add(offset, length, &end) || end >= bytes) return bad(err, "a string lies outside");
    const char *text = index->strings + offset;
    return memchr(text, '\0', length + 1) == text + length ? HST_OK : bad(err, "a string does not end where it should");
}

static bool count_elements(const uint64_t *shape, uint64_t rank, uint64_t *ret_elements)
{
    uint64_t elements = 1;
    bool fits = true;
    for (uint64_t i = 0; i < rank; i++) {
        if (shape[i] == 0) {
            *ret_elements = 0; /* whatever the others are */
            return true;
        }
        fits = fits && hst_checked_mul(elements, shape[i], &elements);
    }
    *ret_elements = elements;
    return fits;
}

static int check_shape(const struct hst_index *index, const uint64_t *tensor, struct hst_error *err)
{
    uint64_t words = index->words[H_SHAPE_WORDS], elements, bytes;
    if (tensor[T_RANK] > words || tensor[T_SHAPE] > words - tensor[T_RANK]) return bad(err, "a shape lies outside");
    if (tensor[T_DTYPE] > INT32_MAX || hst_dtype_info((enum hst_dtype)tensor[T_DTYPE]) == NULL) return bad(err, "a tensor is of an unknown type");
    if (!count_elements(index->shapes + tensor[T_SHAPE], tensor[T_RANK], &elements) ||
        !hst_dtype_bytes((enum hst_dtype)tensor[T_DTYPE], elements, &bytes) || bytes != tensor[T_SIZE])
        return bad(err, "a tensor's size is not that of its shape");
    return HST_OK;
}

static int check_place(const struct hst_index *index, const uint64_t *tensor, struct hst_error *err)
{
    if (tensor[T_COMPONENT] >= index->component_count) return bad(err, "a tensor is of no component");
    if (tensor[T_SIZE] == 0) return HST_OK; /* it lies nowhere */
    if (tensor[T_SEGMENT] >= index->segment_count) return bad(err, "a tensor is in no segment");
    uint64_t room = index->segments[tensor[T_SEGMENT] * SEGMENT_WORDS + S_SIZE];
    if (tensor[T_SIZE] > room || tensor[T_OFFSET] > room - tensor[T_SIZE]) return bad(err, "a tensor lies outside its segment");
    return HST_OK;
}

static int check_tensor(const struct hst_index *index, const uint64_t *tensor, struct hst_error *err)
{
    HST_TRY(check_string(index, tensor[T_NAME], tensor[T_NAME_LENGTH], err));
    HST_TRY(check_shape(index, tensor, err));
    return check_place(index, tensor, err);
}

static int check_content(const struct hst_index *index, size_t fd_count, struct hst_error *err)
{
    for (uint64_t i = 0; i < index->segment_count; i++)
        HST_TRY(check_segment(index->segments + i * SEGMENT_WORDS, fd_count, err));
    for (uint64_t i = 0; i < index->component_count; i++)
        HST_TRY(check_string(index, index->components[i * COMPONENT_WORDS], index->components[i * COMPONENT_WORDS + 1], err));
    for (uint64_t i = 0; i < index->tensor_count; i++)
        HST_TRY(check_tensor(index, index->tensors + i * TENSOR_WORDS, err));
    return HST_OK;
}

int hst_index_open(const void *bytes, size_t length, size_t fd_count, struct hst_index *ret_index, struct hst_error *err)
{
    const uint64_t *words = bytes;
    HST_TRY(check_header(words, length, err));
    struct hst_index index = {.words = words,
                              .segment_count = words[H_SEGMENTS],
                              .tensor_count = words[H_TENSORS],
                              .component_count = words[H_COMPONENTS]};
    HST_TRY(lay_out(words, length, &index, err));
    HST_TRY(check_content(&index, fd_count, err));
    *ret_index = index;
    return HST_OK;
}

struct hst_index_segment hst_index_segment(const struct hst_index *index, uint64_t i)
{
    const uint64_t *words = index->segments + i * SEGMENT_WORDS;
    return (struct hst_index_segment){words[S_FD], words[S_OFFSET], words[S_SIZE], words[S_BACKING]};
}

struct hst_index_component hst_index_component(const struct hst_index *index, uint64_t i)
{
    return (struct hst_index_component){index->strings + index->components[i * COMPONENT_WORDS]};
}

struct hst_index_tensor hst_index_tensor(const struct hst_index *index, uint64_t i)
{
    const uint64_t *words = index->tensors + i * TENSOR_WORDS;
    return (struct hst_index_tensor){.name = index->strings + words[T_NAME],
                                     .shape = index->shapes + words[T_SHAPE],
                                     .rank = words[T_RANK],
                                     .dtype = words[T_DTYPE],
                                     .component = words[T_COMPONENT],
                                     .segment = words[T_SEGMENT],
                                     .offset = words[T_OFFSET],
                                     .size_bytes = words[T_SIZE]};
}
