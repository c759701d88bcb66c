/* What other tools write beside a model: each kind is read as its tool writes it, and nothing hostile gets further than an error. */
#include "cmocka_all.h"
#include "formats/limits.h"
#include "formats/sidecar.h"
#include "formats/tag_frequency.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything said, one "key=value" a line. */
static char said[65536];

static int note(void *context, const char *key, const char *value)
{
    size_t used = strlen(said);
    (void)context;
    snprintf(said + used, sizeof said - used, "%s=%s\n", key, value);
    return 0;
}

static int read_bytes(enum hst_sidecar_kind kind, const char *bytes, size_t length)
{
    said[0] = '\0';
    return hst_sidecar_parse(kind, bytes, length, note, NULL, NULL);
}

static int read_text(enum hst_sidecar_kind kind, const char *text)
{
    return read_bytes(kind, text, strlen(text));
}

static void each_tool_is_read_as_it_writes(void **state)
{
    static const struct {
        enum hst_sidecar_kind kind;
        const char *text, *said;
    } cases[] = {
        {HST_SIDECAR_SWARM, "{\"modelspec.title\":\"T\",\"modelspec.tags\":\"a,b\",\"n\":1,\"deep\":{\"modelspec.author\":\"x\"}}", "modelspec.title=T\nmodelspec.tags=a,b\nn=1\n"},
        {HST_SIDECAR_A1111, "{\"description\":\"d\",\"sd version\":\"SDXL\",\"activation text\":\"w\",\"preferred weight\":0.8,\"notes\":\"\",\"other\":\"no\"}",
         "description=d\nsd version=SDXL\nactivation text=w\npreferred weight=0.8\n"},
        {HST_SIDECAR_CIVITAI,
         "{\"id\":1,\"baseModel\":\"SDXL 1.0\",\"trainedWords\":[\"a\",\"b\"],\"model\":{\"name\":\"N\",\"type\":\"LORA\",\"nsfw\":false},"
         "\"files\":[{\"hashes\":{\"AutoV2\":\"AB\",\"SHA256\":\"CD\"}},{\"hashes\":{\"AutoV2\":\"EF\"}}],\"images\":[{\"url\":\"u\"}]}",
         "baseModel=SDXL 1.0\ntrainedWords=a, b\nmodel.name=N\nmodel.type=LORA\nmodel.nsfw=false\nfiles.hashes.AutoV2=AB\nfiles.hashes.SHA256=CD\nfiles.hashes.AutoV2=EF\n"},
        {HST_SIDECAR_CM_INFO, "{\"ModelName\":\"N\",\"ModelType\":\"Checkpoint\",\"BaseModel\":\"Pony\",\"TrainedWords\":[],\"Hashes\":{\"BLAKE3\":\"B\"},\"Stats\":{\"x\":1},\"Tags\":[\"t\"]}",
         "ModelName=N\nModelType=Checkpoint\nBaseModel=Pony\nHashes.BLAKE3=B\nTags=t\n"},
        {HST_SIDECAR_LORA_MANAGER, "{\"base_model\":\"Flux.1 D\",\"civitai\":{\"trainedWords\":[\"w\"],\"model\":{\"name\":\"N\"},\"images\":[]},\"size\":1}",
         "base_model=Flux.1 D\ncivitai.trainedWords=w\ncivitai.model.name=N\n"},
        {HST_SIDECAR_CONFIG, "{\"_name_or_path\":\"org/base\",\"hidden_size\":1}", "_name_or_path=org/base\n"},
        {HST_SIDECAR_TEXT, "one\ntwo \n\n", "description=one\ntwo\n"},
        {HST_SIDECAR_TEXT, " \n", ""},
        {HST_SIDECAR_A1111, "\xef\xbb\xbf{\"notes\":\"n\"}", "notes=n\n"},
        {HST_SIDECAR_A1111, "{\"notes\":null,\"description\":{\"a\":1},\"activation text\":[\"a\",{\"b\":2},\"c\"]}", "activation text=a, c\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(read_text(cases[i].kind, cases[i].text), 0);
        assert_string_equal(said, cases[i].said);
    }
}

static void the_head_of_a_card_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_text(HST_SIDECAR_CARD, "---\r\nlicense: apache-2.0\r\nbase_model:\r\n- org/a\r\n- \"org/b\"\r\ntags: [lora, 'sdxl']\r\n# words\r\nwidget:\r\n- text: x\r\n"
                                                 "  license: no\r\ninstance_prompt: a photo of sks\r\n---\r\nlicense: mit\r\n"), 0);
    assert_string_equal(said, "license=apache-2.0\nbase_model=org/a, org/b\ntags=lora, sdxl\ninstance_prompt=a photo of sks\n");
    assert_int_equal(read_text(HST_SIDECAR_CARD, "# A model\nlicense: mit\n"), 0);
    assert_string_equal(said, "");
    assert_int_equal(read_text(HST_SIDECAR_CARD, "---\nlicense: |\n  many\n  lines\ntags: {a: b}\n---\n"), 0);
    assert_string_equal(said, "");
    assert_int_equal(read_text(HST_SIDECAR_CARD, "---\nlicense: mit\n"), HST_E_INVALID_FILE);
    assert_int_equal(read_text(HST_SIDECAR_CARD, "---\nlicense: \xff\n---\n"), HST_E_INVALID_FILE);
}

