/* GGUF: what a good file gives, and the sentence that each bad one gets. */
#include "../support/tiny_models.h"
#include "azr/formats.h"
#include "formats/weights_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PATH "folder/tiny.gguf"

/* --- good files ---------------------------------------------------------------------------------
 */

static void check_integer(const azr_weights_file *file, const char *key, int64_t expected)
{
    int64_t value = 77;
    double number = 77.0;
    assert_true(azr_gguf_integer(file, key, &value));
    assert_true(value == expected);
    assert_true(azr_gguf_number(file, key, &number));
    assert_true(number == (double)expected);
    assert_null(azr_gguf_text(file, key, NULL));
}

static void check_scalars(const azr_weights_file *file)
{
    int64_t integer = 77;
    double number;
    check_integer(file, "v.u8", 254);
    check_integer(file, "v.i8", -2);
    check_integer(file, "v.u16", 65534);
    check_integer(file, "v.i16", -2);
    check_integer(file, "v.u32", 4294967294);
    check_integer(file, "v.i32", -2);
    check_integer(file, "v.u64", INT64_MAX - 1);
    check_integer(file, "v.i64", -2);
    assert_true(azr_gguf_integer(file, "v.bool", &integer) && integer == 1);
    assert_false(azr_gguf_number(file, "v.bool", &number));
    assert_false(azr_gguf_integer(file, "v.big", &integer));
    assert_false(azr_gguf_integer(file, "v.f32", &integer));
    assert_false(azr_gguf_integer(file, "v.text", &integer));
    assert_false(azr_gguf_integer(file, "a.u32", &integer));
    assert_false(azr_gguf_integer(file, "v.none", &integer));
    assert_int_equal(integer, 1);
    assert_true(azr_gguf_number(file, "v.f32", &number) && number == 1.5);
    assert_true(azr_gguf_number(file, "v.f64", &number) && number == -2.5);
    assert_false(azr_gguf_number(file, "v.text", &number));
    assert_false(azr_gguf_number(file, "a.f32", &number));
}

static void check_arrays(const azr_weights_file *file)
{
    static const struct {
        const char *key;
        int64_t first;
    } integers[] = {
        {"a.u8", 254},         {"a.i8", -2},  {"a.u16", 65534}, {"a.i16", -2},
        {"a.u32", 4294967294}, {"a.i32", -2}, {"a.i64", -2},    {"a.u64", INT64_MAX - 1},
    };
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
        assert_int_equal(azr_gguf_integers(file, integers[i].key), 2);
        assert_true(azr_gguf_integers_at(file, integers[i].key, 0) == integers[i].first);
        assert_int_equal(azr_gguf_integers_at(file, integers[i].key, 1), 0);
        assert_int_equal(azr_gguf_texts(file, integers[i].key), -1);
    }
    static const char *const none[] = {"a.f32",   "a.f64", "a.bool", "a.big",
                                       "a.texts", "v.u32", "x"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(azr_gguf_integers(file, none[i]), -1);
}

static void check_texts(const azr_weights_file *file)
{
    size_t size = 0;
    assert_string_equal(azr_gguf_text(file, "v.text", &size), "some text");
    assert_int_equal(size, 9);
    assert_null(azr_gguf_text(file, "a.texts", &size));
    assert_null(azr_gguf_text(file, "v.none", &size));
    assert_int_equal(azr_gguf_texts(file, "v.text"), -1);
    assert_int_equal(azr_gguf_texts(file, "a.none"), 0);
    assert_int_equal(azr_gguf_texts(file, "a.texts"), 3);
    assert_string_equal(azr_gguf_texts_at(file, "a.texts", 0, &size), "one");
    assert_int_equal(size, 3);
    assert_string_equal(azr_gguf_texts_at(file, "a.texts", 1, &size), "");
    assert_int_equal(size, 0);
    assert_memory_equal(azr_gguf_texts_at(file, "a.texts", 2, &size), "a\0b", 4);
    assert_int_equal(size, 3);
}

static void check_tensors(const azr_weights_file *file)
{
    assert_int_equal(azr_weights_count(file), AZR_TENSOR_Q6_K + 1);
    for (size_t i = 0; i < azr_weights_count(file); i++) {
        const azr_tensor *tensor = azr_weights_at(file, i);
        char name[16];
        snprintf(name, sizeof name, "t.%s", azr_tensor_type_name(tensor->type));
        assert_string_equal(tensor->name, name);
        assert_ptr_equal(azr_weights_find(file, name), tensor);
        assert_int_equal(tensor->n_dims, 2);
        assert_int_equal(tensor->dims[0], 2);
        assert_int_equal(tensor->dims[1], 256);
        assert_int_equal(tensor->n_elements, 512);
        for (size_t b = 0; b < tensor->n_bytes; b++)
            assert_int_equal(tensor->bytes[b], (uint8_t)b);
    }
    assert_int_equal(azr_weights_find(file, "t.Q6_K")->n_bytes, 420);
    assert_null(azr_weights_find(file, "t.Q7_K"));
    assert_null(azr_weights_find(file, ""));
}

