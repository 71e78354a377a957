/* base/: random numbers against published vectors, texts that grow, memory, files, errors. */
#include "azr/status.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/strbuf.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* --- random numbers
 * --------------------------------------------------------------------------------- */

/* The three philox4x32-10 lines of kat_vectors of Random123 (D. E. Shaw Research). */
static void test_philox_vectors(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], expected[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        uint32_t out[4];
        azr_philox4x32(cases[i].counter, cases[i].key, out);
        for (int j = 0; j < 4; j++)
            assert_int_equal(out[j], cases[i].expected[j]);
    }
}

static void test_uniform(void **state)
{
    (void)state;
    enum { N = 20000 };
    azr_rng_key key = {11, AZR_RNG_TEST, 3, 5};
    double sum = 0;
    int counts[7] = {0};
    for (uint32_t i = 0; i < N; i++) {
        double u = azr_rng_uniform(&key, i);
        assert_true(u >= 0 && u < 1);
        assert_true(u == azr_rng_uniform(&key, i));
        sum += u;
        uint64_t below = azr_rng_below(&key, i, 7);
        assert_true(below < 7);
        counts[below]++;
    }
    /* Mean 1/2 with deviation 1/sqrt(12 N); counts N/7 with deviation sqrt(N 6/49). Five of them.
     */
    assert_true(sum / N > 0.5 - 0.0103 && sum / N < 0.5 + 0.0103);
    for (int i = 0; i < 7; i++)
        assert_true(counts[i] > N / 7 - 250 && counts[i] < N / 7 + 250);
    assert_int_equal(azr_rng_below(&key, 0, 1), 0);
    azr_rng_key others[] = {{12, AZR_RNG_TEST, 3, 5},
                            {11, AZR_RNG_SAMPLE, 3, 5},
                            {11, AZR_RNG_TEST, 4, 5},
                            {11, AZR_RNG_TEST, 3, 6},
                            {11 + (1ULL << 32), AZR_RNG_TEST, 3, 5}};
    for (size_t i = 0; i < AZR_COUNT(others); i++)
        assert_true(azr_rng_uniform(&others[i], 0) != azr_rng_uniform(&key, 0));
}

/* --- texts
 * -------------------------------------------------------------------------------------------- */

static void test_strbuf(void **state)
{
    (void)state;
    azr_strbuf buf = {0};
    assert_string_equal(azr_strbuf_text(&buf), "");
    azr_strbuf_append(&buf, "a\0b", 3);
    assert_int_equal(buf.size, 3);
    assert_memory_equal(buf.data, "a\0b", 4);
    azr_strbuf_reset(&buf);
    assert_string_equal(azr_strbuf_text(&buf), "");
    char expected[4096] = "";
    for (int i = 0; i < 300; i++) {
        azr_strbuf_printf(&buf, "%d,%s;", i, "x");
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%d,x;", i);
    }
    azr_strbuf_puts(&buf, "");
    azr_strbuf_append(&buf, NULL, 0);
    assert_string_equal(buf.data, expected);
    assert_int_equal(buf.size, strlen(expected));
    char *text = azr_strbuf_steal(&buf);
    assert_string_equal(text, expected);
    assert_null(buf.data);
    azr_free(text);
    text = azr_strbuf_steal(&buf); /* of an empty one */
    assert_string_equal(text, "");
    azr_free(text);
    azr_strbuf_deinit(&buf);
    azr_strbuf_deinit(&buf);
}

/* --- memory
 * --------------------------------------------------------------------------------------------- */

static void test_memory(void **state)
{
    (void)state;
    size_t product;
    assert_true(azr_multiply_sizes(3, 5, &product) && product == 15);
    assert_false(azr_multiply_sizes((size_t)-1, 2, &product));
    assert_null(azr_try_alloc((size_t)-1 / 2, 4));
    assert_null(azr_try_alloc_aligned((size_t)-1 / 2, 4));
    assert_null(azr_try_alloc_aligned((size_t)-1, 1));
    float *aligned = azr_try_alloc_aligned(17, sizeof *aligned);
    assert_non_null(aligned);
    assert_int_equal((uintptr_t)aligned % 64, 0);
    for (int i = 0; i < 17; i++)
        assert_true(aligned[i] == 0);
    azr_free(aligned);
    void *empty = azr_alloc(0, 8);
    assert_non_null(empty);
    azr_free(empty);
    azr_memory_fail_at(2);
    void *first = azr_try_alloc(1, 1);
    assert_non_null(first);
    assert_null(azr_try_alloc(1, 1));
    void *third = azr_try_alloc(1, 1);
    assert_non_null(third);
    azr_free(first);
    azr_free(third);
    char *copy = azr_copy_text("abc", 2);
    assert_string_equal(copy, "ab");
    azr_free(copy);
    assert_true(azr_memory_available() > 1 << 20);
}