static void what_is_malformed_is_an_error(void **state)
{
    static const char *const bad[] = {"", "[]", "\"x\"", "{", "{\"notes\":\"x\"", "{\"notes\":\"x\"}x", "{\"notes\":\"\xff\"}", "{\"notes\":\"\\ud800\"}", "{'notes':'x'}",
                                      "{\"notes\":\"x\",}", "{\"notes\":NaN}", "\x80\x02}q.", "<!DOCTYPE html>"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (int kind = HST_SIDECAR_SWARM; kind <= HST_SIDECAR_CIVITAI; kind++)
            assert_int_equal(read_text(kind, bad[i]), HST_E_INVALID_FILE);
    assert_int_equal(read_bytes(HST_SIDECAR_TEXT, "a\0b", 3), HST_E_INVALID_FILE);
    assert_int_equal(read_text(HST_SIDECAR_TEXT, "\xff\xfe"), HST_E_INVALID_FILE);
}

static void a_hundred_thousand_levels_end_at_the_limit(void **state)
{
    enum { LEVELS = 100000 };
    static const char *const beginnings[] = {"{\"x\":", "{\"files\":", "{\"model\":"};
    char *text = malloc(LEVELS + 16);
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        strcpy(text, beginnings[i]);
        memset(text + strlen(beginnings[i]), '[', LEVELS);
        text[strlen(beginnings[i]) + LEVELS] = '\0';
        assert_int_equal(read_text(HST_SIDECAR_CIVITAI, text), HST_E_INVALID_FILE);
    }
    free(text);
}

static void a_hundred_megabytes_are_not_looked_at(void **state)
{
    char *bytes = calloc(1, 100u << 20);
    (void)state;
    for (int kind = 0; kind < HST_SIDECAR_KINDS; kind++)
        assert_int_equal(read_bytes(kind, bytes, 100u << 20), HST_E_LIMIT_EXCEEDED);
    free(bytes);
}

static void too_many_values_are_an_error(void **state)
{
    static char text[65536] = "{\"k\":1";
    (void)state;
    for (int i = 0; i < 300; i++)
        sprintf(text + strlen(text), ",\"k%d\":1", i);
    strcat(text, "}");
    assert_int_equal(read_text(HST_SIDECAR_SWARM, text), HST_E_LIMIT_EXCEEDED);
}

static void keys_of_a_stranger_never_run_into_another(void **state)
{
    static char text[8192];
    (void)state;
    sprintf(text, "{\"%0*d\":{\"name\":\"x\"},\"mod\\u0000el\":{\"name\":\"y\"},\"\":\"z\",\"notes\":\"a\\u0000b\"}", 4000, 1);
    for (int kind = HST_SIDECAR_A1111; kind <= HST_SIDECAR_CIVITAI; kind++) {
        assert_int_equal(read_text(kind, text), 0);
        assert_string_equal(said, "");
    }
}

static int refuse(void *context, const char *key, const char *value)
{
    (void)context, (void)key, (void)value;
    return HST_E_NOMEM;
}

static void the_listener_ends_the_reading(void **state)
{
    static const char *const texts[] = {[HST_SIDECAR_A1111] = "{\"notes\":\"x\"}", [HST_SIDECAR_CARD] = "---\nlicense: x\n---\n", [HST_SIDECAR_TEXT] = "x"};
    static const enum hst_sidecar_kind kinds[] = {HST_SIDECAR_A1111, HST_SIDECAR_CARD, HST_SIDECAR_TEXT};
    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(hst_sidecar_parse(kinds[i], texts[kinds[i]], strlen(texts[kinds[i]]), refuse, NULL, NULL), HST_E_NOMEM);
}

static int top(const char *json, struct hst_strbuf *out)
{
    return hst_tag_frequency_top(json, strlen(json), 3, out, NULL);
}

static void tags_are_counted_over_all_datasets(void **state)
{
    struct hst_strbuf out = {0};
    (void)state;
    assert_int_equal(top("{\"a\":{\"cat\":3,\"dog\":9,\"owl\":0},\"b\":{\"cat\":7,\"ape\":2,\"bee\":2}}", &out), 0);
    assert_string_equal(out.text, "cat, dog, ape");
    hst_strbuf_fini(&out);
    assert_int_equal(top("{}", &out), 0);
    assert_null(out.text);
    static const char *const bad[] = {"", "[]", "{\"a\":1}", "{\"a\":{\"b\":\"1\"}}", "{\"a\":{\"b\":-1}}", "{\"a\":{\"b\":{}}}", "{\"a\":{\"b\":1}", "{\"a\":{\"b\":5000000000}}", "{}{}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(top(bad[i], &out), HST_E_INVALID_FILE);
    hst_strbuf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tool_is_read_as_it_writes),
        cmocka_unit_test(the_head_of_a_card_is_read),
        cmocka_unit_test(what_is_malformed_is_an_error),
        cmocka_unit_test(a_hundred_thousand_levels_end_at_the_limit),
        cmocka_unit_test(a_hundred_megabytes_are_not_looked_at),
        cmocka_unit_test(too_many_values_are_an_error),
        cmocka_unit_test(keys_of_a_stranger_never_run_into_another),
        cmocka_unit_test(the_listener_ends_the_reading),
        cmocka_unit_test(tags_are_counted_over_all_datasets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
