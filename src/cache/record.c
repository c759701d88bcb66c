#include "cache/record.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/cursor.h"
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

static void put(struct hst_strbuf *out, uint64_t value)
{
    uint64_t bytes = htole64(value);
    hst_strbuf_append(out, &bytes, sizeof bytes);
}

/* The end of a record. */
static void seal(struct hst_strbuf *out)
{
    put(out, hst_record_checksum(out->text, out->length));
}

static void put_text(struct hst_strbuf *out, const char *text)
{
    size_t length = strlen(text);
    put(out, length);
    hst_strbuf_append(out, text, length);
}

static void put_id(struct hst_strbuf *out, const struct hst_file_id *id)
{
    put(out, id->device);
    put(out, id->inode);
    put(out, id->size_bytes);
    put(out, (uint64_t)id->mtime_ns);
    put(out, (uint64_t)id->ctime_ns);
}

void hst_record_write_tmpfs(struct hst_strbuf *out, uint64_t size_bytes)
{
    put(out, HST_RECORD_VERSION);
    put(out, size_bytes);
    seal(out);
}

void hst_record_write_region(struct hst_strbuf *out, const struct hst_region *region)
{
    put(out, HST_RECORD_VERSION);
    put(out, region->kind);
    put(out, region->size_bytes);
    put_id(out, &region->id);
    put_text(out, region->path != NULL ? region->path : "");
    seal(out);
}

static void put_pieces(struct hst_strbuf *out, const struct hst_claim *claim)
{
    put(out, claim->piece_count);
    for (size_t i = 0; i < claim->piece_count; i++) {
        const struct hst_piece *piece = &claim->pieces[i];
        put(out, piece->region);
        put(out, piece->begin);
        put(out, piece->size_bytes);
        put(out, piece->was_resident);
        put(out, piece->head);
    }
}

static void put_tensors(struct hst_strbuf *out, const struct hst_claim *claim, const struct hst_component *component)
{
    size_t count = component != NULL ? component->tensor_count : 0;
    put(out, count);
    for (size_t i = 0; i < count; i++) {
        const struct hst_component_tensor *row = &component->tensors[i];
        put(out, row->file);
        put(out, row->tensor->offset);
        put(out, row->tensor->size_bytes);
        put(out, row->tensor->dtype);
        put(out, hst_recast_dtype(claim->recast, component, i));
        put(out, claim->spots[i].segment);
        put(out, claim->spots[i].offset);
    }
}

void hst_record_write_claim(struct hst_strbuf *out, const struct hst_claim *claim, const struct hst_component *component)
{
    const struct hst_model *model = component != NULL ? component->model : NULL;
    put(out, HST_RECORD_VERSION);
    put(out, claim->kind);
    put_text(out, component != NULL ? component->id : "");
    put_text(out, claim->recast != NULL ? claim->recast->precision : "");
    put(out, claim->entered);
    put(out, model != NULL ? model->file_count : 0);
    for (size_t i = 0; model != NULL && i < model->file_count; i++)
        put_id(out, &model->files[i].id);
    put(out, claim->region_count);
    for (size_t i = 0; i < claim->region_count; i++)
        put(out, claim->regions[i]->keep_id);
    put_pieces(out, claim);
    put_tensors(out, claim, component);
    seal(out);
}

void hst_record_write_residency(struct hst_strbuf *out, const struct hst_residency *residency, uint64_t claim)
{
    put(out, HST_RECORD_VERSION);
    put(out, claim);
    put(out, residency->pinned);
    put(out, residency->ahead);
    put(out, residency->fill_ns);
    put(out, residency->read_bytes);
    put(out, residency->warm_bytes);
    put(out, (uint64_t)(residency->ttl_seconds + 1));
    seal(out);
}

void hst_record_write_lease(struct hst_strbuf *out, const struct hst_record_lease *lease)
{
    put(out, HST_RECORD_VERSION);
    put(out, lease->view.lease_id);
    put(out, (uint64_t)lease->view.pid);
    put_text(out, lease->view.domain);
    put_text(out, lease->view.device_id);
    put(out, (uint64_t)lease->view.since_wall_ns);
    put(out, lease->count);
    for (size_t i = 0; i < lease->count; i++) {
        put(out, lease->shares[i].residency);
        put(out, lease->shares[i].claim);
    }
    seal(out);
}

/* ---- reading ---- */

static void refuse(struct hst_cursor *cursor)
{
    hst_cursor_fail(cursor, HST_E_PROTOCOL, "this is no record of hoist's");
}