static void test_good_file(void **state)
{
    (void)state;
    for (uint32_t version = 2; version <= 3; version++) {
        azr_strbuf bytes = {0};
        tiny_gguf(&bytes, version);
        azr_weights_file *file = tiny_open(&bytes, PATH);
        assert_true(azr_weights_is_gguf(file));
        assert_string_equal(azr_weights_path(file), PATH);
        check_scalars(file);
        check_arrays(file);
        check_texts(file);
        check_tensors(file);
        azr_weights_close(file);
        azr_strbuf_deinit(&bytes);
    }
}

/* The same through a file that the gguf package wrote. */
static void test_foreign_writer(void **state)
{
    (void)state;
    azr_weights_file *file;
    azr_error error;
    size_t size;
    double number;
    assert_int_equal(azr_weights_open("tests/formats/fixtures/quants.gguf", &file, &error), AZR_OK);
    assert_string_equal(azr_gguf_text(file, "general.architecture", &size), "llama");
    assert_string_equal(azr_gguf_text(file, "test.text", &size), "Grüße, 世界");
    check_integer(file, "test.u8", 200);
    check_integer(file, "test.i8", -100);
    check_integer(file, "test.u16", 60000);
    check_integer(file, "test.i16", -30000);
    check_integer(file, "test.u32", 4000000000);
    check_integer(file, "test.i32", -2000000000);
    check_integer(file, "test.u64", (int64_t)1 << 62);
    check_integer(file, "test.i64", -((int64_t)1 << 62));
    assert_true(azr_gguf_number(file, "test.f32", &number) && number == (double)0.1F);
    assert_true(azr_gguf_number(file, "test.f64", &number) && number == 0.1);
    assert_int_equal(azr_gguf_texts(file, "test.texts"), 4);
    assert_string_equal(azr_gguf_texts_at(file, "test.texts", 2, &size), "日本");
    azr_gguf_texts_at(file, "test.texts", 3, &size);
    assert_int_equal(size, 300);
    assert_int_equal(azr_gguf_integers(file, "test.integers"), 3);
    assert_int_equal(azr_gguf_integers_at(file, "test.integers", 1), -2);
    azr_weights_close(file);
}

/* A vocabulary without tensors, a scalar, an empty tensor at the very end. */
static void test_edges(void **state)
{
    (void)state;
    azr_strbuf bytes = {0};
    gguf_begin(&bytes, 3, 0, 0);
    azr_weights_file *file = tiny_open(&bytes, PATH);
    assert_int_equal(azr_weights_count(file), 0);
    assert_null(azr_weights_find(file, "x"));
    azr_weights_close(file);

    azr_strbuf_reset(&bytes);
    gguf_begin(&bytes, 3, 2, 0);
    gguf_info(&bytes, "scalar", 0, NULL, 0, 0);
    gguf_info(&bytes, "empty", 2, (const uint64_t[]){0, 5}, 0, 32);
    gguf_align(&bytes, 32);
    gguf_put_u32(&bytes, 0x40000000);
    gguf_align(&bytes, 32);
    file = tiny_open(&bytes, PATH);
    float value;
    assert_int_equal(azr_weights_find(file, "scalar")->n_dims, 0);
    azr_tensor_read(azr_weights_find(file, "scalar"), 0, 1, &value);
    assert_true(value == 2.0F);
    assert_int_equal(azr_weights_find(file, "empty")->n_elements, 0);
    azr_weights_close(file);
    azr_strbuf_deinit(&bytes);
}

/* --- bad files ----------------------------------------------------------------------------------
 */

/* Cut off at every byte: always a sentence, never a crash. Only what misses nothing but padding
 * opens. */
static void test_truncated_everywhere(void **state)
{
    (void)state;
    azr_strbuf whole = {0};
    tiny_gguf_model(&whole);
    for (size_t size = 1; size < whole.size; size++) {
        azr_strbuf cut = {.data = whole.data, .size = size};
        tiny_refused(&cut, PATH, size < 4 ? AZR_ERROR_UNSUPPORTED : AZR_ERROR_INPUT,
                     size < 4 ? "neither" : "truncated");
    }
    azr_strbuf_deinit(&whole);
}

typedef void make_file(azr_strbuf *file);

static const uint64_t row[] = {32};

