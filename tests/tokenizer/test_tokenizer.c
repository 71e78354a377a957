/* test_tokenizer.c: each step of the tokenizer on tiny made-up ones, without any model. */
#include "azr/tokenizer.h"

#include "../support/tiny_tokenizer.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/strbuf.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
    char folder[64];
    azr_tokenizer *tokenizer;
    azr_error error;
} fixture;

static const azr_encode_options TEXT = {0}, PROMPT = {.parse_special = true};

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    strcpy(f->folder, "/tmp/azr-tokenizer-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    azr_tokenizer_destroy(f->tokenizer);
    assert_int_equal(azr_directory_remove(f->folder, NULL), AZR_OK);
    free(f);
    return 0;
}

static void write_beside(fixture *f, const char *name, const char *text)
{
    char *path = azr_path_join(f->folder, name);
    assert_int_equal(azr_file_write(path, text, strlen(text), NULL), AZR_OK);
    azr_free(path);
}

static void open_folder(fixture *f)
{
    azr_tokenizer_destroy(f->tokenizer);
    azr_status status = azr_tokenizer_open(f->folder, &f->tokenizer, &f->error);
    if (status != AZR_OK)
        fail_msg("%s", f->error.text);
}

static void open_tiny(fixture *f, const tiny_tokenizer *tiny)
{
    tiny_tokenizer_write(tiny, f->folder);
    open_folder(f);
}

/* The ids are the expected ones, written as "104 101 ". */
static void assert_ids_of(fixture *f, const char *text, size_t size, azr_encode_options options,
                          const char *expected)
{
    int32_t *ids;
    size_t n;
    if (azr_tokenizer_encode(f->tokenizer, text, size, options, &ids, &n, &f->error) != AZR_OK)
        fail_msg("%s", f->error.text);
    azr_strbuf list = {0};
    for (size_t i = 0; i < n; i++)
        azr_strbuf_printf(&list, "%s%d", i > 0 ? " " : "", (int)ids[i]);
    assert_string_equal(azr_strbuf_text(&list), expected);
    azr_strbuf_deinit(&list);
    azr_free(ids);
}

static void assert_ids(fixture *f, const char *text, azr_encode_options options,
                       const char *expected)
{
    assert_ids_of(f, text, strlen(text), options, expected);
}

/* decode(encode(text)) == text */
static void assert_round_trip(fixture *f, const char *text, size_t size)
{
    int32_t *ids;
    size_t n, n_bytes;
    assert_int_equal(azr_tokenizer_encode(f->tokenizer, text, size, TEXT, &ids, &n, NULL), AZR_OK);
    char *back = azr_tokenizer_decode(f->tokenizer, ids, n, false, &n_bytes);
    assert_int_equal(n_bytes, size);
    assert_memory_equal(back, text, size);
    azr_free(back);
    azr_free(ids);
}

/* --- merges --------------------------------------------------------------------------------------
 */

static void best_rank_merges_first(void **state)
{
    const char *merges[] = {"b c", "a b", "a bc", "a a", NULL}; /* 256, 257, 258, 259 */
    open_tiny(*state, &(tiny_tokenizer){.merges = merges});
    assert_ids(*state, "abc", TEXT, "258");    /* bc before ab, then a + bc */
    assert_ids(*state, "ab", TEXT, "257");     /* */
    assert_ids(*state, "aaa", TEXT, "259 97"); /* the left one of equals */
    assert_ids(*state, "aaaabc", TEXT, "259 97 258");
    assert_ids(*state, "cab", TEXT, "99 257");
    assert_ids(*state, "", TEXT, "");
    assert_int_equal(azr_tokenizer_size(((fixture *)*state)->tokenizer), 260);
}