static void begin(struct hst_cursor *cursor, const void *bytes, size_t length)
{
    struct hst_cursor last;
    size_t text = length >= sizeof(uint64_t) ? length - sizeof(uint64_t) : 0;
    hst_cursor_init(&last, (const char *)bytes + text, length - text, text);
    hst_cursor_init(cursor, bytes, text, 0);
    if (hst_cursor_u64(&last) != hst_record_checksum(bytes, text) || hst_cursor_u64(cursor) != HST_RECORD_VERSION) refuse(cursor);
}

/* @return HST_OK when all was as it should be, and nothing is left */
static int end(struct hst_cursor *cursor, struct hst_error *err)
{
    if (hst_cursor_left(cursor) > 0) refuse(cursor);
    if (hst_cursor_ok(cursor)) return HST_OK;
    bool is_ours = cursor->error.status == HST_E_NOMEM;
    return is_ours ? hst_error_nomem(err) : hst_error_set(err, HST_E_PROTOCOL, "%s", cursor->error.text);
}

/* A number below `limit`. */
static uint64_t take(struct hst_cursor *cursor, uint64_t limit)
{
    uint64_t value = hst_cursor_u64(cursor);
    if (value < limit) return value;
    refuse(cursor);
    return 0;
}

/* A string of less than `room` bytes, none of them NUL. */
static void take_text(struct hst_cursor *cursor, char *out, size_t room)
{
    uint64_t length = take(cursor, room);
    const uint8_t *bytes = hst_cursor_take(cursor, length);
    if (bytes != NULL && memchr(bytes, '\0', length) != NULL) refuse(cursor);
    if (bytes != NULL) memcpy(out, bytes, length);
    out[hst_cursor_ok(cursor) ? length : 0] = '\0';
}

/* A string of its own, or NULL. */
static char *take_string(struct hst_cursor *cursor)
{
    uint64_t room = hst_cursor_left(cursor) + 1;
    char *text = malloc(room);
    if (text == NULL)
        hst_cursor_fail(cursor, HST_E_NOMEM, "out of memory");
    else
        take_text(cursor, text, room);
    return text;
}

static struct hst_file_id take_id(struct hst_cursor *cursor)
{
    struct hst_file_id id = {.device = hst_cursor_u64(cursor)};
    id.inode = hst_cursor_u64(cursor);
    id.size_bytes = hst_cursor_u64(cursor);
    id.mtime_ns = (int64_t)hst_cursor_u64(cursor);
    id.ctime_ns = (int64_t)hst_cursor_u64(cursor);
    return id;
}

/* Room for a table whose rows have `numbers` numbers in the text: that many rows are there. NULL after a failure. */
static void *take_table(struct hst_cursor *cursor, size_t numbers, size_t row_bytes, size_t *ret_count)
{
    uint64_t count = hst_cursor_u64(cursor);
    if (count > hst_cursor_left(cursor) / (numbers * sizeof(uint64_t))) refuse(cursor);
    if (!hst_cursor_ok(cursor)) return NULL;
    void *rows = calloc(count + 1, row_bytes);
    if (rows == NULL) hst_cursor_fail(cursor, HST_E_NOMEM, "out of memory");
    *ret_count = rows != NULL ? count : 0;
    return rows;
}

int hst_record_read_tmpfs(const void *bytes, size_t length, uint64_t *ret_size_bytes, struct hst_error *err)
{
    struct hst_cursor cursor;
    begin(&cursor, bytes, length);
    uint64_t size_bytes = hst_cursor_u64(&cursor);
    HST_TRY(end(&cursor, err));
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
    begin(&cursor, bytes, length);
    struct hst_record_region record = {.kind = (enum hst_backing)take(&cursor, HST_BACKING_PAGES + 1)};
    record.size_bytes = hst_cursor_u64(&cursor);
    record.id = take_id(&cursor);
    record.path = take_string(&cursor);
    if (record.path != NULL && record.path[0] == '\0') free(hst_steal(&record.path));
    if (hst_cursor_ok(&cursor) && !is_region(&record)) refuse(&cursor);
    int status = end(&cursor, err);
    if (status < 0)
        hst_record_region_fini(&record);
    else
        *ret_record = record;
    return status;
}

static struct hst_piece take_piece(struct hst_cursor *cursor, size_t region_count)
{
    struct hst_piece piece = {.region = (uint32_t)take(cursor, region_count)};
    uint64_t page = hst_hold_page_size(), end_byte;
    piece.source = piece.region;
    piece.begin = hst_cursor_u64(cursor);
    piece.size_bytes = hst_cursor_u64(cursor);
    piece.was_resident = take(cursor, 2);
    piece.head = take(cursor, 2);
    if (piece.size_bytes == 0 || (piece.begin | piece.size_bytes) % page != 0 || !hst_checked_add(piece.begin, piece.size_bytes, &end_byte)) refuse(cursor);
    return piece;
}

