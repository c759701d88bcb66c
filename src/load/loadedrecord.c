#include "load/loadedrecord.h"

#include "base/cleanup.h"
#include "cache/record.h"
#include "cache/recordio.h"

#include <stdlib.h>

static void put_tensor(struct hst_strbuf *out, const struct hst_loadedrecord_tensor *tensor)
{
    hst_recordio_put(out, tensor->file);
    hst_recordio_put(out, tensor->offset);
    hst_recordio_put(out, tensor->size_bytes);
    hst_recordio_put(out, tensor->stored);
    hst_recordio_put(out, tensor->becomes);
    hst_recordio_put(out, tensor->segment);
    hst_recordio_put(out, tensor->at);
}

static void put_tables(struct hst_strbuf *out, const struct hst_loadedrecord *record)
{
    hst_recordio_put(out, record->file_count);
    for (size_t i = 0; i < record->file_count; i++)
        hst_recordio_put_id(out, &record->files[i]);
    hst_recordio_put(out, record->segment_count);
    for (size_t i = 0; i < record->segment_count; i++) {
        hst_recordio_put(out, record->segments[i].block);
        hst_recordio_put(out, record->segments[i].index);
        hst_recordio_put(out, record->segments[i].size_bytes);
    }
    hst_recordio_put(out, record->tensor_count);
    for (size_t i = 0; i < record->tensor_count; i++)
        put_tensor(out, &record->tensors[i]);
}

void hst_loadedrecord_write(struct hst_strbuf *out, const struct hst_loadedrecord *record)
{
    hst_recordio_put(out, HST_RECORD_VERSION);
    hst_recordio_put_text(out, record->device_uuid);
    hst_recordio_put_text(out, record->component_id);
    hst_recordio_put_text(out, record->precision);
    hst_recordio_put(out, record->pinned);
    hst_recordio_put(out, record->alone);
    hst_recordio_put(out, (uint64_t)(record->ttl_seconds + 1));
    hst_recordio_put(out, record->copy_ns);
    hst_recordio_put(out, record->fill_ns);
    hst_recordio_put(out, (uint64_t)record->since_wall_ns);
    put_tables(out, record);
    hst_recordio_seal(out);
}

static struct hst_loadedrecord_segment take_segment(struct hst_cursor *cursor)
{
    struct hst_loadedrecord_segment segment = {.block = hst_cursor_u64(cursor)};
    segment.index = hst_recordio_take(cursor, UINT32_MAX);
    segment.size_bytes = hst_cursor_u64(cursor);
    if (segment.size_bytes == 0) hst_recordio_refuse(cursor);
    return segment;
}

static struct hst_loadedrecord_tensor take_tensor(struct hst_cursor *cursor, const struct hst_loadedrecord *record)
{
    struct hst_loadedrecord_tensor tensor = {.file = hst_recordio_take(cursor, record->file_count)};
    tensor.offset = hst_cursor_u64(cursor);
    tensor.size_bytes = hst_cursor_u64(cursor);
    tensor.stored = hst_cursor_u64(cursor);
    tensor.becomes = hst_cursor_u64(cursor);
    tensor.segment = hst_cursor_u64(cursor);
    tensor.at = hst_cursor_u64(cursor);
    bool has_place = tensor.segment < record->segment_count || (tensor.size_bytes == 0 && tensor.segment == 0);
    if (!hst_recordio_is_dtype(tensor.stored) || !hst_recordio_is_dtype(tensor.becomes) || !has_place) hst_recordio_refuse(cursor);
    return tensor;
}

static void take_tables(struct hst_cursor *cursor, struct hst_loadedrecord *record)
{
    record->files = hst_recordio_take_table(cursor, 5, sizeof *record->files, &record->file_count);
    for (size_t i = 0; i < record->file_count; i++)
        record->files[i] = hst_recordio_take_id(cursor);
    record->segments = hst_recordio_take_table(cursor, 3, sizeof *record->segments, &record->segment_count);
    for (size_t i = 0; i < record->segment_count; i++)
        record->segments[i] = take_segment(cursor);
    record->tensors = hst_recordio_take_table(cursor, 7, sizeof *record->tensors, &record->tensor_count);
    for (size_t i = 0; i < record->tensor_count; i++)
        record->tensors[i] = take_tensor(cursor, record);
}

int hst_loadedrecord_read(const void *bytes, size_t length, struct hst_loadedrecord *ret_record, struct hst_error *err)
{
    struct hst_loadedrecord record = {0};
    struct hst_cursor cursor;
    hst_recordio_begin(&cursor, bytes, length);
    hst_recordio_take_text(&cursor, record.device_uuid, sizeof record.device_uuid);
    record.component_id = hst_recordio_take_string(&cursor);
    hst_recordio_take_text(&cursor, record.precision, sizeof record.precision);
    record.pinned = hst_recordio_take(&cursor, 2);
    record.alone = hst_recordio_take(&cursor, 2);
    record.ttl_seconds = (int64_t)hst_recordio_take(&cursor, (uint64_t)UINT32_MAX + 2) - 1;
    record.copy_ns = hst_cursor_u64(&cursor);
    record.fill_ns = hst_cursor_u64(&cursor);
    record.since_wall_ns = (int64_t)hst_cursor_u64(&cursor);
    take_tables(&cursor, &record);
    int status = hst_recordio_end(&cursor, err);
    if (status < 0)
        hst_loadedrecord_fini(&record);
    else
        *ret_record = record;
    return status;
}

void hst_loadedrecord_fini(struct hst_loadedrecord *record)
{
    free(record->component_id);
    free(record->files);
    free(record->segments);
    free(record->tensors);
    *record = (struct hst_loadedrecord){0};
}
