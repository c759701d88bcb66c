/* The interpreter of PTX: what it takes, and that it computes as the ISA says where C and the ISA differ. */
#include "cmocka_all.h"
#include "fakecuda/ptx.h"
#include "fakecuda/ptx_ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INVALID_VALUE = 1, INVALID_PTX = 218, UNSUPPORTED_PTX_VERSION = 222, ILLEGAL_ADDRESS = 700, MISALIGNED_ADDRESS = 716, LAUNCH_FAILED = 719 };

/* What kernels reach: some bytes they may write, behind them some that they may only read. */
static struct {
    uint64_t written[40], constant[2];
} reach;

bool fake_memory_find(uint64_t address, bool write, uint64_t *ret_begin, uint64_t *ret_end)
{
    *ret_begin = (uint64_t)(uintptr_t)&reach;
    *ret_end = *ret_begin + (write ? sizeof reach.written : sizeof reach);
    return address >= *ret_begin && address < *ret_end;
}

#define HEAD ".version 6.0\n.target sm_70\n.address_size 64\n"
#define REGISTERS ".reg .b64 to, w; .reg .b32 a, b; .reg .s32 s; .reg .f32 f; .reg .f64 d; .reg .pred p, q;\n"

/* A module with one kernel, which gets the address of reach.written in `to`, and the number 7 in b. */
static int load(const char *body, struct fake_ptx **ret_module)
{
    char text[4096];
    snprintf(text, sizeof text, "%s%s%s%s%s", HEAD ".visible .entry k(.param .u32 seven, .param .u64 where)\n{\n" REGISTERS,
             "ld.param.u64 to, [where];\nld.param.u32 b, [seven];\n", body, "\nret;\n", "}\n");
    return fake_ptx_load(text, ret_module);
}

static int run_in(const char *body, unsigned blocks, unsigned threads)
{
    struct fake_ptx *module = NULL;
    uint64_t where = (uint64_t)(uintptr_t)&reach;
    uint32_t seven = 7;
    unsigned char block[16];
    if (load(body, &module) != 0) fail_msg("%s", fake_ptx_why());
    const struct fake_ptx_function *kernel = fake_ptx_find(module, "k");
    assert_int_equal(fake_ptx_parameter_bytes(kernel), sizeof block);
    fake_ptx_pack(kernel, (void *[]){&seven, &where}, block);
    int result = fake_ptx_launch(kernel, (unsigned[]){blocks, 1, 1}, (unsigned[]){threads, 1, 1}, 0, block);
    fake_ptx_free(module);
    return result;
}

static int run(const char *body)
{
    memset(&reach, 0xee, sizeof reach);
    return run_in(body, 1, 1);
}

/* What one thread leaves at the beginning of memory. */
static uint64_t result_of(const char *body)
{
    assert_int_equal(run(body), 0);
    return reach.written[0];
}

#define WORD(body) ((uint32_t)result_of(body "st.global.u32 [to], a;"))
#define LONG(body) result_of(body "st.global.u64 [to], w;")

static void shifts_by_more_than_there_are_bits_shift_all_out(void **state)
{
    (void)state;
    assert_int_equal(WORD("shl.b32 a, b, 29;"), 0xe0000000);
    assert_int_equal(WORD("shl.b32 a, b, 32;"), 0);
    assert_int_equal(WORD("shr.u32 a, b, 0xffffffff;"), 0);
    assert_int_equal(WORD("mov.b32 a, 0x80000000; shr.s32 a, a, 40;"), 0xffffffff);
    assert_int_equal(LONG("cvt.u64.u32 w, b; shl.b64 w, w, 64;"), 0);
    assert_int_equal(LONG("mov.b64 w, 0x8000000000000000; shr.s64 w, w, 64;"), UINT64_MAX);
}

static void computed_nan_is_the_canonical_one(void **state)
{
    (void)state;
    assert_int_equal(WORD("mov.f32 f, 0fffc12345; add.rn.f32 a, f, 0f00000000;"), 0x7fffffff);
    assert_int_equal(WORD("mov.f64 d, 0d7ff8000000000001; cvt.rn.f32.f64 a, d;"), 0x7fffffff);
    assert_int_not_equal(LONG("mov.f32 f, 0fffc12345; cvt.f64.f32 w, f;"), UINT64_C(0xfff82468a0000000));
}

static void subnormals_are_kept_and_rounding_is_to_even(void **state)
{
    (void)state;
    assert_int_equal(WORD("mov.f32 f, 0f00000003; mul.rn.f32 a, f, 0f3f000000;"), 2);
    assert_int_equal(WORD("mov.f32 f, 0f00000001; mul.rn.f32 a, f, 0f3f000000;"), 0);
    assert_int_equal(WORD("mov.f64 d, 0d36a8000000000000; cvt.rn.f32.f64 a, d;"), 2);
}