static void merges_as_pairs(void **state)
{
    fixture *f = *state;
    const char *merges[] = {"h e", "l l", "he ll", NULL};
    char *json = tiny_tokenizer_json(&(tiny_tokenizer){.merges = merges});
    const char *texts = "\"h e\",\"l l\",\"he ll\"";
    char *list = strstr(json, texts);
    assert_non_null(list);
    azr_strbuf pairs = {0};
    azr_strbuf_append(&pairs, json, (size_t)(list - json));
    azr_strbuf_puts(&pairs, "[\"h\",\"e\"],[\"l\",\"l\"],[\"he\",\"ll\"]");
    azr_strbuf_puts(&pairs, list + strlen(texts));
    write_beside(f, "tokenizer.json", pairs.data);
    azr_strbuf_deinit(&pairs);
    azr_free(json);
    open_folder(f);
    assert_ids(f, "hello", TEXT, "258 111");
}

/* The obvious algorithm: look at all pairs, merge the best, again. */
static size_t merge_slowly(const int32_t (*merges)[3], int n_merges, int32_t *ids, size_t n)
{
    for (;;) {
        int best = n_merges;
        size_t where = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (int m = 0; m < best; m++)
                if (merges[m][0] == ids[i] && merges[m][1] == ids[i + 1]) {
                    best = m;
                    where = i;
                }
        if (best == n_merges)
            return n;
        ids[where] = merges[best][2];
        memmove(ids + where + 1, ids + where + 2, (n - where - 2) * sizeof *ids);
        n--;
    }
}

enum { N_RANDOM_MERGES = 40, MAX_RANDOM_TEXT = 400 };

/* Random merges over three letters, each of two tokens that exist already. */
static int make_random_merges(uint32_t round, char texts[][64], int32_t merges[][3])
{
    char tokens[N_RANDOM_MERGES + 3][32] = {"a", "b", "c"};
    int32_t ids[N_RANDOM_MERGES + 3] = {'a', 'b', 'c'};
    azr_rng_key key = {.seed = 7, .purpose = AZR_RNG_TEST, .step = round};
    int n = 0;
    for (uint32_t draw = 0; n < N_RANDOM_MERGES && draw < 4000; draw += 2) {
        uint64_t a = azr_rng_below(&key, draw, (uint64_t)n + 3);
        uint64_t b = azr_rng_below(&key, draw + 1, (uint64_t)n + 3);
        char both[64];
        snprintf(both, sizeof both, "%s%s", tokens[a], tokens[b]);
        bool known = strlen(both) > 12;
        for (int i = 0; i < n + 3; i++)
            known = known || strcmp(tokens[i], both) == 0;
        if (known)
            continue;
        snprintf(texts[n], 64, "%s %s", tokens[a], tokens[b]);
        merges[n][0] = ids[a];
        merges[n][1] = ids[b];
        merges[n][2] = 256 + n;
        ids[n + 3] = 256 + n;
        memcpy(tokens[n + 3], both, 32);
        n++;
    }
    return n;
}

static void agrees_with_the_obvious_algorithm(void **state)
{
    fixture *f = *state;
    for (uint32_t round = 0; round < 12; round++) {
        char texts[N_RANDOM_MERGES][64];
        const char *list[N_RANDOM_MERGES + 1] = {NULL};
        int32_t merges[N_RANDOM_MERGES][3];
        int n_merges = make_random_merges(round, texts, merges);
        for (int i = 0; i < n_merges; i++)
            list[i] = texts[i];
        open_tiny(f, &(tiny_tokenizer){.merges = list});
        azr_rng_key key = {.seed = 8, .purpose = AZR_RNG_TEST, .step = round};
        for (uint32_t size = 1; size < MAX_RANDOM_TEXT; size += 1 + size / 20) {
            char text[MAX_RANDOM_TEXT];
            int32_t expected[MAX_RANDOM_TEXT], *ids;
            size_t n;
            for (uint32_t i = 0; i < size; i++)
                expected[i] = text[i] = (char)('a' + azr_rng_below(&key, size * 1000 + i, 3));
            size_t n_expected = merge_slowly(merges, n_merges, expected, size);
            assert_int_equal(azr_tokenizer_encode(f->tokenizer, text, size, TEXT, &ids, &n, NULL),
                             AZR_OK);
            assert_int_equal(n, n_expected);
            assert_memory_equal(ids, expected, n * sizeof *ids);
            azr_free(ids);
        }
    }
}

