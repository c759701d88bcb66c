/* Whatever a file does to the process that parses it: that file is at fault, the next one is read, and nothing is left behind. */
#include "base/cleanup.h"
#include "cmocka_all.h"
#include "model_bytes.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/process.h"
#include "scanner/limits.h"
#include "scanner/scanner.h"
#include "fds.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define GOOD "{\"weight\":{\"dtype\":\"U8\",\"shape\":[7],\"data_offsets\":[0,7]}}"

/* Are there no children, not even dead ones? */
static bool is_alone(void)
{
    return waitpid(-1, NULL, WNOHANG) < 0;
}

/* A scanner with the program of this name in the build folder. */
static struct hst_scanner *start(const char *name, unsigned timeout_ms, unsigned cpu_ms)
{
    char folder[1024], program[1200];
    struct hst_scanner *scanner = NULL;
    struct hst_error err = {0};
    assert_int_equal(hst_process_program_folder(folder, sizeof folder, NULL), 0);
    snprintf(program, sizeof program, "%s/%s", folder, name);
    if (hst_scanner_new(&(struct hst_scanner_config){program, timeout_ms, cpu_ms}, &scanner, &err) < 0) fail_msg("%s", err.text);
    return scanner;
}

static int start_real(void **state)
{
    *state = start("../hoist-scan", 20000, 0);
    return 0;
}

static int start_false(void **state)
{
    *state = start("false-scan", 500, 0);
    return 0;
}

static int end(void **state)
{
    hst_scanner_free(*state);
    assert_true(is_alone());
    return 0;
}

/* Parse these bytes; *ret_count = tensors. */
static int parse_bytes(const struct hst_scanner *scanner, const void *bytes, size_t length, size_t *ret_count, struct hst_error *err)
{
    HST_AUTO(hst_closep) int fd = memfd_create("model", MFD_CLOEXEC);
    const struct hst_format *format = NULL;
    struct hst_tensor_table *table = NULL;
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    const struct hst_parser *parser = hst_scanner_parser(scanner);
    int status = parser->parse(parser->context, fd, length, &format, &table, err);
    assert_true((table != NULL) == (status == 0));
    *ret_count = table != NULL ? table->count : 0;
    hst_tensor_table_free(table);
    return status;
}

static int parse_text(const struct hst_scanner *scanner, const char *text, struct hst_error *err)
{
    size_t count;
    return parse_bytes(scanner, text, strlen(text), &count, err);
}

static void parse_good(const struct hst_scanner *scanner)
{
    struct model_bytes file = model_bytes_make(GOOD, strlen(GOOD), 7);
    struct hst_error err = {0};
    size_t count;
    if (parse_bytes(scanner, file.bytes, file.size, &count, &err) < 0) fail_msg("%s", err.text);
    assert_int_equal(count, 1);
    free(file.bytes);
}

static void good_files_are_read_and_broken_ones_named(void **state)
{
    struct hst_error err = {0};
    parse_good(*state);
    assert_int_equal(parse_text(*state, "<!DOCTYPE html>", &err), HST_E_UNKNOWN_FORMAT);
    assert_non_null(strstr(err.text, "HTML"));
    assert_int_equal(parse_text(*state, "", &err), HST_E_UNKNOWN_FORMAT);
    assert_int_equal(parse_text(*state, "\x10\0\0\0\0\0\0\0{\"a\":", &err), HST_E_UNKNOWN_FORMAT);
    parse_good(*state);
}

/* A header of 40,000 tensors: an answer of many packets. */
static void a_long_table_arrives_whole(void **state)
{
    enum { TENSORS = 40000 };
    char *header = malloc(TENSORS * 96), *at = header;
    size_t count;
    at += sprintf(at, "{");
    for (int i = 0; i < TENSORS; i++)
        at += sprintf(at, "%s\"model.layers.%d.weight\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}", i > 0 ? "," : "", i, i, i + 1);
    at += sprintf(at, "}");
    struct model_bytes file = model_bytes_make(header, (size_t)(at - header), TENSORS);
    struct hst_error err = {0};
    if (parse_bytes(*state, file.bytes, file.size, &count, &err) < 0) fail_msg("%s", err.text);
    assert_int_equal(count, TENSORS);
    free(file.bytes);
    free(header);
}

static void *take_over(void *scanner)
{
    assert_int_equal(parse_text(scanner, "later", NULL), HST_E_INVALID_FILE);
    return NULL;
}

/* Two processes wait that two files have taken over: neither is asked twice. */
static void a_file_pays_for_no_other(void **state)
{
    pthread_t thread;
    pthread_create(&thread, NULL, take_over, *state);
    take_over(*state);
    pthread_join(thread, NULL);
    parse_good(*state);
    parse_good(*state);
}

/* The only child. */
static pid_t child_of_ours(void)
{
    char text[64] = "";
    FILE *file = fopen("/proc/thread-self/children", "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    return atoi(text);
}

static void a_process_reads_its_share_and_is_replaced(void **state)
{
    int before = count_fds(), first = child_of_ours();
    for (unsigned i = 0; i < HST_SCANNER_FILES_MAX - 1; i++)
        parse_text(*state, "not a model", NULL);
    assert_int_equal(child_of_ours(), first);
    parse_good(*state);
    parse_good(*state);
    assert_int_not_equal(child_of_ours(), first);
    assert_int_equal(count_fds(), before);
}

static void *parse_many(void *scanner)
{
    for (int i = 0; i < 50; i++)
        parse_good(scanner);
    return NULL;
}

static void threads_read_side_by_side(void **state)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, parse_many, *state);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    const struct hst_parser *parser = hst_scanner_parser(*state);
    parser->rest(parser->context);
    assert_true(is_alone()); /* at rest there is none */
    parse_good(*state);
}