static bool is_dtype(uint64_t value)
{
    return value <= UINT8_MAX && hst_dtype_info((enum hst_dtype)value) != NULL;
}

static struct hst_record_tensor take_tensor(struct hst_cursor *cursor, const struct hst_record_claim *record)
{
    struct hst_record_tensor tensor = {.file = take(cursor, record->file_count)};
    tensor.offset = hst_cursor_u64(cursor);
    tensor.size_bytes = hst_cursor_u64(cursor);
    tensor.stored = hst_cursor_u64(cursor);
    tensor.becomes = hst_cursor_u64(cursor);
    tensor.region = hst_cursor_u64(cursor);
    tensor.at = hst_cursor_u64(cursor);
    bool has_place = tensor.region < record->region_count || (tensor.size_bytes == 0 && tensor.region == 0);
    if (!is_dtype(tensor.stored) || !is_dtype(tensor.becomes) || !has_place) refuse(cursor);
    return tensor;
}

static void take_tables(struct hst_cursor *cursor, struct hst_record_claim *record)
{
    record->files = take_table(cursor, 5, sizeof *record->files, &record->file_count);
    for (size_t i = 0; i < record->file_count; i++)
        record->files[i] = take_id(cursor);
    record->regions = take_table(cursor, 1, sizeof *record->regions, &record->region_count);
    if (record->region_count >= UINT32_MAX) refuse(cursor);
    for (size_t i = 0; i < record->region_count; i++)
        record->regions[i] = hst_cursor_u64(cursor);
    record->pieces = take_table(cursor, 5, sizeof *record->pieces, &record->piece_count);
    for (size_t i = 0; i < record->piece_count; i++)
        record->pieces[i] = take_piece(cursor, record->region_count);
    record->tensors = take_table(cursor, 7, sizeof *record->tensors, &record->tensor_count);
    for (size_t i = 0; i < record->tensor_count; i++)
        record->tensors[i] = take_tensor(cursor, record);
}

int hst_record_read_claim(const void *bytes, size_t length, struct hst_record_claim *ret_record, struct hst_error *err)
{
    struct hst_cursor cursor;
    begin(&cursor, bytes, length);
    struct hst_record_claim record = {.kind = (enum hst_backing)take(&cursor, HST_BACKING_PAGES + 1)};
    record.component_id = take_string(&cursor);
    take_text(&cursor, record.precision, sizeof record.precision);
    record.entered = hst_cursor_u64(&cursor);
    take_tables(&cursor, &record);
    record.entered = hst_min_u64(record.entered, record.region_count); /* a claim that moved counts some that it left */
    int status = end(&cursor, err);
    if (status < 0)
        hst_record_claim_fini(&record);
    else
        *ret_record = record;
    return status;
}

int hst_record_read_residency(const void *bytes, size_t length, struct hst_record_residency *ret_record, struct hst_error *err)
{
    struct hst_cursor cursor;
    begin(&cursor, bytes, length);
    struct hst_record_residency record = {.claim = hst_cursor_u64(&cursor)};
    record.pinned = take(&cursor, 2);
    record.ahead = take(&cursor, 2);
    record.fill_ns = hst_cursor_u64(&cursor);
    record.read_bytes = hst_cursor_u64(&cursor);
    record.warm_bytes = hst_cursor_u64(&cursor);
    record.ttl_seconds = (int64_t)take(&cursor, (uint64_t)UINT32_MAX + 2) - 1;
    HST_TRY(end(&cursor, err));
    *ret_record = record;
    return HST_OK;
}

int hst_record_read_lease(const void *bytes, size_t length, struct hst_record_lease *ret_record, struct hst_error *err)
{
    struct hst_cursor cursor;
    begin(&cursor, bytes, length);
    struct hst_record_lease record = {.view.lease_id = take(&cursor, UINT64_MAX)};
    record.view.pid = (int32_t)take(&cursor, (uint64_t)INT32_MAX + 1);
    take_text(&cursor, record.view.domain, sizeof record.view.domain);
    take_text(&cursor, record.view.device_id, sizeof record.view.device_id);
    record.view.since_wall_ns = (int64_t)hst_cursor_u64(&cursor);
    record.shares = take_table(&cursor, 2, sizeof *record.shares, &record.count);
    for (size_t i = 0; i < record.count; i++) {
        record.shares[i].residency = hst_cursor_u64(&cursor);
        record.shares[i].claim = hst_cursor_u64(&cursor);
    }
    int status = end(&cursor, err);
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
}
