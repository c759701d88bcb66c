#include "load/loadedrecord.h"

#include "base/cleanup.h"
#include "cache/record.h"
#include "cache/recordio.h"

#include <stdlib.h>

/* Rows are of nothing but numbers. */
enum { SEGMENT_NUMBERS = sizeof(struct hst_loadedrecord_segment) / sizeof(uint64_t), TENSOR_NUMBERS = sizeof(struct hst_loadedrecord_tensor) / sizeof(uint64_t) };

static void put_tables(struct hst_strbuf *out, const struct hst_loadedrecord *record)
{
    hst_recordio_put(out, record->file_count);
    for (size_t i = 0; i < record->file_count; i++)
        hst_recordio_put_id(out, &record->files[i]);
    hst_recordio_put(out, record->segment_count);
    for (size_t i = 0; i < record->segment_count; i++)
        hst_recordio_put_row(out, &record->segments[i], SEGMENT_NUMBERS);
    hst_recordio_put(out, record->tensor_count);
    for (size_t i = 0; i < record->tensor_count; i++)
        hst_recordio_put_row(out, &record->tensors[i], TENSOR_NUMBERS);
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

static void take_segment(struct hst_cursor *cursor, struct hst_loadedrecord_segment *segment)
{
    hst_recordio_take_row(cursor, segment, SEGMENT_NUMBERS);
    if (segment->size_bytes == 0 || segment->index >= UINT32_MAX) hst_recordio_refuse(cursor);
}

static void take_tensor(struct hst_cursor *cursor, const struct hst_loadedrecord *record, struct hst_loadedrecord_tensor *tensor)
{
    hst_recordio_take_row(cursor, tensor, TENSOR_NUMBERS);
    bool has_place = tensor->segment < record->segment_count || (tensor->size_bytes == 0 && tensor->segment == 0);
    if (tensor->file >= record->file_count || !has_place || !hst_recordio_is_dtype(tensor->stored) || !hst_recordio_is_dtype(tensor->becomes)) hst_recordio_refuse(cursor);
}

static void take_tables(struct hst_cursor *cursor, struct hst_loadedrecord *record)
{
    record->files = hst_recordio_take_ids(cursor, &record->file_count);
    record->segments = hst_recordio_take_table(cursor, SEGMENT_NUMBERS, sizeof *record->segments, &record->segment_count);
    for (size_t i = 0; i < record->segment_count; i++)
        take_segment(cursor, &record->segments[i]);
    record->tensors = hst_recordio_take_table(cursor, TENSOR_NUMBERS, sizeof *record->tensors, &record->tensor_count);
    for (size_t i = 0; i < record->tensor_count; i++)
        take_tensor(cursor, record, &record->tensors[i]);
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