/* One tensor with its info in pieces. */
static void one_tensor(azr_strbuf *file, uint32_t n_dims, const uint64_t *dims, uint32_t type,
                       uint64_t offset)
{
    gguf_begin(file, 3, 1, 0);
    gguf_info(file, "t", n_dims, dims, type, offset);
    gguf_align(file, 32);
    for (int i = 0; i < 128; i++)
        azr_strbuf_append(file, "", 1);
}

static void one_value(azr_strbuf *file, const char *key, uint32_t type, const void *bytes,
                      size_t size)
{
    gguf_begin(file, 3, 0, 1);
    gguf_key(file, key, type);
    gguf_put(file, bytes, size);
}

static void big_endian(azr_strbuf *file)
{
    gguf_begin(file, 0x03000000, 0, 0);
}

static void version_1(azr_strbuf *file)
{
    gguf_begin(file, 1, 0, 0);
}

static void version_4(azr_strbuf *file)
{
    gguf_begin(file, 4, 0, 0);
}

static void many_tensors(azr_strbuf *file)
{
    gguf_begin(file, 3, 100000, 0);
}

static void too_many_tensors(azr_strbuf *file)
{
    gguf_begin(file, 3, UINT64_MAX, 0);
}

static void many_values(azr_strbuf *file)
{
    gguf_begin(file, 3, 0, 60000);
}

static void too_many_values(azr_strbuf *file)
{
    gguf_begin(file, 3, 0, UINT64_MAX / 2);
}

static void long_key(azr_strbuf *file)
{
    gguf_begin(file, 3, 0, 1);
    gguf_put_u64(file, UINT64_MAX - 3);
    gguf_put(file, "0123456789abcdef", 16);
}

static void empty_key(azr_strbuf *file)
{
    one_value(file, "", 4, "\0\0\0\0", 4);
}

static void control_key(azr_strbuf *file)
{
    one_value(file, "a\033[2J", 4, "\0\0\0\0", 4);
}

static void unknown_value_type(azr_strbuf *file)
{
    one_value(file, "some.key", 13, "\0\0\0\0", 4);
}

static void nested_array(azr_strbuf *file)
{
    one_value(file, "some.key", 9, "\x09\0\0\0\1\0\0\0\0\0\0\0\4\0\0\0", 16);
}

static void long_array(azr_strbuf *file)
{
    one_value(file, "some.key", 9, "\x0B\0\0\0\0\0\0\0\0\0\0\x20\4\0\0\0", 16);
}

static void long_text_array(azr_strbuf *file)
{
    one_value(file, "some.key", 9, "\x08\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\4\0\0\0", 16);
}

static void long_text(azr_strbuf *file)
{
    one_value(file, "some.key", 8,
              "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"
              "abc",
              11);
}

static void odd_bool(azr_strbuf *file)
{
    one_value(file, "some.key", 7, "\2", 1);
}

static void same_key_twice(azr_strbuf *file)
{
    gguf_begin(file, 3, 0, 2);
    gguf_value_u32(file, "some.key", 1);
    gguf_value_u32(file, "some.key", 2);
}

static void alignment_zero(azr_strbuf *file)
{
    one_value(file, "general.alignment", 4, "\0\0\0\0", 4);
}

static void alignment_odd(azr_strbuf *file)
{
    one_value(file, "general.alignment", 4, "\x18\0\0\0", 4);
}

static void alignment_text(azr_strbuf *file)
{
    gguf_begin(file, 3, 0, 1);
    gguf_value_text(file, "general.alignment", "32");
}

static void split_file(azr_strbuf *file)
{
    one_value(file, "split.count", 2, "\3\0", 2);
}

static void unknown_type(azr_strbuf *file)
{
    one_tensor(file, 1, row, 99, 0);
}

static void unread_type(azr_strbuf *file)
{
    one_tensor(file, 1, row, 17, 0);
}

static void odd_row(azr_strbuf *file)
{
    one_tensor(file, 2, (const uint64_t[]){31, 32}, 2, 0);
}

static void five_dims(azr_strbuf *file)
{
    one_tensor(file, 5, (const uint64_t[]){1, 1, 1, 1, 1}, 0, 0);
}

static void huge_dims(azr_strbuf *file)
{
    one_tensor(file, 3, (const uint64_t[]){1U << 30, 1U << 30, 1U << 30}, 0, 0);
}

static void huge_bytes(azr_strbuf *file)
{
    one_tensor(file, 2, (const uint64_t[]){(uint64_t)1 << 31, (uint64_t)1 << 31}, 0, 0);
}

static void negative_dim(azr_strbuf *file)
{
    one_tensor(file, 1, (const uint64_t[]){UINT64_MAX - 31}, 0, 0);
}