static void a_whole_piece_may_be_a_token(void **state)
{
    const char *merges[] = {"a b", "c d", "b c", "a bc", "abc d", NULL}; /* abcd: 260 */
    open_tiny(*state, &(tiny_tokenizer){.merges = merges});
    assert_ids(*state, "abcd", TEXT, "256 257"); /* merges alone never get there */
    open_tiny(*state,
              &(tiny_tokenizer){.merges = merges, .model_extra = "\"ignore_merges\":true,"});
    assert_ids(*state, "abcd", TEXT, "260");
    assert_ids(*state, "abcda", TEXT, "256 257 97");
}

static void missing_bytes_are_left_out_or_unknown(void **state)
{
    open_tiny(*state, &(tiny_tokenizer){.left_out = 'x'});
    assert_ids(*state, "axyb", TEXT, "97 98");
    open_tiny(*state, &(tiny_tokenizer){.left_out = 'x', .model_extra = "\"unk_token\":\"?\","});
    assert_ids(*state, "axyb", TEXT, "97 63 63 98");
    open_tiny(*state, &(tiny_tokenizer){.left_out = 'x',
                                        .model_extra = "\"unk_token\":\"?\",\"fuse_unk\":true,"});
    assert_ids(*state, "axyb", TEXT, "97 63 98");
}

/* --- pieces --------------------------------------------------------------------------------------
 */

#define BYTES_ONLY "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}"

static void gpt2_pieces(void **state)
{
    const char *merges[] = {"a Ġ", "Ġ a", "Ġ Ġ", "1 2", "' s", NULL}; /* 256 .. 260 */
    open_tiny(*state, &(tiny_tokenizer){.merges = merges});
    assert_ids(*state, "a a", TEXT, "97 257");       /* a space goes with what follows */
    assert_ids(*state, "a  a", TEXT, "97 32 257");   /* all but the last stay together */
    assert_ids(*state, "a   a", TEXT, "97 258 257"); /* */
    assert_ids(*state, "a   ", TEXT, "97 258 32");   /* */
    assert_ids(*state, "12a's", TEXT, "259 97 260"); /* */
    assert_ids(*state, "A'S", TEXT, "65 39 83");     /* */
    assert_ids(*state, "a\xc2\xa0 a", TEXT, "97 194 160 257");
}

static void digits_one_by_one(void **state)
{
    const char *merges[] = {"1 2", "Ġ 1", "Ġ Ġ", NULL};
    const char *one = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\","
                      "\"individual_digits\":true},{\"type\":\"ByteLevel\","
                      "\"add_prefix_space\":false}]}";
    open_tiny(*state, &(tiny_tokenizer){.merges = merges, .pre_tokenizer = one});
    assert_ids(*state, "12  12", TEXT, "49 50 258 49 50"); /* both spaces end their piece */
    assert_ids(*state, "\xd9\xa1\xd9\xa2", TEXT, "217 161 217 162");
    const char *runs = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\","
                       "\"individual_digits\":false}," BYTES_ONLY "]}";
    open_tiny(*state, &(tiny_tokenizer){.merges = merges, .pre_tokenizer = runs});
    assert_ids(*state, "12  12", TEXT, "256 258 256");
}

static void split_by_pattern(void **state)
{
    const char *merges[] = {"a -", "- a", "a a", "- -", NULL}; /* 256 .. 259 */
#define SPLIT(pattern, behavior, invert)                                                 \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":" pattern \
    ",\"behavior\":\"" behavior "\",\"invert\":" invert "}," BYTES_ONLY "]}"
    tiny_tokenizer tiny = {.merges = merges};
    tiny.pre_tokenizer = SPLIT("{\"Regex\":\"-+\"}", "Isolated", "false");
    open_tiny(*state, &tiny);
    assert_ids(*state, "aa--aa-", TEXT, "258 259 258 45");
    tiny.pre_tokenizer = SPLIT("{\"Regex\":\"-+\"}", "Removed", "false");
    open_tiny(*state, &tiny);
    assert_ids(*state, "aa--aa-", TEXT, "258 258");
    tiny.pre_tokenizer = SPLIT("{\"Regex\":\"-+\"}", "Removed", "true");
    open_tiny(*state, &tiny);
    assert_ids(*state, "aa--aa-", TEXT, "259 45");
    tiny.pre_tokenizer = SPLIT("{\"String\":\".\"}", "Isolated", "false");
    open_tiny(*state, &tiny);
    assert_ids(*state, "a-.-a", TEXT, "256 46 257"); /* a point is a point */
    tiny.pre_tokenizer = SPLIT("{\"Regex\":\"(?=a)\"}", "Isolated", "false");
    open_tiny(*state, &tiny);
    assert_ids(*state, "aa-a", TEXT, "97 256 97"); /* empty matches cut */
#undef SPLIT
}