static void test_arena(void **state)
{
    (void)state;
    azr_arena *arena = azr_arena_create();
    for (int round = 0; round < 3; round++) {
        char *pieces[200];
        for (int i = 0; i < 200; i++) {
            size_t n = (size_t)(i * i) % 5000;
            pieces[i] = azr_arena_alloc(arena, n, 1);
            assert_int_equal((uintptr_t)pieces[i] % 16, 0);
            for (size_t j = 0; j < n; j++)
                assert_int_equal(pieces[i][j], 0);
            memset(pieces[i], i, n);
        }
        for (int i = 0; i < 200; i++)
            for (size_t j = 0; j < (size_t)(i * i) % 5000; j++)
                assert_int_equal(pieces[i][j], (char)i);
        assert_non_null(azr_arena_alloc(arena, 300000, 1));
        assert_string_equal(azr_arena_text(arena, "word and more", 4), "word");
        azr_arena_reset(arena);
    }
    azr_arena_destroy(arena);
    azr_arena_destroy(NULL);
}

/* --- files
 * ------------------------------------------------------------------------------------------------
 */

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    char name[] = "/tmp/azr-base-XXXXXX";
    if (mkdtemp(name) == NULL)
        return -1;
    folder = azr_copy_text(name, strlen(name));
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    azr_status status = azr_directory_remove(folder, NULL);
    bool there = azr_directory_exists(folder);
    azr_free(folder);
    return status == AZR_OK && !there ? 0 : -1;
}

static void test_files(void **state)
{
    (void)state;
    azr_error error;
    char *path = azr_path_join(folder, "a file"), *text = NULL;
    size_t size = 0;
    assert_false(azr_file_exists(path));
    assert_int_equal(azr_file_read(path, 100, &text, &size, &error), AZR_ERROR_IO);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(azr_file_write(path, "one\0two", 7, &error), AZR_OK);
    assert_int_equal(azr_file_read(path, 7, &text, &size, &error), AZR_OK);
    assert_int_equal(size, 7);
    assert_memory_equal(text, "one\0two", 8);
    azr_free(text);
    assert_int_equal(azr_file_read(path, 6, &text, &size, &error), AZR_ERROR_LIMIT);
    assert_non_null(strstr(error.text, "limit is 6"));
    azr_file_map map;
    assert_int_equal(azr_file_map_open(path, &map, &error), AZR_OK);
    assert_int_equal(map.size, 7);
    assert_memory_equal(map.bytes, "one\0two", 7);
    azr_file_map_close(&map);
    assert_null(map.bytes);
    assert_int_equal(azr_file_write(path, "", 0, &error), AZR_OK); /* replaces */
    assert_int_equal(azr_file_map_open(path, &map, &error), AZR_OK);
    assert_int_equal(map.size, 0);
    assert_null(map.bytes);
    azr_file_map_close(&map);
    assert_int_equal(azr_file_map_open(folder, &map, &error), AZR_ERROR_INPUT);
    char *bad = azr_path_join(folder, "no/such/file");
    assert_int_equal(azr_file_write(bad, "x", 1, &error), AZR_ERROR_IO);
    assert_non_null(strstr(error.text, "no/such/file"));
    azr_free(bad);
    azr_free(path);
}

