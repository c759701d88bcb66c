/* What the catalog's database keeps, and what becomes of one that an older hoist wrote. */
#include "cmocka_all.h"
#include "store/db_config.h"
#include "store/db_hashes.h"
#include "store/db_notes.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The schema of version 1, as it was. */
static const char version_1[] =
    "CREATE TABLE models (id TEXT PRIMARY KEY, path TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, family TEXT,"
    " variant TEXT, format TEXT NOT NULL, device INTEGER, inode INTEGER, fingerprint INTEGER, size_bytes INTEGER, generation INTEGER) WITHOUT ROWID;"
    "INSERT INTO models VALUES ('old', '/m/old.safetensors', 'old', 'lora', NULL, NULL, 'safetensors', 1, 2, 3, 4, 5);"
    "PRAGMA application_id = 1213158228; PRAGMA user_version = ";

static char path[] = "/tmp/hoist-test-db-XXXXXX";

static int begin(void **state)
{
    (void)state;
    strcpy(path + strlen(path) - 6, "XXXXXX");
    close(mkstemp(path));
    return 0;
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_old(const char *version)
{
    sqlite3 *db;
    char sql[1024];
    snprintf(sql, sizeof sql, "%s%s", version_1, version);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int count_model(void *context, const struct hst_db_row *row)
{
    assert_string_equal(row->id, "old");
    assert_int_equal(row->generation, 5);
    ++*(int *)context;
    return 0;
}

static const uint8_t digest[32] = "0123456789abcdef0123456789abcdef"; /* no room for a NUL */

static struct hst_db_hash a_hash(uint64_t inode)
{
    return (struct hst_db_hash){.device = 7, .inode = inode, .size_bytes = UINT64_MAX, .mtime_ns = -5, .ctime_ns = 6, .crc32 = 0xffffffff, .data_bytes = 9,
                                .sha256 = digest, .autov1 = digest, .sketch = digest, .each = digest, .each_bytes = 32};
}

static int check_hash(void *context, const struct hst_db_hash *row)
{
    ++*(int *)context;
    assert_int_equal(row->size_bytes, UINT64_MAX);
    assert_int_equal(row->mtime_ns, -5);
    assert_int_equal(row->crc32, 0xffffffff);
    assert_memory_equal(row->sha256, digest, 32);
    assert_memory_equal(row->sketch, digest, 16);
    assert_null(row->tensors);
    assert_null(row->blake3);
    return 0;
}

static void a_database_of_version_1_keeps_its_models_and_takes_hashes(void **state)
{
    struct hst_db *db;
    int models = 0, hashes = 0;
    struct hst_db_hash row = a_hash(1);
    (void)state;
    write_old("1");
    for (int times = 0; times < 2; times++) {
        models = hashes = 0;
        assert_int_equal(hst_db_open(path, &db, NULL), 0);
        assert_false(hst_db_was_corrupt(db));
        assert_int_equal(hst_db_each(db, count_model, &models, NULL), 0);
        assert_int_equal(hst_db_put_hashes(db, &row, 1, NULL), 0);
        assert_int_equal(hst_db_each_hash(db, check_hash, &hashes, NULL), 0);
        hst_db_close(db);
        assert_int_equal(models, 1);
        assert_int_equal(hashes, 1);
    }
}

static void a_database_of_the_future_is_left_alone(void **state)
{
    struct hst_db *db;
    (void)state;
    write_old("3");
    assert_int_equal(hst_db_open(path, &db, NULL), HST_E_CONFIG);
}

static void hashes_of_an_inode_are_replaced(void **state)
{
    struct hst_db *db;
    int count = 0;
    struct hst_db_hash rows[] = {a_hash(1), a_hash(2), a_hash(1)};
    (void)state;
    hst_db_open(path, &db, NULL);
    assert_int_equal(hst_db_put_hashes(db, rows, 3, NULL), 0);
    assert_int_equal(hst_db_each_hash(db, check_hash, &count, NULL), 0);
    assert_int_equal(count, 2);
    hst_db_close(db);
}

static void hashes_of_tensors_come_back(void **state)
{
    struct hst_db *db;
    uint8_t *each = NULL;
    size_t bytes = 1;
    struct hst_db_hash row = a_hash(1);
    (void)state;
    hst_db_open(path, &db, NULL);
    hst_db_put_hashes(db, &row, 1, NULL);
    struct hst_file_id id = {row.device, row.inode, row.size_bytes, row.mtime_ns, row.ctime_ns};
    assert_int_equal(hst_db_hash_each(db, &id, &each, &bytes, NULL), 0);
    assert_int_equal(bytes, 32);
    assert_memory_equal(each, digest, 32);
    free(each);
    each = NULL;
    id.ctime_ns++; /* the inode is that of another file now */
    assert_int_equal(hst_db_hash_each(db, &id, &each, &bytes, NULL), 0);
    assert_null(each);
    assert_int_equal(bytes, 0);
    hst_db_close(db);
}

static int check_content(void *context, const struct hst_db_content *row)
{
    ++*(int *)context;
    assert_string_equal(row->id, "one");
    assert_int_equal(row->since_generation, 3);
    assert_memory_equal(row->digest, digest, 32);
    return 0;
}

static void contents_come_back_and_short_digests_do_not(void **state)
{
    struct hst_db *db;
    sqlite3 *raw;
    int count = 0;
    (void)state;
    hst_db_open(path, &db, NULL);
    assert_int_equal(hst_db_put_contents(db, &(struct hst_db_content){"one", 1, 2, 3, digest, digest}, 1, NULL), 0);
    hst_db_close(db);
    sqlite3_open(path, &raw);
    assert_int_equal(sqlite3_exec(raw, "INSERT INTO contents VALUES ('bad', 1, 2, 3, x'00', x'00')", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(raw);
    hst_db_open(path, &db, NULL);
    assert_int_equal(hst_db_each_content(db, check_content, &count, NULL), 0);
    assert_int_equal(count, 1);
    hst_db_close(db);
}

static int check_config(void *context, const struct hst_db_config *row)
{
    ++*(int *)context;
    bool is_said = strcmp(row->id, "said") == 0;
    assert_int_equal(row->pin, is_said ? 0 : -1);
    assert_int_equal(row->ttl_seconds, is_said ? 9 : -1);
    assert_int_equal(row->priority, is_said ? -1 : HST_DB_UNSAID);
    if (is_said) assert_string_equal(row->precision, "fp16");
    return 0;
}

static void wishes_come_back_and_nonsense_says_nothing(void **state)
{
    struct hst_db *db;
    sqlite3 *raw;
    int count = 0;
    (void)state;
    hst_db_open(path, &db, NULL);
    const struct hst_db_config rows[] = {{"said", 0, 9, -1, "fp16"}, {"unsaid", -1, -1, HST_DB_UNSAID, NULL}};
    assert_int_equal(hst_db_put_configs(db, rows, 2, NULL), 0);
    hst_db_close(db);
    sqlite3_open(path, &raw);
    assert_int_equal(sqlite3_exec(raw, "INSERT INTO configs VALUES ('bad', 'yes', x'00', 1.5, NULL)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(raw);
    hst_db_open(path, &db, NULL);
    assert_int_equal(hst_db_each_config(db, check_config, &count, NULL), 0);
    assert_int_equal(count, 3);
    hst_db_close(db);
}

static int join_note(void *context, const struct hst_db_note *note)
{
    strcat(context, note->key);
    strcat(context, "=");
    strcat(context, note->value);
    strcat(context, " ");
    return 0;
}

static void notes_come_back_by_area_and_can_be_taken_out(void **state)
{
    struct hst_db *db;
    char found[64] = "";
    const struct hst_db_note first[] = {{"use", "b", "2"}, {"use", "a", "1"}, {"other", "a", "9"}, {"use", "c", "3"}}, second[] = {{"use", "b", NULL}, {"use", "c", "4"}};
    (void)state;
    hst_db_open(path, &db, NULL);
    assert_int_equal(hst_db_put_notes(db, first, 4, NULL), 0);
    assert_int_equal(hst_db_put_notes(db, second, 2, NULL), 0);
    hst_db_close(db);
    hst_db_open(path, &db, NULL);
    assert_int_equal(hst_db_each_note(db, "use", join_note, found, NULL), 0);
    assert_string_equal(found, "a=1 c=4 ");
    hst_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_database_of_version_1_keeps_its_models_and_takes_hashes, begin, end),
        cmocka_unit_test_setup_teardown(a_database_of_the_future_is_left_alone, begin, end),
        cmocka_unit_test_setup_teardown(hashes_of_an_inode_are_replaced, begin, end),
        cmocka_unit_test_setup_teardown(hashes_of_tensors_come_back, begin, end),
        cmocka_unit_test_setup_teardown(contents_come_back_and_short_digests_do_not, begin, end),
        cmocka_unit_test_setup_teardown(wishes_come_back_and_nonsense_says_nothing, begin, end),
        cmocka_unit_test_setup_teardown(notes_come_back_by_area_and_can_be_taken_out, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
