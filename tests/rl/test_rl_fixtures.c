/* test_rl_fixtures.c: whitening of random groups against NumPy, similarity of texts against
 * Python's difflib; fixtures/make_*.py made the numbers. */
#include "azr/rl.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static FILE *open_fixture(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "tests/rl/fixtures/%s", name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("cannot open %s", path);
    return file;
}

static void assert_near(double got, double want, double bound)
{
    if (!(fabs(got - want) <= bound))
        fail_msg("%.12g is not %.12g", got, want);
}

enum { MAX_GROUP = 16, N_WHITENED = 6, N_BATCHES = 4, ROW_BYTES = 8192 };

typedef struct group_rows {
    size_t n, lengths[MAX_GROUP];
    double rewards[MAX_GROUP], by_token[MAX_GROUP], by_sequence[MAX_GROUP], running[MAX_GROUP];
} group_rows;

static void test_whitening(void **state)
{
    (void)state;
    static group_rows all[N_BATCHES][N_WHITENED];
    FILE *file = open_fixture("whitening.txt");
    char line[256];
    size_t n_rows = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned batch, group;
        group_rows row = {0};
        assert_int_equal(sscanf(line, "%u %u %zu %lf %lf %lf %lf", &batch, &group, row.lengths,
                                row.rewards, row.by_token, row.by_sequence, row.running),
                         7);
        assert_true(batch < N_BATCHES && group < N_WHITENED);
        group_rows *rows = &all[batch][group];
        size_t i = rows->n++;
        assert_true(i < MAX_GROUP);
        rows->lengths[i] = row.lengths[0];
        rows->rewards[i] = row.rewards[0];
        rows->by_token[i] = row.by_token[0];
        rows->by_sequence[i] = row.by_sequence[0];
        rows->running[i] = row.running[0];
        n_rows++;
    }
    fclose(file);
    assert_true(n_rows > 48);
    azr_running running[N_WHITENED] = {0};
    for (size_t batch = 0; batch < N_BATCHES; batch++)
        for (size_t group = 0; group < N_WHITENED; group++) {
            const group_rows *rows = &all[batch][group];
            double advantages[MAX_GROUP];
            azr_advantage_whiten(true, rows->n, rows->rewards, rows->lengths, advantages);
            for (size_t i = 0; i < rows->n; i++)
                assert_near(advantages[i], rows->by_token[i], 1e-12);
            azr_advantage_whiten(false, rows->n, rows->rewards, rows->lengths, advantages);
            for (size_t i = 0; i < rows->n; i++)
                assert_near(advantages[i], rows->by_sequence[i], 1e-12);
            azr_running_add(&running[group], true, 0.75, rows->n, rows->rewards, rows->lengths);
            azr_running_whiten(&running[group], rows->n, rows->rewards, advantages);
            for (size_t i = 0; i < rows->n; i++)
                assert_near(advantages[i], rows->running[i], 1e-11);
        }
}

/* Bytes of a hexadecimal word; "-" is none. */
static size_t read_hex(const char *word, char *out)
{
    size_t n = strcmp(word, "-") == 0 ? 0 : strlen(word) / 2;
    for (size_t i = 0; i < n; i++) {
        const char pair[] = {word[2 * i], word[2 * i + 1], '\0'};
        out[i] = (char)strtol(pair, NULL, 16);
    }
    return n;
}

static void test_similarity(void **state)
{
    (void)state;
    FILE *file = open_fixture("similarity.txt");
    static char line[ROW_BYTES], a[ROW_BYTES], b[ROW_BYTES];
    size_t n_rows = 0;
    for (; fgets(line, sizeof line, file) != NULL; n_rows++) {
        const char *first = strtok(line, " "), *second = strtok(NULL, " ");
        const char *third = strtok(NULL, " \n");
        assert_non_null(third);
        size_t n_a = read_hex(first, a), n_b = read_hex(second, b);
        assert_near(azr_text_similarity(a, n_a, b, n_b), strtod(third, NULL), 1e-15);
    }
    fclose(file);
    assert_true(n_rows > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whitening),
        cmocka_unit_test(test_similarity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