/* A write that fails half way leaves the old file and no temporary one. */
static void test_failed_write(void **state)
{
    (void)state;
    char *path = azr_path_join(folder, "kept"), *temporary = azr_path_join(folder, "kept.tmp");
    char *text = NULL;
    size_t size;
    assert_int_equal(azr_file_write(path, "old", 3, NULL), AZR_OK);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = {1000, 1000};
        static const char many[5000];
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        azr_error error;
        _exit(azr_file_write(path, many, sizeof many, &error) == AZR_ERROR_IO ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(azr_file_read(path, 100, &text, &size, NULL), AZR_OK);
    assert_string_equal(text, "old");
    assert_false(azr_file_exists(temporary));
    azr_free(text);
    azr_free(path);
    azr_free(temporary);
}

static void test_directories(void **state)
{
    (void)state;
    azr_error error;
    char *deep = azr_path_join(folder, "x/y//z"), *file = azr_path_join(folder, "x/y/z/file");
    char *top = azr_path_join(folder, "x"), *below = azr_path_join(file, "w");
    assert_int_equal(azr_directory_create(deep, &error), AZR_OK);
    assert_int_equal(azr_directory_create(deep, &error), AZR_OK);
    assert_true(azr_directory_exists(deep));
    assert_int_equal(azr_file_write(file, "1", 1, &error), AZR_OK);
    assert_int_equal(azr_directory_create(below, &error), AZR_ERROR_IO);
    assert_int_equal(azr_directory_sync(deep, &error), AZR_OK);
    assert_int_equal(azr_directory_remove(top, &error), AZR_OK);
    assert_false(azr_directory_exists(top));
    assert_int_equal(azr_directory_remove(top, &error), AZR_OK);
    azr_free(deep);
    azr_free(file);
    azr_free(top);
    azr_free(below);
}

/* --- errors and assertions
 * ------------------------------------------------------------------------------ */

/* What a file says in a message can neither break the line nor command the terminal. */
static void test_errors_are_one_line(void **state)
{
    (void)state;
    azr_error error;
    azr_error_set(&error, AZR_ERROR_INPUT, "token %s", "a\nb\033[2J\x7F\xC3\xA9");
    assert_string_equal(error.text, "token a?b?[2J?\xC3\xA9");
    azr_error_prefix(&error, "file\n");
    assert_string_equal(error.text, "file?: token a?b?[2J?\xC3\xA9");
}

static void test_errors(void **state)
{
    (void)state;
    azr_error error;
    char long_text[3000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    assert_int_equal(azr_error_set(&error, AZR_ERROR_LIMIT, "%d is over %s", 7, "six"),
                     AZR_ERROR_LIMIT);
    assert_string_equal(error.text, "7 is over six");
    assert_int_equal(azr_error_prefix(&error, "key %s", "a"), AZR_ERROR_LIMIT);
    assert_string_equal(error.text, "key a: 7 is over six");
    azr_error_set(&error, AZR_ERROR_INPUT, "%s", long_text);
    azr_error_prefix(&error, "%s", long_text);
    assert_true(strlen(error.text) < sizeof error.text);
    assert_int_equal(azr_error_set(NULL, AZR_ERROR_IO, "nobody listens"), AZR_ERROR_IO);
}

static void test_check_aborts(void **state)
{
    (void)state;
    fflush(NULL);
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct rlimit none = {0, 0};
            setrlimit(RLIMIT_CORE, &none);
            fclose(stderr);
            if (i == 0)
                AZR_CHECK(1 + 1 == 3);
            else
                AZR_CHECK_EQ(2, 3);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
    AZR_CHECK(true);
    AZR_CHECK_EQ(3, 3);
}

static void count_line(void *context, const char *text)
{
    assert_string_equal(text, "3 of 4");
    ++*(int *)context;
}

static void test_clock(void **state)
{
    (void)state;
    int n_lines = 0;
    azr_progress progress = {count_line, &n_lines};
    double before = azr_clock_seconds();
    assert_true(azr_clock_seconds() >= before);
    azr_progress_printf(&progress, "%d of %d", 3, 4);
    azr_progress_printf(NULL, "nobody listens");
    assert_int_equal(n_lines, 1);
    assert_false(azr_stop_requested());
    azr_stop_request();
    assert_true(azr_stop_requested());
}

/* Vectors of RFC 9923. */
static void test_hash(void **state)
{
    (void)state;
    assert_true(azr_hash_bytes(AZR_HASH_START, "", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(azr_hash_bytes(AZR_HASH_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(azr_hash_bytes(AZR_HASH_START, "foobar", 6) == UINT64_C(0x85944171f73967e8));
    assert_true(azr_hash_text(azr_hash_text(AZR_HASH_START, "ab"), "c") !=
                azr_hash_text(azr_hash_text(AZR_HASH_START, "a"), "bc"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),           cmocka_unit_test(test_errors_are_one_line),
        cmocka_unit_test(test_philox_vectors), cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_strbuf),         cmocka_unit_test(test_memory),
        cmocka_unit_test(test_arena),          cmocka_unit_test(test_files),
        cmocka_unit_test(test_failed_write),   cmocka_unit_test(test_directories),
        cmocka_unit_test(test_errors),         cmocka_unit_test(test_check_aborts),
        cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
