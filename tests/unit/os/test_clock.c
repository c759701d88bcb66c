/* Durations are monotonic; wall time is shown as RFC 3339. */
#include "cmocka_all.h"
#include "os/clock.h"

#include <unistd.h>

static void durations_grow_by_what_passed(void **state)
{
    (void)state;
    uint64_t start = hst_clock_ns();
    usleep(2000);
    double ms = hst_clock_ms_since(start);
    assert_true(ms >= 2.0 && ms < 5000.0);
}

static void wall_time_is_rfc_3339_in_utc(void **state)
{
    (void)state;
    char text[32];
    hst_clock_format(1769860800123000000, text, sizeof text);
    assert_string_equal(text, "2026-01-31T12:00:00.123Z");
    assert_true(hst_clock_wall_ns() > 1700000000000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_grow_by_what_passed),
        cmocka_unit_test(wall_time_is_rfc_3339_in_utc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