static void prefix_space(void **state)
{
    const char *merges[] = {"Ġ a", NULL};
    open_tiny(*state,
              &(tiny_tokenizer){.merges = merges, .pre_tokenizer = "{\"type\":\"ByteLevel\"}"});
    assert_ids(*state, "a", TEXT, "256");
    assert_ids(*state, " a", TEXT, "256");
    assert_ids(*state, "\na", TEXT, "32 10 97");
}

static void white_space_is_unicodes(void **state)
{
    /* U+180E lost its White_Space long ago; U+0085, U+2003 and U+3000 have it. */
    const char *split = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
                        "{\"Regex\":\"\\\\s\"},\"behavior\":\"Removed\"}," BYTES_ONLY "]}";
    open_tiny(*state, &(tiny_tokenizer){.pre_tokenizer = split});
    assert_ids(*state, "a\xc2\x85\xe2\x80\x83\xe3\x80\x80\x0b\xe2\x80\xa8z", TEXT, "97 122");
    assert_ids(*state, "\xe1\xa0\x8e", TEXT, "225 160 142");
    assert_ids(*state, "\xe2\x80\x8b", TEXT, "226 128 139");
}

/* --- normal form ---------------------------------------------------------------------------------
 */

static void composes_where_the_model_does(void **state)
{
    const char *e_acute = "e\xcc\x81", *marks = "q\xcc\x87\xcc\xa3"; /* dot above, dot below */
    open_tiny(*state, &(tiny_tokenizer){0});
    assert_ids(*state, e_acute, TEXT, "101 204 129");
    open_tiny(*state, &(tiny_tokenizer){.normalizer = "{\"type\":\"NFC\"}"});
    assert_ids(*state, e_acute, TEXT, "195 169");
    assert_ids(*state, marks, TEXT, "113 204 163 204 135");              /* reordered */
    assert_ids(*state, "\xe1\x84\x80\xe1\x85\xa1", TEXT, "234 176 128"); /* Hangul */
    assert_ids(*state, "\xe2\x84\xab", TEXT, "195 133");                 /* Angstrom sign */
    assert_ids(*state, "a\xcc", TEXT, "97 239 191 189");                 /* cut: U+FFFD */
    assert_ids(*state, "\xe2\x82z\xff", TEXT, "239 191 189 122 239 191 189");
    open_tiny(*state, &(tiny_tokenizer){.normalizer = "{\"type\":\"Sequence\",\"normalizers\":"
                                                      "[{\"type\":\"NFC\"}]}"});
    assert_ids(*state, e_acute, TEXT, "195 169");
}

static void many_marks_take_linear_time(void **state)
{
    fixture *f = *state;
    open_tiny(f, &(tiny_tokenizer){.normalizer = "{\"type\":\"NFC\"}"});
    enum { PAIRS = 200000 };
    azr_strbuf text = {0};
    azr_strbuf_puts(&text, "q");
    for (int i = 0; i < PAIRS; i++)
        azr_strbuf_puts(&text, "\xcc\x87\xcc\xa3"); /* class 230, then 220: all to be sorted */
    int32_t *ids;
    size_t n;
    assert_int_equal(azr_tokenizer_encode(f->tokenizer, text.data, text.size, TEXT, &ids, &n, NULL),
                     AZR_OK);
    assert_int_equal(n, 1 + 4 * PAIRS);
    assert_int_equal(ids[2], 0xA3); /* all dots below go first */
    assert_int_equal(ids[2 * PAIRS], 0xA3);
    assert_int_equal(ids[2 * PAIRS + 2], 0x87);
    azr_free(ids);
    azr_strbuf_deinit(&text);
}