static void every_way_to_fail_is_the_files_own(void **state)
{
    static const char *const ways[][2] = {
        {"crash", "SIGSEGV"},    {"kill", "killed"},      {"leave", "without an answer"}, {"hang", "no answer came"},
        {"nonsense", "no such format"}, {"little", "length"}, {"promise", "length"},       {"half", "without an answer"}, {"dribble", "length"},
        {"lie", "outside of the file"}, {"files", "file descriptors"},
    };
    parse_good(*state);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct hst_error err = {0};
        int before = count_fds();
        assert_int_equal(parse_text(*state, ways[i][0], &err), HST_E_PARSER_FAILED);
        if (strncmp(err.text, "sandbox: ", 9) != 0 || strstr(err.text, ways[i][1]) == NULL) fail_msg("%s: %s", ways[i][0], err.text);
        parse_good(*state);
        assert_int_equal(count_fds(), before);
    }
}

static void what_it_says_unasked_is_no_answer_to_the_next_file(void **state)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(parse_text(*state, "after", NULL), HST_E_INVALID_FILE);
        parse_good(*state);
    }
}

static void one_that_was_killed_while_idle_harms_no_file(void **state)
{
    for (int i = 0; i < 3; i++) {
        kill(child_of_ours(), SIGKILL);
        parse_good(*state);
    }
}

static void *kill_soon(void *pid)
{
    usleep(100000);
    kill((pid_t)(intptr_t)pid, SIGKILL);
    return NULL;
}

/* Stopped, so that it holds the file; killed a moment later. */
static void one_that_is_killed_at_work_harms_no_file(void **state)
{
    pthread_t thread;
    pid_t pid = child_of_ours();
    kill(pid, SIGSTOP);
    pthread_create(&thread, NULL, kill_soon, (void *)(intptr_t)pid);
    parse_good(*state);
    pthread_join(thread, NULL);
}

static void one_that_computes_without_end_is_ended_by_its_processor_time(void **state)
{
    (void)state;
    struct hst_scanner *scanner = start("false-scan", 60000, 50);
    struct hst_error err = {0};
    assert_int_equal(parse_text(scanner, "spin", &err), HST_E_PARSER_FAILED);
    assert_non_null(strstr(err.text, "50 ms of processor time"));
    parse_good(scanner);
    hst_scanner_free(scanner);
    assert_true(is_alone());
}

static void *stop_soon(void *scanner)
{
    usleep(50000);
    hst_scanner_stop(scanner);
    return NULL;
}

static void a_stop_does_not_wait_for_a_file(void **state)
{
    (void)state;
    struct hst_scanner *scanner = start("false-scan", 60000, 0);
    pthread_t thread;
    uint64_t began = hst_clock_ns();
    pthread_create(&thread, NULL, stop_soon, scanner);
    assert_int_equal(parse_text(scanner, "hang", NULL), HST_E_SHUTTING_DOWN);
    pthread_join(thread, NULL);
    hst_scanner_free(scanner);
    assert_true(hst_clock_ms_since(began) < 2000);
    assert_true(is_alone());
}

static void without_a_program_there_is_no_scanner(void **state)
{
    static const char *const programs[] = {"/no/such/program", "/bin/true", "/etc/passwd"};
    struct hst_scanner *scanner;
    struct hst_error err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        assert_int_equal(hst_scanner_new(&(struct hst_scanner_config){programs[i], 1000, 0}, &scanner, &err), HST_E_WORKER_UNAVAILABLE);
        assert_non_null(strstr(err.text, programs[i]));
    }
    assert_true(is_alone());
}

static void it_is_protected(void **state)
{
    struct hst_sandbox sandbox = hst_scanner_sandbox(*state);
    assert_int_equal(sandbox.protections & (HST_SANDBOX_NO_NEW_PRIVS | HST_SANDBOX_LIMITS), HST_SANDBOX_NO_NEW_PRIVS | HST_SANDBOX_LIMITS);
}

#define REAL(test) cmocka_unit_test_setup_teardown(test, start_real, end)
#define FALSE_ONE(test) cmocka_unit_test_setup_teardown(test, start_false, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL(good_files_are_read_and_broken_ones_named),
        REAL(a_long_table_arrives_whole),
        REAL(a_process_reads_its_share_and_is_replaced),
        REAL(threads_read_side_by_side),
        REAL(one_that_was_killed_while_idle_harms_no_file),
        REAL(one_that_is_killed_at_work_harms_no_file),
        REAL(it_is_protected),
        FALSE_ONE(every_way_to_fail_is_the_files_own),
        FALSE_ONE(a_file_pays_for_no_other),
        FALSE_ONE(what_it_says_unasked_is_no_answer_to_the_next_file),
        cmocka_unit_test(one_that_computes_without_end_is_ended_by_its_processor_time),
        cmocka_unit_test(a_stop_does_not_wait_for_a_file),
        cmocka_unit_test(without_a_program_there_is_no_scanner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
