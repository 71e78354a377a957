/* test_fuzz_record.c: damaged records, as a hostile program may leave them: reading says no, or
 * gives texts that lie inside the bytes; and what that comes to is a status that a program can
 * cause. */
#include "../support/fuzz_mutate.h"
#include "base/check.h"
#include "base/memory.h"
#include "executor/hub.h"
#include "executor/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>

typedef struct seen {
    size_t n_read, n_refused, n_values;
} seen;

static void inside(const uint8_t *bytes, size_t size, azr_exec__text text)
{
    if (text.bytes == NULL)
        return;
    assert_true((const uint8_t *)text.bytes >= bytes);
    assert_true((const uint8_t *)text.bytes + text.size <= bytes + size);
}

static void try_record(void *context, const uint8_t *bytes, size_t size)
{
    seen *s = context;
    azr_exec__record record;
    bool ok = azr_exec__record_read((const char *)bytes, size, size % 2 == 0, &record);
    s->n_read += ok;
    s->n_refused += !ok;
    if (ok) {
        inside(bytes, size, record.value);
        inside(bytes, size, record.type);
        inside(bytes, size, record.exception);
        inside(bytes, size, record.message);
    }
    azr_exec__job job = {.limits = azr_exec_default_limits()};
    azr_exec__try what = {.job = &job};
    azr_exec__slot slot = {.what = &what, .has_begun = true};
    azr_strbuf_puts(&slot.record, "S");
    azr_strbuf_append(&slot.record, (const char *)bytes, size);
    static const int ends[] = {0, 0, 0, 1 << 8, SIGSEGV, SIGSYS, SIGXCPU};
    azr_exec_run run;
    azr_exec__outcome(&slot, ends[size % AZR_COUNT(ends)], 1000, &run);
    assert_true(run.status <= AZR_EXEC_NOT_LITERAL);
    assert_int_equal(run.status == AZR_EXEC_OK, run.value != NULL);
    assert_true(run.status != AZR_EXEC_EXCEPTION || run.exception != NULL);
    if (run.value != NULL) {
        azr_literal *value;
        assert_int_equal(azr_literal_parse(run.value, strlen(run.value), &value, NULL), AZR_OK);
        azr_literal_destroy(value);
        s->n_values++;
    }
    azr_exec__run_deinit(&run);
    azr_strbuf_deinit(&slot.record);
}

static azr_exec__text text(const char *bytes)
{
    return (azr_exec__text){bytes, bytes != NULL ? strlen(bytes) : 0};
}

static void damaged_records(void **state)
{
    (void)state;
    const azr_exec__record records[] = {
        {.status = AZR_EXEC_OK, .value = text("[1, {'a': (2.5, None)}]"), .type = text("list")},
        {.status = AZR_EXEC_OK, .value = text("0xffffffffffffffffffff"), .type = text("int")},
        {.status = AZR_EXEC_EXCEPTION,
         .exception = text("ValueError"),
         .message = text("caf\xc3\xa9")},
        {.status = AZR_EXEC_MEMORY},
        {.status = AZR_EXEC_TOO_LARGE, .type = text("str")},
        {.status = AZR_EXEC_NOT_LITERAL, .type = text("A"), .message = text("A")},
    };
    enum { N = sizeof records / sizeof records[0] };
    azr_strbuf bytes[N] = {0};
    fuzz_bytes seeds[N];
    for (size_t i = 0; i < N; i++) {
        azr_exec__record_write(&records[i], &bytes[i]);
        seeds[i] = (fuzz_bytes){(const uint8_t *)bytes[i].data, bytes[i].size};
    }
    static const char *const words[] = {"\xff\xff\xff\xff", "\x01", "[[[[", "'", "1", "None"};
    seen s = {0};
    fuzz_run(&(fuzz_options){.seeds = seeds,
                             .n_seeds = N,
                             .words = words,
                             .n_words = AZR_COUNT(words),
                             .n_iterations = 300000,
                             .seed = 31},
             try_record, &s);
    assert_true(s.n_read > 100);
    assert_true(s.n_values > 20);
    assert_true(s.n_refused > 1000);
    for (size_t i = 0; i < N; i++)
        azr_strbuf_deinit(&bytes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_records)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