/* --- added tokens --------------------------------------------------------------------------------
 */

static void special_tokens(void **state)
{
    fixture *f = *state;
    open_tiny(f, &(tiny_tokenizer){.added = "{\"id\":256,\"content\":\"<s>\",\"special\":true},"
                                            "{\"id\":257,\"content\":\"<s>>\",\"special\":true},"
                                            "{\"id\":258,\"content\":\"<t>\",\"special\":false}"});
    assert_ids(f, "a<s>b", PROMPT, "97 256 98");
    assert_ids(f, "<s>>", PROMPT, "257"); /* the longest */
    assert_ids(f, "<<s><s>", PROMPT, "60 256 256");
    assert_ids(f, "<s><t>", TEXT, "60 115 62 258"); /* not special: always recognised */
    assert_ids(f, "<s", PROMPT, "60 115");
    assert_true(azr_tokenizer_is_special(f->tokenizer, 256));
    assert_false(azr_tokenizer_is_special(f->tokenizer, 258));
    assert_false(azr_tokenizer_is_special(f->tokenizer, 'a'));
    assert_false(azr_tokenizer_is_special(f->tokenizer, -1));
    assert_int_equal(azr_tokenizer_find(f->tokenizer, "<s>>"), 257);
    assert_int_equal(azr_tokenizer_find(f->tokenizer, " "), 32);
    assert_int_equal(azr_tokenizer_find(f->tokenizer, "zz"), -1);
    const int32_t ids[] = {'a', 256, 258, 1000000, -5, 'b'};
    size_t size;
    char *text = azr_tokenizer_decode(f->tokenizer, ids, 6, false, &size);
    assert_string_equal(text, "a<s><t>b");
    azr_free(text);
    text = azr_tokenizer_decode(f->tokenizer, ids, 6, true, &size);
    assert_string_equal(text, "a<t>b");
    assert_int_equal(size, 5);
    azr_free(text);
}

static void added_tokens_with_conditions(void **state)
{
    open_tiny(*state,
              &(tiny_tokenizer){
                  .normalizer = "{\"type\":\"NFC\"}",
                  .added = "{\"id\":256,\"content\":\"<l>\",\"special\":true,\"lstrip\":true},"
                           "{\"id\":257,\"content\":\"<r>\",\"special\":true,\"rstrip\":true},"
                           "{\"id\":258,\"content\":\"one\",\"single_word\":true,"
                           "\"normalized\":false},"
                           "{\"id\":259,\"content\":\"\\u00e9!\",\"normalized\":true}"});
    assert_ids(*state, "a \t<l> b", PROMPT, "97 256 32 98");
    assert_ids(*state, "a <r>\n\xe3\x80\x80 b", PROMPT, "97 32 257 98");
    assert_ids(*state, "one two", TEXT, "258 32 116 119 111");
    assert_ids(*state, "ones", TEXT, "111 110 101 115");
    assert_ids(*state, "\xc3\xa9one", TEXT, "195 169 111 110 101");
    assert_ids(*state, "(one)", TEXT, "40 258 41");
    assert_ids(*state, "e\xcc\x81!", TEXT, "259"); /* seen after normalising only */
}

static void begin_of_text(void **state)
{
    fixture *f = *state;
    tiny_tokenizer tiny = {
        .added = "{\"id\":256,\"content\":\"<s>\",\"special\":true}",
        .post_processor =
            "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},"
            "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\","
            "\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],"
            "\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[256],\"tokens\":[\"<s>\"]}}}]}"};
    open_tiny(f, &tiny);
    assert_int_equal(azr_tokenizer_bos(f->tokenizer), 256);
    assert_ids(f, "a", (azr_encode_options){.add_bos = true}, "256 97");
    assert_ids(f, "a", TEXT, "97");
    tiny.post_processor = NULL;
    open_tiny(f, &tiny);
    assert_int_equal(azr_tokenizer_bos(f->tokenizer), -1);
    assert_ids(f, "a", (azr_encode_options){.add_bos = true}, "97");
}

