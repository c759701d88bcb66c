#include "cache/record.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/cursor.h"
#include "cache/recordio.h"
#include "cache/region.h"

#include <endian.h>
#include <string.h>

uint64_t hst_record_checksum(const void *bytes, size_t length)
{
    uint64_t sum = UINT64_C(14695981039346656037);
    for (size_t at = 0; at < length; at += sizeof(uint64_t)) { /* FNV-1a, eight bytes at a time: 100,000 tensors are 6 MB */
        uint64_t word = 0;
        memcpy(&word, (const char *)bytes + at, length - at < sizeof word ? length - at : sizeof word);
        sum = (sum ^ le64toh(word)) * UINT64_C(1099511628211);
        sum ^= sum >> 32;
    }
    return sum;
}

/* ---- writing ---- */

void hst_record_write_tmpfs(struct hst_strbuf *out, uint64_t size_bytes)
{
    hst_recordio_put(out, HST_RECORD_VERSION);
    hst_recordio_put(out, size_bytes);
    hst_recordio_seal(out);
}

void hst_record_write_region(struct hst_strbuf *out, const struct hst_region *region)
{
    hst_recordio_put(out, HST_RECORD_VERSION);
    hst_recordio_put(out, region->kind);
    hst_recordio_put(out, region->size_bytes);
    hst_recordio_put_id(out, &region->id);
    hst_recordio_put_text(out, region->path != NULL ? region->path : "");
    hst_recordio_seal(out);
}

static void put_pieces(struct hst_strbuf *out, const struct hst_claim *claim)
{
    hst_recordio_put(out, claim->piece_count);
    for (size_t i = 0; i < claim->piece_count; i++) {
        const struct hst_piece *piece = &claim->pieces[i];
        hst_recordio_put(out, piece->region);
        hst_recordio_put(out, piece->begin);
        hst_recordio_put(out, piece->size_bytes);
        hst_recordio_put(out, piece->was_resident);
        hst_recordio_put(out, piece->head);
    }
}

static void put_tensors(struct hst_strbuf *out, const struct hst_claim *claim, const struct hst_component *component)
{
    size_t count = component != NULL ? component->tensor_count : 0;
    hst_recordio_put(out, count);
    for (size_t i = 0; i < count; i++) {
        const struct hst_component_tensor *row = &component->tensors[i];
        hst_recordio_put(out, row->file);
        hst_recordio_put(out, row->tensor->offset);
        hst_recordio_put(out, row->tensor->size_bytes);
        hst_recordio_put(out, row->tensor->dtype);
        hst_recordio_put(out, hst_recast_dtype(claim->recast, component, i));
        hst_recordio_put(out, claim->spots[i].segment);
        hst_recordio_put(out, claim->spots[i].offset);
    }
}

void hst_record_write_claim(struct hst_strbuf *out, const struct hst_claim *claim, const struct hst_component *component)
{
    const struct hst_model *model = component != NULL ? component->model : NULL;
    hst_recordio_put(out, HST_RECORD_VERSION);
    hst_recordio_put(out, claim->kind);
    hst_recordio_put_text(out, component != NULL ? component->id : "");
    hst_recordio_put_text(out, claim->recast != NULL ? claim->recast->precision : "");
    hst_recordio_put(out, claim->entered);
    hst_recordio_put(out, model != NULL ? model->file_count : 0);
    for (size_t i = 0; model != NULL && i < model->file_count; i++)
        hst_recordio_put_id(out, &model->files[i].id);
    hst_recordio_put(out, claim->region_count);
    for (size_t i = 0; i < claim->region_count; i++)
        hst_recordio_put(out, claim->regions[i]->keep_id);
    put_pieces(out, claim);
    put_tensors(out, claim, component);
    hst_recordio_seal(out);
}

void hst_record_write_residency(struct hst_strbuf *out, const struct hst_residency *residency, uint64_t claim)
{
    hst_recordio_put(out, HST_RECORD_VERSION);
    hst_recordio_put(out, claim);
    hst_recordio_put(out, residency->pinned);
    hst_recordio_put(out, residency->ahead);
    hst_recordio_put(out, residency->fill_ns);
    hst_recordio_put(out, residency->read_bytes);
    hst_recordio_put(out, residency->warm_bytes);
    hst_recordio_put(out, (uint64_t)(residency->ttl_seconds + 1));
    hst_recordio_seal(out);
}