static void integers_wrap_and_products_are_wide(void **state)
{
    (void)state;
    assert_int_equal(WORD("sub.u32 a, b, 8;"), 0xffffffff);
    assert_int_equal(LONG("mov.b32 a, 0xffffffff; mul.wide.u32 w, a, a;"), UINT64_C(0xfffffffe00000001));
    assert_int_equal(LONG("mov.b32 a, 0xffffffff; mul.wide.s32 w, a, b;"), (uint64_t)-7);
    assert_int_equal(LONG("mov.b64 w, 0xffffffffffffffff; mad.lo.u64 w, w, 2, 5;"), 3);
    assert_int_equal(WORD("mov.b32 a, -1; min.u32 a, a, b;"), 7);
    assert_int_equal(WORD("mov.b32 a, -1; min.s32 a, a, b;"), 0xffffffff);
}

static void comparisons_know_nan_and_signs(void **state)
{
    (void)state;
    assert_int_equal(WORD("mov.f32 f, 0f7fc00000; setp.ne.f32 p, f, f; selp.b32 a, 1, 2, p;"), 2);
    assert_int_equal(WORD("mov.f32 f, 0f7fc00000; setp.nan.f32 p, f, f; selp.b32 a, 1, 2, p;"), 1);
    assert_int_equal(WORD("mov.b32 a, -1; setp.lt.s32 p, a, b; selp.b32 a, 1, 2, p;"), 1);
    assert_int_equal(WORD("mov.b32 a, -1; setp.lt.u32 p, a, b; not.pred q, p; selp.b32 a, 1, 2, q;"), 1);
}

static void instructions_under_a_predicate_run_only_then(void **state)
{
    (void)state;
    assert_int_equal(WORD("setp.eq.u32 p, b, 7; mov.b32 a, 1; @!p mov.b32 a, 2; @p add.u32 a, a, 10;"), 11);
    assert_int_equal(WORD("mov.b32 a, 0; AGAIN: add.u32 a, a, 1; setp.lt.u32 p, a, b; @p bra AGAIN;"), 7);
}

static void narrow_loads_are_widened_and_narrow_stores_cut(void **state)
{
    (void)state;
    assert_int_equal(WORD("ld.global.u8 a, [to+3];"), 0xee);
    assert_int_equal(WORD("ld.global.s16 a, [to+4];"), 0xffffeeee);
    assert_int_equal(LONG("ld.global.s8 w, [to];"), UINT64_C(0xffffffffffffffee));
    assert_int_equal(result_of("mov.b32 a, 0x12345678; st.global.u8 [to+1], a;"), UINT64_C(0xeeeeeeeeeeee78ee));
}

static void every_thread_of_every_block_runs(void **state)
{
    (void)state;
    memset(&reach, 0xee, sizeof reach);
    assert_int_equal(run_in("mov.u32 a, %ctaid.x; mov.u32 b, %ntid.x; mov.u32 s, %tid.x; mad.lo.u32 a, a, b, s; mov.u32 b, %nctaid.x;"
                            "mul.wide.u32 w, a, 8; add.u64 to, to, w; mad.lo.u32 a, b, 100, a; cvt.u64.u32 w, a; st.global.u64 [to], w;", 5, 8), 0);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(reach.written[i], 500 + i);
    assert_int_equal(run_in("", 1, 1025), INVALID_VALUE);
    assert_int_equal(run_in("", 0, 1), INVALID_VALUE);
}

static void memory_that_is_not_there_or_not_aligned_fails(void **state)
{
    (void)state;
    assert_int_equal(run("ld.global.u32 a, [to+332];"), 0);
    assert_int_equal(run("ld.global.u32 a, [to+336];"), ILLEGAL_ADDRESS);
    assert_int_equal(run("st.global.u32 [to+320], b;"), ILLEGAL_ADDRESS);
    assert_int_equal(run("ld.global.u32 a, [to+320]; st.global.u32 [to+320], a;"), ILLEGAL_ADDRESS);
    assert_int_equal(run("ld.global.u32 a, [to+2];"), MISALIGNED_ADDRESS);
    assert_int_equal(run("st.global.u16 [to+1], b;"), MISALIGNED_ADDRESS);
    assert_int_equal(run("mov.b64 w, 0; ld.global.u32 a, [w];"), ILLEGAL_ADDRESS);
}

static void a_register_that_nothing_was_written_to_cannot_be_read(void **state)
{
    (void)state;
    assert_int_equal(run("add.u32 a, a, 1;"), LAUNCH_FAILED);
    assert_int_equal(run("@p mov.b32 a, 1;"), LAUNCH_FAILED);
    assert_int_equal(run("setp.eq.u32 p, b, 8; @p mov.b32 a, 1; mov.b32 b, a;"), LAUNCH_FAILED);
}