/* --- the files beside it -------------------------------------------------------------------------
 */

static void ends_and_template_from_the_folder(void **state)
{
    fixture *f = *state;
    tiny_tokenizer tiny = {.added = "{\"id\":256,\"content\":\"<e>\",\"special\":true},"
                                    "{\"id\":257,\"content\":\"<|im_end|>\",\"special\":true}"};
    write_beside(f, "tokenizer_config.json",
                 "{\"eos_token\":{\"content\":\"<e>\"},"
                 "\"model_max_length\":1000000000000000019884624838656,"
                 "\"chat_template\":[{\"name\":\"rag\",\"template\":\"R\"},"
                 "{\"name\":\"default\",\"template\":\"D\"}]}");
    write_beside(f, "generation_config.json", "{\"eos_token_id\":[256,97,1234567]}");
    write_beside(f, "config.json", "{\"eos_token_id\":98}");
    open_tiny(f, &tiny);
    int32_t eos[8];
    assert_int_equal(azr_tokenizer_eos(f->tokenizer, eos, 8), 4);
    const int32_t expected[] = {256, 'a', 'b', 257};
    assert_memory_equal(eos, expected, sizeof expected);
    assert_true(azr_tokenizer_is_eos(f->tokenizer, 257));
    assert_false(azr_tokenizer_is_eos(f->tokenizer, 'c'));
    assert_string_equal(azr_tokenizer_chat_template(f->tokenizer), "D");
    write_beside(f, "chat_template.jinja", "J");
    open_folder(f);
    assert_string_equal(azr_tokenizer_chat_template(f->tokenizer), "J");
}

static void nothing_beside_it(void **state)
{
    fixture *f = *state;
    open_tiny(f, &(tiny_tokenizer){0});
    assert_int_equal(azr_tokenizer_eos(f->tokenizer, NULL, 0), 0);
    assert_null(azr_tokenizer_chat_template(f->tokenizer));
}

static void saved_is_a_copy(void **state)
{
    fixture *f = *state;
    const char *config = "{\"eos_token\": \"a\"}\n";
    write_beside(f, "tokenizer_config.json", config);
    write_beside(f, "chat_template.jinja", "J");
    tiny_tokenizer tiny = {.normalizer = "{\"type\":\"NFC\"}"};
    open_tiny(f, &tiny);
    char *json = tiny_tokenizer_json(&tiny), *to = azr_path_join(f->folder, "to"), *text;
    const char *names[] = {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"};
    const char *texts[] = {json, config, "J"};
    write_beside(f, "tokenizer.json", "{}"); /* what was opened counts */
    assert_int_equal(azr_directory_create(to, NULL), AZR_OK);
    assert_int_equal(azr_tokenizer_save(f->tokenizer, to, &f->error), AZR_OK);
    for (int i = 0; i < 3; i++) {
        char *path = azr_path_join(to, names[i]);
        assert_int_equal(azr_file_read(path, 1 << 20, &text, NULL, NULL), AZR_OK);
        assert_string_equal(text, texts[i]);
        azr_free(text);
        azr_free(path);
    }
    assert_int_equal(azr_tokenizer_save(f->tokenizer, "/proc/none", &f->error), AZR_ERROR_IO);
    azr_free(json);
    azr_free(to);
}

/* --- bytes ---------------------------------------------------------------------------------------
 */

static void any_bytes_come_back(void **state)
{
    fixture *f = *state;
    const char *merges[] = {"a b", "\xc3\x83 \xc2\xa9", "Ġ a", NULL};
    open_tiny(f, &(tiny_tokenizer){.merges = merges});
    assert_round_trip(f, "a\0b\0", 4);
    assert_round_trip(f, "\xff\xfe ab\xc3\xa9\xc3 \xe2\x82", 12);
    assert_ids_of(f, "\xc3\xa9\xc3", 3, TEXT, "257 195");
    char bytes[1000];
    azr_rng_key key = {.seed = 3, .purpose = AZR_RNG_TEST};
    for (uint32_t round = 0; round < 300; round++) {
        key.sequence = round;
        for (uint32_t i = 0; i < sizeof bytes; i++) {
            uint64_t draw = azr_rng_below(&key, i, 1024);
            bytes[i] = (char)(draw < 512 ? " ab\xc3\xa9\xe2\x82\xac"[draw % 8] : (int)(draw % 256));
        }
        assert_round_trip(f, bytes, 1 + azr_rng_below(&key, 5000, sizeof bytes));
    }
}

static void long_runs(void **state)
{
    fixture *f = *state;
    const char *merges[] = {"Ġ Ġ", "ĠĠ ĠĠ", "a b", "ab ab", "1 1", NULL};
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE);
    assert_non_null(text);
    open_tiny(f, &(tiny_tokenizer){.merges = merges});
    const char *units[] = {" ", "ab", "1", "\n", " \n", "a ", "\xe2\x82\xac", "\xff", "!"};
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        for (size_t i = 0, n = strlen(units[u]); i < SIZE; i++)
            text[i] = units[u][i % n];
        assert_round_trip(f, text, SIZE);
    }
    free(text);
}