void hst_record_write_lease(struct hst_strbuf *out, const struct hst_record_lease *lease)
{
    hst_recordio_put(out, HST_RECORD_VERSION);
    hst_recordio_put(out, lease->view.lease_id);
    hst_recordio_put(out, (uint64_t)lease->view.pid);
    hst_recordio_put_text(out, lease->view.domain);
    hst_recordio_put_text(out, lease->view.device_id);
    hst_recordio_put(out, (uint64_t)lease->view.since_wall_ns);
    hst_recordio_put(out, lease->count);
    for (size_t i = 0; i < lease->count; i++) {
        hst_recordio_put(out, lease->shares[i].residency);
        hst_recordio_put(out, lease->shares[i].claim);
    }
    hst_recordio_put(out, lease->view.other_count);
    for (size_t i = 0; i < lease->view.other_count; i++)
        hst_recordio_put(out, lease->view.others[i]);
    hst_recordio_seal(out);
}

/* ---- reading ---- */

int hst_record_read_tmpfs(const void *bytes, size_t length, uint64_t *ret_size_bytes, struct hst_error *err)
{
    struct hst_cursor cursor;
    hst_recordio_begin(&cursor, bytes, length);
    uint64_t size_bytes = hst_cursor_u64(&cursor);
    HST_TRY(hst_recordio_end(&cursor, err));
    *ret_size_bytes = size_bytes;
    return HST_OK;
}

/* A kind that fits what it is, and a size in pages. */
static bool is_region(const struct hst_record_region *record)
{
    bool is_file = record->path != NULL;
    return is_file == (record->kind == HST_BACKING_PAGE_CACHE) && record->size_bytes % hst_hold_page_size() == 0 && (is_file || record->size_bytes > 0);
}

int hst_record_read_region(const void *bytes, size_t length, struct hst_record_region *ret_record, struct hst_error *err)
{
    struct hst_cursor cursor;
    hst_recordio_begin(&cursor, bytes, length);
    struct hst_record_region record = {.kind = (enum hst_backing)hst_recordio_take(&cursor, HST_BACKING_PAGES + 1)};
    record.size_bytes = hst_cursor_u64(&cursor);
    record.id = hst_recordio_take_id(&cursor);
    record.path = hst_recordio_take_string(&cursor);
    if (record.path != NULL && record.path[0] == '\0') free(hst_steal(&record.path));
    if (hst_cursor_ok(&cursor) && !is_region(&record)) hst_recordio_refuse(&cursor);
    int status = hst_recordio_end(&cursor, err);
    if (status < 0)
        hst_record_region_fini(&record);
    else
        *ret_record = record;
    return status;
}

static struct hst_piece take_piece(struct hst_cursor *cursor, size_t region_count)
{
    struct hst_piece piece = {.region = (uint32_t)hst_recordio_take(cursor, region_count)};
    uint64_t page = hst_hold_page_size(), end_byte;
    piece.source = piece.region;
    piece.begin = hst_cursor_u64(cursor);
    piece.size_bytes = hst_cursor_u64(cursor);
    piece.was_resident = hst_recordio_take(cursor, 2);
    piece.head = hst_recordio_take(cursor, 2);
    if (piece.size_bytes == 0 || (piece.begin | piece.size_bytes) % page != 0 || !hst_checked_add(piece.begin, piece.size_bytes, &end_byte)) hst_recordio_refuse(cursor);
    return piece;
}

static struct hst_record_tensor take_tensor(struct hst_cursor *cursor, const struct hst_record_claim *record)
{
    struct hst_record_tensor tensor = {.file = hst_recordio_take(cursor, record->file_count)};
    tensor.offset = hst_cursor_u64(cursor);
    tensor.size_bytes = hst_cursor_u64(cursor);
    tensor.stored = hst_cursor_u64(cursor);
    tensor.becomes = hst_cursor_u64(cursor);
    tensor.region = hst_cursor_u64(cursor);
    tensor.at = hst_cursor_u64(cursor);
    bool has_place = tensor.region < record->region_count || (tensor.size_bytes == 0 && tensor.region == 0);
    if (!hst_recordio_is_dtype(tensor.stored) || !hst_recordio_is_dtype(tensor.becomes) || !has_place) hst_recordio_refuse(cursor);
    return tensor;
}

