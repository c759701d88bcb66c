/* What the kernel says of memory, read from a machine that is described in files: also from one that says nonsense. */
#include "cmocka_all.h"
#include "os/machine.h"
#include "os/meminfo.h"
#include "os/pressure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/hoist-test-machine-XXXXXX";

static void put(const char *path, const char *text)
{
    char command[600], real[HST_MACHINE_PATH_MAX];
    snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s%s')\"", folder, path);
    assert_int_equal(system(command), 0);
    FILE *file = fopen(hst_machine_path(real, path), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int begin(void **state)
{
    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    setenv("HOIST_MACHINE", folder, 1);
    put("/proc/meminfo", "MemTotal:       8388608 kB\nMemFree:         100 kB\nMemAvailable:    4194304 kB\n");
    return 0;
}

static int end(void **state)
{
    char command[100];
    (void)state;
    unsetenv("HOIST_MACHINE");
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

static void the_machine_alone_is_what_its_meminfo_says(void **state)
{
    (void)state;
    struct hst_meminfo info = hst_meminfo_read();
    assert_int_equal(info.total_bytes, 8 * GIB);
    assert_int_equal(info.available_bytes, 4 * GIB);
    assert_int_equal(info.headroom_bytes, 4 * GIB);
    assert_int_equal(info.limit_bytes, UINT64_MAX);
}

static void the_least_limit_of_all_cgroups_above_counts(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "1:cpu:/elsewhere\n0::/system.slice/hoist.service\n");
    put("/sys/fs/cgroup/system.slice/hoist.service/memory.max", "max\n");
    put("/sys/fs/cgroup/system.slice/hoist.service/memory.high", "2147483648\n");
    put("/sys/fs/cgroup/system.slice/hoist.service/memory.current", "1073741824\n");
    put("/sys/fs/cgroup/system.slice/memory.max", "3221225472\n");
    put("/sys/fs/cgroup/system.slice/memory.current", "3221225472\n");
    put("/sys/fs/cgroup/system.slice/memory.stat", "anon 5\ninactive_file 104857600\nactive_file 104857600\nunevictable 1000000000\n");
    struct hst_meminfo info = hst_meminfo_read();
    assert_int_equal(info.limit_bytes, 2 * GIB);
    assert_int_equal(info.total_bytes, 2 * GIB);
    assert_int_equal(info.left_bytes, 200 * MIB); /* the page cache of the slice can be taken back */
    assert_int_equal(info.headroom_bytes, 200 * MIB);
}

static void a_cgroup_of_version_1_is_read_too(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "4:memory:/box\n0::/\n");
    put("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "1073741824\n");
    put("/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "1072693248\n");
    put("/sys/fs/cgroup/memory/box/memory.stat", "active_file 1\ntotal_active_file 1048576\ntotal_inactive_file 2097152\n");
    assert_int_equal(hst_meminfo_headroom_bytes(), 4 * MIB);
}

static void nonsense_is_no_limit(void **state)
{
    static const char *const texts[] = {"", "\n", "-5\n", "99999999999999999999999\n", "12x\n", "0x10\n", "five\n", " \n\n\n", "1.5\n", "18446744073709551616\n"};
    (void)state;
    put("/proc/self/cgroup", "0::/a\n:::\nno line\n0::/../../etc\n0:\n");
    put("/sys/fs/cgroup/a/memory.current", "5\n");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put("/sys/fs/cgroup/a/memory.max", texts[i]);
        put("/sys/fs/cgroup/a/memory.stat", texts[i]);
        assert_int_equal(hst_meminfo_read().limit_bytes, UINT64_MAX);
    }
    put("/sys/fs/cgroup/a/memory.max", "10\n");
    put("/sys/fs/cgroup/a/memory.stat", "inactive_file 9999999999999999999\nactive_file 9999999999999999999\n");
    assert_int_equal(hst_meminfo_headroom_bytes(), 5); /* a sum that overflows is not believed */
}

static void a_machine_that_says_nothing_has_no_limit_either(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemTotal: 99999999999999999999 kB\nMemAvailable: lots\n");
    struct hst_meminfo info = hst_meminfo_read();
    assert_int_equal(info.total_bytes, UINT64_MAX);
    assert_int_equal(info.available_bytes, UINT64_MAX);
}

static void stalls_are_read(void **state)
{
    struct hst_pressure pressure;
    (void)state;
    assert_true(hst_pressure_parse("some avg10=12.34 avg60=1.00 avg300=0.00 total=5\nfull avg10=0.56 avg60=0.00 avg300=0.00 total=1\n", &pressure));
    assert_true(pressure.some_avg10 > 12.33 && pressure.some_avg10 < 12.35 && pressure.full_avg10 > 0.55 && pressure.full_avg10 < 0.57);
    assert_true(hst_pressure_parse("some avg10=100.00 avg60=", &pressure));
    assert_true(pressure.full_avg10 < 0.001);
}

static void nonsense_is_no_stall(void **state)
{
    static const char *const texts[] = {"", "some", "some avg10=", "some avg10=nan avg60=0", "some avg10=-1.00 avg60=0", "some avg10=1e9 avg60=0", "some avg10=101.00 avg60=0", "some avg10=1.2.3 avg60=0",
                                        "some avg10=0x1 avg60=0", "some avg10=111111111111111111111111 x", "awesome avg10=1.00 avg60=0", "full avg10=1.00 avg60=0\n", "some avg10=1.00\n", "some avg10=.. x"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct hst_pressure pressure = {0};
        assert_false(hst_pressure_parse(texts[i], &pressure));
        assert_false(pressure.known);
    }
}

static void the_worse_of_machine_and_cgroup_counts(void **state)
{
    (void)state;
    assert_false(hst_pressure_read().known);
    put("/proc/pressure/memory", "some avg10=1.00 avg60=0.00\n");
    put("/proc/self/cgroup", "0::/a\n");
    put("/sys/fs/cgroup/a/memory.pressure", "some avg10=20.00 avg60=0.00\n");
    assert_true(hst_pressure_read().some_avg10 > 19);
    put("/proc/pressure/memory", "some avg10=30.00 avg60=0.00\n");
    assert_true(hst_pressure_read().some_avg10 > 29);
    put("/sys/fs/cgroup/a/memory.pressure", "nonsense\n");
    assert_true(hst_pressure_read().known);
}

static void a_described_machine_is_never_written_to(void **state)
{
    char text[64];
    (void)state;
    put("/proc/pressure/memory", "some avg10=1.00 avg60=0.00\n");
    struct hst_pressure_trigger trigger = hst_pressure_arm(200, 2000);
    assert_int_equal(trigger.count, 0);
    hst_machine_read("/proc/pressure/memory", text, sizeof text);
    assert_string_equal(text, "some avg10=1.00 avg60=0.00\n");
    hst_pressure_disarm(&trigger);
}

static void this_machine_has_memory(void **state)
{
    (void)state;
    unsetenv("HOIST_MACHINE");
    struct hst_meminfo info = hst_meminfo_read();
    assert_true(info.total_bytes > 16 * MIB && info.total_bytes < UINT64_MAX);
    assert_true(info.headroom_bytes > 0 && info.headroom_bytes <= info.available_bytes);
    struct hst_pressure_trigger trigger = hst_pressure_arm(200, 2000);
    hst_pressure_disarm(&trigger);
    assert_int_equal(trigger.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_machine_alone_is_what_its_meminfo_says, begin, end),
        cmocka_unit_test_setup_teardown(the_least_limit_of_all_cgroups_above_counts, begin, end),
        cmocka_unit_test_setup_teardown(a_cgroup_of_version_1_is_read_too, begin, end),
        cmocka_unit_test_setup_teardown(nonsense_is_no_limit, begin, end),
        cmocka_unit_test_setup_teardown(a_machine_that_says_nothing_has_no_limit_either, begin, end),
        cmocka_unit_test_setup_teardown(stalls_are_read, begin, end),
        cmocka_unit_test_setup_teardown(nonsense_is_no_stall, begin, end),
        cmocka_unit_test_setup_teardown(the_worse_of_machine_and_cgroup_counts, begin, end),
        cmocka_unit_test_setup_teardown(a_described_machine_is_never_written_to, begin, end),
        cmocka_unit_test_setup_teardown(this_machine_has_memory, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