static void too_long_a_text(void **state)
{
    fixture *f = *state;
    int32_t *ids;
    size_t n;
    open_tiny(f, &(tiny_tokenizer){0});
    assert_int_equal(azr_tokenizer_encode(f->tokenizer, "", (size_t)AZR_TOKENIZER_MAX_TEXT + 1,
                                          TEXT, &ids, &n, &f->error),
                     AZR_ERROR_LIMIT);
    assert_string_equal(f->error.text,
                        "cannot encode a text of 67108865 bytes, the limit is 67108864");
}

static void complete_characters(void **state)
{
    (void)state;
    const struct {
        const char *text;
        size_t size, complete;
    } cases[] = {
        {"", 0, 0},
        {"abc", 3, 3},
        {"a\xc3", 2, 1},
        {"a\xc3\xa9", 3, 3},
        {"\xe2\x82", 2, 0},
        {"\xe2\x82\xac", 3, 3},
        {"x\xf0\x9f\x98", 4, 1},
        {"x\xf0\x9f", 3, 1},
        {"x\xf0\x9f\x98\x80", 5, 5},
        {"\xc0", 1, 1},         /* never begins a character */
        {"\xff", 1, 1},         /* */
        {"\xf5\x80", 2, 2},     /* */
        {"\xe0\x80", 2, 2},     /* overlong: can never become one */
        {"\xed\xa0", 2, 2},     /* a surrogate */
        {"\xf4\x90", 2, 2},     /* above U+10FFFF */
        {"\x80\x80\x80", 3, 3}, /* only continuations */
        {"\xe2\x82\xac\xac", 4, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(azr_utf8_complete(cases[i].text, cases[i].size), cases[i].complete);
}

static void printing_token_by_token(void **state)
{
    fixture *f = *state;
    open_tiny(f, &(tiny_tokenizer){0}); /* a token for each byte: the hardest case */
    const char *text = "A\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80!";
    azr_strbuf waiting = {0}, shown = {0};
    for (size_t i = 0; i < strlen(text); i++) {
        size_t size;
        const char *bytes = azr_tokenizer_bytes(f->tokenizer, (uint8_t)text[i], &size);
        azr_strbuf_append(&waiting, bytes, size);
        size_t n = azr_utf8_complete(waiting.data, waiting.size);
        azr_strbuf_append(&shown, waiting.data, n);
        assert_int_equal(azr_utf8_complete(azr_strbuf_text(&shown), shown.size), shown.size);
        memmove(waiting.data, waiting.data + n, waiting.size - n);
        waiting.size -= n;
    }
    assert_int_equal(waiting.size, 0);
    assert_string_equal(shown.data, text);
    azr_strbuf_deinit(&waiting);
    azr_strbuf_deinit(&shown);
}

/* --- threads -------------------------------------------------------------------------------------
 */

enum { N_THREADS = 4, THREAD_ROUNDS = 200 };

typedef struct worker {
    const azr_tokenizer *tokenizer;
    const char *text;
    size_t n_same;
} worker;

static void *encode_again_and_again(void *argument)
{
    worker *w = argument;
    size_t size = strlen(w->text), n_back;
    for (int i = 0; i < THREAD_ROUNDS; i++) {
        int32_t *ids;
        size_t n;
        if (azr_tokenizer_encode(w->tokenizer, w->text, size, TEXT, &ids, &n, NULL) != AZR_OK)
            continue;
        char *back = azr_tokenizer_decode(w->tokenizer, ids, n, false, &n_back);
        w->n_same += n_back == size && memcmp(back, w->text, size) == 0;
        azr_free(back);
        azr_free(ids);
    }
    return NULL;
}

static void threads_share_it(void **state)
{
    fixture *f = *state;
    const char *merges[] = {"a b", "Ġ a", "ab ab", NULL};
    open_tiny(f, &(tiny_tokenizer){.merges = merges});
    static char texts[N_THREADS][5000]; /* long enough for the cache */
    pthread_t threads[N_THREADS];
    worker workers[N_THREADS];
    for (int t = 0; t < N_THREADS; t++) {
        for (size_t i = 0; i + 1 < sizeof texts[t]; i++)
            texts[t][i] = "ab a1\n"[(i * (size_t)(t + 3) + i / 7) % 6];
        workers[t] = (worker){f->tokenizer, texts[t], 0};
        assert_int_equal(pthread_create(&threads[t], NULL, encode_again_and_again, &workers[t]), 0);
    }
    for (int t = 0; t < N_THREADS; t++) {
        pthread_join(threads[t], NULL);
        assert_int_equal(workers[t].n_same, THREAD_ROUNDS);
    }
}

/* --- memory --------------------------------------------------------------------------------------
 */

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    const char *merges[] = {"a b", NULL};
    tiny_tokenizer tiny = {.merges = merges,
                           .normalizer = "{\"type\":\"NFC\"}",
                           .pre_tokenizer = "{\"type\":\"ByteLevel\"}",
                           .added = "{\"id\":257,\"content\":\"<s>\",\"special\":true}"};
    tiny_tokenizer_write(&tiny, f->folder);
    azr_status status = AZR_ERROR_MEMORY;
    int n_failed = 0;
    for (size_t at = 1; status != AZR_OK; at++) {
        azr_memory_fail_at(at);
        status = azr_tokenizer_open(f->folder, &f->tokenizer, &f->error);
        azr_memory_fail_at(0);
        if (status != AZR_OK) {
            assert_int_equal(status, AZR_ERROR_MEMORY);
            n_failed++;
        }
    }
    assert_true(n_failed > 8);
    char text[6000];
    memset(text, 'a', sizeof text);
    memcpy(text + 100, "e\xcc\x81 <s>", 7);
    n_failed = 0;
    for (size_t at = 1; at < 40; at++) { /* the cache may fail without harm: no end at the first */
        int32_t *ids;
        size_t n;
        azr_memory_fail_at(at);
        status = azr_tokenizer_encode(f->tokenizer, text, sizeof text, PROMPT, &ids, &n, &f->error);
        azr_memory_fail_at(0);
        if (status == AZR_OK) {
            azr_free(ids);
        } else {
            assert_int_equal(status, AZR_ERROR_MEMORY);
            assert_null(ids);
            n_failed++;
        }
    }
    assert_true(n_failed > 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(best_rank_merges_first),
        TEST(merges_as_pairs),
        TEST(agrees_with_the_obvious_algorithm),
        TEST(a_whole_piece_may_be_a_token),
        TEST(missing_bytes_are_left_out_or_unknown),
        TEST(gpt2_pieces),
        TEST(digits_one_by_one),
        TEST(split_by_pattern),
        TEST(prefix_space),
        TEST(white_space_is_unicodes),
        TEST(composes_where_the_model_does),
        TEST(many_marks_take_linear_time),
        TEST(special_tokens),
        TEST(added_tokens_with_conditions),
        TEST(begin_of_text),
        TEST(ends_and_template_from_the_folder),
        TEST(nothing_beside_it),
        TEST(saved_is_a_copy),
        TEST(any_bytes_come_back),
        TEST(long_runs),
        TEST(too_long_a_text),
        TEST(complete_characters),
        TEST(printing_token_by_token),
        TEST(threads_share_it),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