static void take_tables(struct hst_cursor *cursor, struct hst_record_claim *record)
{
    record->files = hst_recordio_take_ids(cursor, &record->file_count);
    record->regions = hst_recordio_take_table(cursor, 1, sizeof *record->regions, &record->region_count);
    if (record->region_count >= UINT32_MAX) hst_recordio_refuse(cursor);
    for (size_t i = 0; i < record->region_count; i++)
        record->regions[i] = hst_cursor_u64(cursor);
    record->pieces = hst_recordio_take_table(cursor, 5, sizeof *record->pieces, &record->piece_count);
    for (size_t i = 0; i < record->piece_count; i++)
        record->pieces[i] = take_piece(cursor, record->region_count);
    record->tensors = hst_recordio_take_table(cursor, 7, sizeof *record->tensors, &record->tensor_count);
    for (size_t i = 0; i < record->tensor_count; i++)
        record->tensors[i] = take_tensor(cursor, record);
}

int hst_record_read_claim(const void *bytes, size_t length, struct hst_record_claim *ret_record, struct hst_error *err)
{
    struct hst_cursor cursor;
    hst_recordio_begin(&cursor, bytes, length);
    struct hst_record_claim record = {.kind = (enum hst_backing)hst_recordio_take(&cursor, HST_BACKING_PAGES + 1)};
    record.component_id = hst_recordio_take_string(&cursor);
    hst_recordio_take_text(&cursor, record.precision, sizeof record.precision);
    record.entered = hst_cursor_u64(&cursor);
    take_tables(&cursor, &record);
    record.entered = hst_min_u64(record.entered, record.region_count); /* a claim that moved counts some that it left */
    int status = hst_recordio_end(&cursor, err);
    if (status < 0)
        hst_record_claim_fini(&record);
    else
        *ret_record = record;
    return status;
}

int hst_record_read_residency(const void *bytes, size_t length, struct hst_record_residency *ret_record, struct hst_error *err)
{
    struct hst_cursor cursor;
    hst_recordio_begin(&cursor, bytes, length);
    struct hst_record_residency record = {.claim = hst_cursor_u64(&cursor)};
    record.pinned = hst_recordio_take(&cursor, 2);
    record.ahead = hst_recordio_take(&cursor, 2);
    record.fill_ns = hst_cursor_u64(&cursor);
    record.read_bytes = hst_cursor_u64(&cursor);
    record.warm_bytes = hst_cursor_u64(&cursor);
    record.ttl_seconds = (int64_t)hst_recordio_take(&cursor, (uint64_t)UINT32_MAX + 2) - 1;
    HST_TRY(hst_recordio_end(&cursor, err));
    *ret_record = record;
    return HST_OK;
}

int hst_record_read_lease(const void *bytes, size_t length, struct hst_record_lease *ret_record, struct hst_error *err)
{
    struct hst_cursor cursor;
    hst_recordio_begin(&cursor, bytes, length);
    struct hst_record_lease record = {.view.lease_id = hst_recordio_take(&cursor, UINT64_MAX)};
    record.view.pid = (int32_t)hst_recordio_take(&cursor, (uint64_t)INT32_MAX + 1);
    hst_recordio_take_text(&cursor, record.view.domain, sizeof record.view.domain);
    hst_recordio_take_text(&cursor, record.view.device_id, sizeof record.view.device_id);
    record.view.since_wall_ns = (int64_t)hst_cursor_u64(&cursor);
    record.shares = hst_recordio_take_table(&cursor, 2, sizeof *record.shares, &record.count);
    for (size_t i = 0; i < record.count; i++) {
        record.shares[i].residency = hst_cursor_u64(&cursor);
        record.shares[i].claim = hst_cursor_u64(&cursor);
    }
    record.view.others = hst_recordio_take_table(&cursor, 1, sizeof *record.view.others, &record.view.other_count);
    for (size_t i = 0; i < record.view.other_count; i++)
        record.view.others[i] = hst_cursor_u64(&cursor);
    int status = hst_recordio_end(&cursor, err);
    if (status < 0)
        hst_record_lease_fini(&record);
    else
        *ret_record = record;
    return status;
}

void hst_record_region_fini(struct hst_record_region *record)
{
    free(hst_steal(&record->path));
}

void hst_record_claim_fini(struct hst_record_claim *record)
{
    free(record->component_id);
    free(record->files);
    free(record->regions);
    free(record->pieces);
    free(record->tensors);
    *record = (struct hst_record_claim){0};
}

void hst_record_lease_fini(struct hst_record_lease *record)
{
    free(hst_steal(&record->shares));
    free(hst_steal(&record->view.others));
    record->view.other_count = 0;
}
