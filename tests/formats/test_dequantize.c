/* Expanding tensors to f32: against the gguf package's numbers (fixtures/quants.gguf), every half
 * and every bfloat16 there is, parts of tensors, and tensors of the shipped models where they are.
 */
#include "azr/formats.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIXTURES "tests/formats/fixtures/"

static azr_weights_file *open_or_fail(const char *path)
{
    azr_weights_file *file;
    azr_error error = {0};
    if (azr_weights_open(path, &file, &error) != AZR_OK)
        fail_msg("%s", error.text);
    return file;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Reads the whole tensor and compares bit by bit with the one beside it. */
static void check_type(const azr_weights_file *file, azr_tensor_type type)
{
    const char *name = azr_tensor_type_name(type);
    char expected_name[32];
    snprintf(expected_name, sizeof expected_name, "%s.f32", name);
    const azr_tensor *tensor = azr_weights_find(file, name);
    const azr_tensor *expected = azr_weights_find(file, expected_name);
    assert_non_null(tensor);
    assert_non_null(expected);
    assert_int_equal(tensor->type, type);
    assert_int_equal(expected->type, AZR_TENSOR_F32);
    assert_int_equal(tensor->n_elements, expected->n_elements);
    assert_int_equal(tensor->n_dims, 2);
    assert_int_equal(tensor->dims[0] * tensor->dims[1], tensor->n_elements);
    float *ours = azr_alloc((size_t)tensor->n_elements, sizeof *ours);
    azr_tensor_read(tensor, 0, tensor->n_elements, ours);
    bool has_value = false;
    for (int64_t i = 0; i < tensor->n_elements; i++) {
        uint32_t bits;
        memcpy(&bits, expected->bytes + 4 * i, sizeof bits);
        if (bits_of(ours[i]) != bits)
            fail_msg("%s[%lld] is %.9g, expected bits %08x", name, (long long)i, (double)ours[i],
                     bits);
        has_value = has_value || ours[i] != 0.0F;
    }
    assert_true(has_value);
    azr_free(ours);
}

static void test_all_types(void **state)
{
    (void)state;
    azr_weights_file *file = open_or_fail(FIXTURES "quants.gguf");
    for (azr_tensor_type type = AZR_TENSOR_F16; type <= AZR_TENSOR_Q6_K; type++)
        check_type(file, type);
    azr_weights_close(file);
}

/* Any run of whole blocks gives what the whole tensor gives. */
static void test_parts(void **state)
{
    (void)state;
    azr_weights_file *file = open_or_fail(FIXTURES "quants.gguf");
    for (size_t t = 0; t < azr_weights_count(file); t++) {
        const azr_tensor *tensor = azr_weights_at(file, t);
        int64_t n = tensor->n_elements, block = tensor->type >= AZR_TENSOR_Q4_K ? 256 : 32;
        float *whole = azr_alloc((size_t)n, sizeof *whole);
        float *part = azr_alloc((size_t)n + 1, sizeof *part);
        azr_tensor_read(tensor, 0, n, whole);
        for (int64_t first = 0; first < n; first += block) {
            int64_t n_part = first / block % 3 * block;
            n_part = n_part < n - first ? n_part : n - first;
            part[n_part] = 123.0F;
            azr_tensor_read(tensor, first, n_part, part);
            assert_memory_equal(part, whole + first, (size_t)n_part * sizeof *part);
            assert_true(part[n_part] == 123.0F);
        }
        azr_free(whole);
        azr_free(part);
    }
    azr_weights_close(file);
}

static azr_tensor tensor_of(azr_tensor_type type, const void *bytes, int64_t n, size_t n_bytes)
{
    return (azr_tensor){.name = "t",
                        .type = type,
                        .n_dims = 1,
                        .dims = {n},
                        .n_elements = n,
                        .bytes = bytes,
                        .n_bytes = n_bytes};
}

/* IEEE 754 binary16 by its definition. */
static float half_by_definition(uint32_t half)
{
    int exponent = (int)(half >> 10 & 31), mantissa = (int)(half & 1023);
    float sign = half & 0x8000 ? -1.0F : 1.0F;
    if (exponent == 31)
        return mantissa == 0 ? sign * INFINITY : NAN;
    return exponent == 0 ? sign * ldexpf((float)mantissa, -24)
                         : sign * ldexpf((float)(1024 + mantissa), exponent - 25);
}

static void test_every_half(void **state)
{
    (void)state;
    enum { N = 65536 };
    uint16_t *halves = azr_alloc(N, sizeof *halves);
    float *out = azr_alloc(N, sizeof *out);
    for (uint32_t i = 0; i < N; i++)
        halves[i] = (uint16_t)i;
    azr_tensor tensor = tensor_of(AZR_TENSOR_F16, halves, N, N * sizeof *halves);
    azr_tensor_read(&tensor, 0, N, out);
    for (uint32_t i = 0; i < N; i++) {
        float expected = half_by_definition(i);
        if (isnan(expected) ? !isnan(out[i]) : bits_of(out[i]) != bits_of(expected))
            fail_msg("half %04x is %.9g, expected %.9g", i, (double)out[i], (double)expected);
    }
    azr_free(halves);
    azr_free(out);
}

static void test_every_bfloat(void **state)
{
    (void)state;
    enum { N = 65536 };
    uint16_t *bfloats = azr_alloc(N, sizeof *bfloats);
    float *out = azr_alloc(N, sizeof *out);
    for (uint32_t i = 0; i < N; i++)
        bfloats[i] = (uint16_t)i;
    azr_tensor tensor = tensor_of(AZR_TENSOR_BF16, bfloats, N, N * sizeof *bfloats);
    azr_tensor_read(&tensor, 0, N, out);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(bits_of(out[i]), i << 16);
    azr_free(bfloats);
    azr_free(out);
}

/* A scale that is no number must be seen, not turned into one. */
static void test_infinite_scale(void **state)
{
    (void)state;
    uint8_t block[34] = {0x00, 0x7C, 1, 0xFF}; /* infinity; 1, -1, 0 ... */
    azr_tensor tensor = tensor_of(AZR_TENSOR_Q8_0, block, 32, sizeof block);
    float out[32];
    azr_tensor_read(&tensor, 0, 32, out);
    assert_true(isinf(out[0]) && out[0] > 0.0F);
    assert_true(isinf(out[1]) && out[1] < 0.0F);
    assert_true(isnan(out[2]));
}

static const char *models_folder(void)
{
    const char *folder = getenv("AZR_MODELS");
    return folder != NULL ? folder : "models";
}

/* FNV-1a over the 32-bit words of the first n elements. */
static uint64_t hash_tensor(const azr_tensor *tensor, int64_t n)
{
    float *values = azr_alloc((size_t)n, sizeof *values);
    azr_tensor_read(tensor, 0, n, values);
    uint64_t hash = 0xCBF29CE484222325U;
    for (int64_t i = 0; i < n; i++)
        hash = (hash ^ bits_of(values[i])) * 0x100000001B3U;
    azr_free(values);
    return hash;
}

static void check_real(const char *wanted_model, int n_expected)
{
    azr_strbuf path = {0};
    azr_strbuf_printf(&path, "%s/%s", models_folder(), wanted_model);
    azr_weights_file *file = NULL;
    azr_error error;
    if (azr_weights_open(path.data, &file, &error) != AZR_OK) {
        azr_strbuf_deinit(&path);
        skip();
    }
    FILE *lines = fopen(FIXTURES "real_models.txt", "r");
    assert_non_null(lines);
    char model[64], name[64], type[16];
    long long n;
    unsigned long long hash;
    int n_checked = 0;
    while (fscanf(lines, "%63s %63s %15s %lld %llx", model, name, type, &n, &hash) == 5) {
        if (strcmp(model, wanted_model) != 0)
            continue;
        const azr_tensor *tensor = azr_weights_find(file, name);
        assert_non_null(tensor);
        assert_string_equal(azr_tensor_type_name(tensor->type), type);
        assert_true(n <= tensor->n_elements);
        if (hash_tensor(tensor, n) != hash)
            fail_msg("%s of %s differs", name, model);
        n_checked++;
    }
    fclose(lines);
    assert_int_equal(n_checked, n_expected);
    azr_weights_close(file);
    azr_strbuf_deinit(&path);
}

static void test_real_smollm2(void **state)
{
    (void)state;
    check_real("smollm2-135m", 3);
}

static void test_real_qwen(void **state)
{
    (void)state;
    check_real("qwen2.5-coder-0.5b", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_types),      cmocka_unit_test(test_parts),
        cmocka_unit_test(test_every_half),     cmocka_unit_test(test_every_bfloat),
        cmocka_unit_test(test_infinite_scale), cmocka_unit_test(test_real_smollm2),
        cmocka_unit_test(test_real_qwen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