static void odd_offset(azr_strbuf *file)
{
    one_tensor(file, 1, (const uint64_t[]){8}, 0, 8);
}

static void offset_past_end(azr_strbuf *file)
{
    one_tensor(file, 1, row, 0, 32);
}

static void huge_offset(azr_strbuf *file)
{
    one_tensor(file, 1, row, 0, UINT64_MAX - 31);
}

static void overlap(azr_strbuf *file)
{
    gguf_begin(file, 3, 2, 0);
    gguf_info(file, "one", 1, row, 0, 0);
    gguf_info(file, "two", 1, row, 0, 96);
    for (int i = 0; i < 512; i++)
        azr_strbuf_append(file, "", 1);
}

static void same_name_twice(azr_strbuf *file)
{
    gguf_begin(file, 3, 2, 0);
    gguf_info(file, "one", 1, row, 0, 0);
    gguf_info(file, "one", 1, row, 0, 128);
    for (int i = 0; i < 512; i++)
        azr_strbuf_append(file, "", 1);
}

static void empty_name(azr_strbuf *file)
{
    gguf_begin(file, 3, 1, 0);
    gguf_info(file, "", 1, row, 0, 0);
    gguf_align(file, 256);
}

static const struct {
    make_file *make;
    azr_status status;
    const char *part;
} bad_files[] = {
    {big_endian, AZR_ERROR_UNSUPPORTED, "big-endian"},
    {version_1, AZR_ERROR_UNSUPPORTED, "version 1"},
    {version_4, AZR_ERROR_UNSUPPORTED, "version 4"},
    {many_tensors, AZR_ERROR_INPUT, "100000 tensors do not fit"},
    {too_many_tensors, AZR_ERROR_LIMIT, "the limit is 131072"},
    {many_values, AZR_ERROR_INPUT, "60000 metadata values do not fit"},
    {too_many_values, AZR_ERROR_LIMIT, "the limit is 65536"},
    {long_key, AZR_ERROR_INPUT, "truncated"},
    {empty_key, AZR_ERROR_INPUT, "the key of metadata value 0"},
    {control_key, AZR_ERROR_INPUT, "the key of metadata value 0"},
    {unknown_value_type, AZR_ERROR_INPUT, "some.key has type 13"},
    {nested_array, AZR_ERROR_UNSUPPORTED, "some.key is an array of arrays"},
    {long_array, AZR_ERROR_INPUT, "truncated"},
    {long_text_array, AZR_ERROR_INPUT, "truncated"},
    {long_text, AZR_ERROR_INPUT, "truncated"},
    {odd_bool, AZR_ERROR_INPUT, "some.key is 2"},
    {same_key_twice, AZR_ERROR_INPUT, "some.key is there twice"},
    {alignment_zero, AZR_ERROR_INPUT, "general.alignment"},
    {alignment_odd, AZR_ERROR_INPUT, "general.alignment"},
    {alignment_text, AZR_ERROR_INPUT, "general.alignment"},
    {split_file, AZR_ERROR_UNSUPPORTED, "one of 3 parts"},
    {unknown_type, AZR_ERROR_UNSUPPORTED, "type unknown (99)"},
    {unread_type, AZR_ERROR_UNSUPPORTED, "type IQ2_XS (17), azr reads F32, F16, BF16, Q4_0"},
    {odd_row, AZR_ERROR_INPUT, "31 elements"},
    {five_dims, AZR_ERROR_UNSUPPORTED, "5 dimensions"},
    {huge_dims, AZR_ERROR_INPUT, "overflows"},
    {huge_bytes, AZR_ERROR_INPUT, "overflows"},
    {negative_dim, AZR_ERROR_INPUT, "overflows"},
    {odd_offset, AZR_ERROR_INPUT, "alignment"},
    {offset_past_end, AZR_ERROR_INPUT, "truncated: tensor t"},
    {huge_offset, AZR_ERROR_INPUT, "truncated: tensor t"},
    {overlap, AZR_ERROR_INPUT, "one and two overlap"},
    {same_name_twice, AZR_ERROR_INPUT, "tensor one is there twice"},
    {empty_name, AZR_ERROR_INPUT, "the name of a tensor"},
};

static void test_bad_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_files / sizeof bad_files[0]; i++) {
        azr_strbuf file = {0};
        bad_files[i].make(&file);
        tiny_refused(&file, PATH, bad_files[i].status, bad_files[i].part);
        azr_strbuf_deinit(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_file), cmocka_unit_test(test_foreign_writer),
        cmocka_unit_test(test_edges),     cmocka_unit_test(test_truncated_everywhere),
        cmocka_unit_test(test_bad_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
