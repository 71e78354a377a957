/* test_maths.c: mathematical answers: pairs with known verdicts, what hostile ones cost, where the
 * answer stands in a solution. fixtures/maths_math_verify.py holds the same pairs against another
 * judge and names each difference. */
#include "base/memory.h"
#include "base/strbuf.h"
#include "eval/maths.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const verdicts[] = {"different", "equal", "undecided"};

/* Cuts a line at its tabs into n fields; false when it has another number of them. */
static bool cut(char *line, char **fields, int n)
{
    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < n; i++) {
        fields[i] = line;
        line = strchr(line, '\t');
        if (line == NULL)
            return i == n - 1;
        *line++ = '\0';
    }
    return false;
}

static void pairs(void **state)
{
    (void)state;
    FILE *file = fopen("tests/eval/fixtures/maths_pairs.tsv", "r");
    assert_non_null(file);
    char line[1024], *fields[3] = {NULL};
    int n = 0, n_wrong = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        assert_true(cut(line, fields, 3));
        const char *verdict = verdicts[azr_maths_compare(fields[0], fields[1])];
        const char *mirrored = verdicts[azr_maths_compare(fields[1], fields[0])];
        if (strcmp(verdict, fields[2]) != 0 || strcmp(mirrored, fields[2]) != 0) {
            print_error("%s | %s: %s, mirrored %s, expected %s\n", fields[0], fields[1], verdict,
                        mirrored, fields[2]);
            n_wrong++;
        }
        n++;
    }
    fclose(file);
    assert_int_equal(n_wrong, 0);
    assert_true(n >= 300);
}

/* Where another judge says otherwise, the reason is on record beside our verdict. */
static void differences_are_explained(void **state)
{
    (void)state;
    FILE *file = fopen("tests/eval/fixtures/maths_differences.tsv", "r");
    assert_non_null(file);
    char line[1024], *fields[5] = {NULL};
    while (fgets(line, sizeof line, file) != NULL) {
        assert_true(cut(line, fields, 5));
        assert_string_equal(verdicts[azr_maths_compare(fields[0], fields[1])], fields[2]);
        assert_true(strcmp(fields[2], "equal") == 0 || strcmp(fields[3], "equal") == 0);
        assert_true(strlen(fields[4]) > 10);
    }
    fclose(file);
}

static azr_maths_verdict compare_repeated(const char *before, const char *inner, const char *after,
                                          int n)
{
    azr_strbuf text = {0};
    for (int i = 0; i < n; i++)
        azr_strbuf_puts(&text, before);
    azr_strbuf_puts(&text, inner);
    for (int i = 0; i < n; i++)
        azr_strbuf_puts(&text, after);
    azr_maths_verdict verdict = azr_maths_compare(azr_strbuf_text(&text), "1");
    azr_strbuf_deinit(&text);
    return verdict;
}

/* Deep, wide and costly texts end soon, and never as equal to 1. */
static void hostile(void **state)
{
    (void)state;
    assert_int_not_equal(compare_repeated("(", "2", ")", 2000), AZR_MATHS_EQUAL);
    assert_int_not_equal(compare_repeated("\\{", "2", "\\}", 40), AZR_MATHS_EQUAL);
    assert_int_not_equal(compare_repeated("\\{1,", "2", "\\}", 40), AZR_MATHS_EQUAL);
    assert_int_not_equal(compare_repeated("\\sqrt{", "2", "}", 40), AZR_MATHS_EQUAL);
    assert_int_not_equal(compare_repeated("{", "2", "}^{99}", 40), AZR_MATHS_EQUAL);
    assert_int_not_equal(compare_repeated("(a+b+c+d)", "2", "(a-b+c-d)", 200), AZR_MATHS_EQUAL);
    assert_int_not_equal(compare_repeated("\\frac{1}{x+", "2", "}", 40), AZR_MATHS_EQUAL);
    assert_int_not_equal(compare_repeated("\\pm", "2", "", 500), AZR_MATHS_EQUAL);
    assert_int_not_equal(compare_repeated("9", "9", "!", 1), AZR_MATHS_EQUAL);
    assert_int_not_equal(compare_repeated("-", "2", "\\\\", 3), AZR_MATHS_EQUAL);
    assert_int_not_equal(compare_repeated("\\begin{pmatrix}", "2", "&", 30), AZR_MATHS_EQUAL);
    assert_int_not_equal(compare_repeated("\\text{", "1", "}", 3), AZR_MATHS_DIFFERENT);
    assert_int_equal(compare_repeated("1", "1", "1", 4000), AZR_MATHS_UNDECIDED);
    assert_int_equal(azr_maths_compare("\\", "1"), AZR_MATHS_UNDECIDED);
    assert_int_equal(azr_maths_compare("\xff\xfe", "1"), AZR_MATHS_UNDECIDED);
    assert_int_equal(azr_maths_compare("", ""), AZR_MATHS_UNDECIDED);
}

static void extracts(const char *solution, const char *expected)
{
    char *answer = azr_maths_extract(solution);
    if (expected == NULL)
        assert_null(answer);
    else
        assert_string_equal(answer, expected);
    azr_free(answer);
}

static void extraction(void **state)
{
    (void)state;
    extracts("so \\boxed{5} or rather $\\boxed{\\frac{1}{2}}$.", "\\frac{1}{2}");
    extracts("\\boxed{\\{1,2\\}}", "\\{1,2\\}");
    extracts("\\fbox{3} then nothing", "3");
    extracts("16 - 3 = 13\n#### 13", "13");
    extracts("First 10.\nThe answer is 1,234.", "1,234");
    extracts("The final answer is: $x = 4$. I hope it is correct.", "x = 4");
    extracts("**Answer:** 42", "42");
    extracts("We get 3 apples and 4.5 pears, cost -7", "-7");
    extracts("about 1,250 of them.", "1,250");
    extracts("from 10-12", "12");
    extracts("\\boxed{5", "5");
    extracts("nothing at all", NULL);
    extracts("", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs),
        cmocka_unit_test(differences_are_explained),
        cmocka_unit_test(hostile),
        cmocka_unit_test(extraction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