/* What an assembler takes or not: tests/python/test_kernels.py. */
static void what_it_does_not_know_or_does_not_fit_is_invalid(void **state)
{
    static const char *const bodies[] = {
        "frob.b32 a, b;",           "add.rn.ftz.f32 f, f, f;", "add.u32 a, b;",          "add.u32 a, b, b, b;",     "add.u32 a, b, c;",        "add.u32 w, b, b;",
        "add.u64 w, w, b;",         "and.b32 a, b, f, f;",     "add.rn.f32 s, f, f;",    "add.u32 f, b, b;",        "add.u32 p, b, b;",        "setp.eq.u32 a, b, b;",
        "selp.b32 a, b, b, b;",     "shl.b64 w, w, w;",        "mov.b32 a, 0x100000000;", "mov.f32 f, 1;",          "mov.b32 a, 0d0000000000000000;", "mov.f32 f, 0f12;",
        "mov.u32 a, %laneid.x;",    "add.u32 a, %tid.x, b;",   "ld.global.u32 a, [b];",  "ld.global.u32 a, to;",    "ld.global.u64 a, [to];",  "st.global.u64 [to], a;",
        "ld.param.u32 a, [b];",     "ld.param.u32 a, [where];", "bra NOWHERE;",          "bra a;",                  "a: mov.b32 a, b;",        "L: mov.b32 a, b; L: mov.b32 a, b;",
        "@b mov.b32 a, b;",         "@p ret",                  ".reg .b32 a;",           ".reg .b32 where;",        ".reg .c32 x;",            "mov.b32 a, b",
        "add.u32 5, b, b;",         "mov.b32 a, 08;",          "ld.global.f32 s, [to];", "ld.global.u32 f, [to];", "{ mov.b32 a, b; }",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct fake_ptx *module = NULL;
        if (load(bodies[i], &module) != INVALID_PTX) fail_msg("taken: %s", bodies[i]);
        assert_null(module);
    }
}

static void the_heading_is_one_that_every_driver_takes(void **state)
{
    static const char kernel[] = ".visible .entry k() { ret; }";
    static const struct {
        const char *head;
        int result;
    } heads[] = {
        {HEAD, 0},
        {".version 7.2\n.target sm_70\n.address_size 64\n", 0},
        {".version 7.3\n.target sm_70\n.address_size 64\n", UNSUPPORTED_PTX_VERSION},
        {".version 6.0\n.target sm_80\n.address_size 64\n", INVALID_PTX},
        {".version 5.0\n.target sm_70\n.address_size 64\n", INVALID_PTX},
        {".version 6.0\n.target sm_70\n", INVALID_PTX},
        {".target sm_70\n.address_size 64\n", INVALID_PTX},
        {HEAD "\n.visible .entry k() { ret; }", INVALID_PTX},
        {HEAD ".visible .entry open() { ret;", INVALID_PTX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct fake_ptx *module = NULL;
        char text[512];
        snprintf(text, sizeof text, "// begins\n%s/* a\nkernel */%s", heads[i].head, kernel);
        assert_int_equal(fake_ptx_load(text, &module), heads[i].result);
        if (module != NULL) assert_null(fake_ptx_find(module, "other"));
        fake_ptx_free(module);
    }
}

static void it_says_which_line_is_wrong(void **state)
{
    struct fake_ptx *module = NULL;
    (void)state;
    assert_int_equal(load("mov.b32 a, b;\nmov.b16 a, b;", &module), INVALID_PTX);
    assert_non_null(strstr(fake_ptx_why(), "line 10: no instruction"));
    assert_non_null(strstr(fake_ptx_why(), "mov.b16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shifts_by_more_than_there_are_bits_shift_all_out),
        cmocka_unit_test(computed_nan_is_the_canonical_one),
        cmocka_unit_test(subnormals_are_kept_and_rounding_is_to_even),
        cmocka_unit_test(integers_wrap_and_products_are_wide),
        cmocka_unit_test(comparisons_know_nan_and_signs),
        cmocka_unit_test(instructions_under_a_predicate_run_only_then),
        cmocka_unit_test(narrow_loads_are_widened_and_narrow_stores_cut),
        cmocka_unit_test(every_thread_of_every_block_runs),
        cmocka_unit_test(memory_that_is_not_there_or_not_aligned_fails),
        cmocka_unit_test(a_register_that_nothing_was_written_to_cannot_be_read),
        cmocka_unit_test(what_it_does_not_know_or_does_not_fit_is_invalid),
        cmocka_unit_test(the_heading_is_one_that_every_driver_takes),
        cmocka_unit_test(it_says_which_line_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
