/* test_gate.c: the gate lets rare tasks through and refuses common ones, by what it remembers. */
#include "azr/buffer.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static azr_error error;

static const azr_gate_rules all_rules = {
    .repeated = true, .novelty = true, .n_same = 1, .n_like = 3, .memory = 0};

static azr_buffer *open_memory(void)
{
    azr_buffer *buffer = NULL;
    assert_int_equal(azr_buffer_open(":memory:", &buffer, &error), AZR_OK);
    return buffer;
}

static void set(char **text, const char *to)
{
    azr_free(*text);
    *text = azr_copy_text(to, strlen(to));
}

static azr_task make(azr_kind kind, const char *program, const char *input, const char *output)
{
    azr_task task;
    azr_task_identity(kind, &task);
    set(&task.program, program);
    set(&task.inputs[0], input);
    set(&task.outputs[0], output);
    return task;
}

static void store(azr_buffer *buffer, azr_kind kind, const char *program, const char *input,
                  const char *output, int64_t cap)
{
    azr_stored_task row = {.task = make(kind, program, input, output)};
    assert_int_equal(azr_buffer_add_task(buffer, &row, cap, &error), AZR_OK);
    azr_stored_task_deinit(&row);
}

/* What the gate says of a deduction. */
static azr_refusal admit(azr_gate *gate, const char *program, const char *input, const char *output,
                         azr_commonness *out_commonness)
{
    azr_task task = make(AZR_KIND_DEDUCTION, program, input, output);
    azr_refusal refusal = AZR_N_REFUSALS;
    azr_commonness ignored;
    assert_int_equal(azr_gate_admit(gate, &task, &refusal,
                                    out_commonness != NULL ? out_commonness : &ignored, &error),
                     AZR_OK);
    azr_task_deinit(&task);
    return refusal;
}

static void test_repeated(void **state)
{
    (void)state;
    azr_buffer *buffer = open_memory();
    store(buffer, AZR_KIND_DEDUCTION, "def f(a):\n    return a + 1\n", "1", "2", 0);
    store(buffer, AZR_KIND_ABDUCTION, "def f(a):\n    return a + 2\n", "1", "3", 0);
    azr_gate_rules rules = {.repeated = true};
    azr_gate *gate = azr_gate_create(buffer, &rules);
    azr_commonness common;
    assert_int_equal(admit(gate, "def f(a):\n    return a + 1\n", "1", "2", &common),
                     AZR_REFUSAL_REPEATED);
    assert_true(common.repeated && common.n_same == 1 && common.n_like == 1);
    assert_int_equal(admit(gate, "def f(a):\n    return a + 1\n", "2", "3", NULL),
                     AZR_REFUSAL_NONE);
    assert_int_equal(admit(gate, "def f(a):\n    return a + 1\n", "2", "3", NULL),
                     AZR_REFUSAL_REPEATED); /* of this batch */
    /* Of another kind, and written otherwise: the same text is asked for. */
    assert_int_equal(admit(gate, "def f(a):\n    return a + 2\n", "1", "3", NULL),
                     AZR_REFUSAL_NONE);
    assert_int_equal(admit(gate, "def f(a): return a + 1\n", "1", "2", NULL), AZR_REFUSAL_NONE);
    azr_gate_destroy(gate);
    rules.repeated = false;
    gate = azr_gate_create(buffer, &rules);
    assert_int_equal(admit(gate, "def f(a):\n    return a + 1\n", "1", "2", &common),
                     AZR_REFUSAL_NONE);
    assert_true(common.repeated);
    azr_gate_destroy(gate);
    azr_buffer_close(buffer);
}

static void test_known(void **state)
{
    (void)state;
    azr_buffer *buffer = open_memory();
    store(buffer, AZR_KIND_DEDUCTION, "def f(a):\n    return a + 1\n", "1", "2", 0);
    azr_gate_rules rules = {.novelty = true, .n_same = 2};
    azr_gate *gate = azr_gate_create(buffer, &rules);
    assert_int_equal(admit(gate, "def f(a): return a + 0x1\n", "1", "2", NULL), AZR_REFUSAL_NONE);
    assert_int_equal(admit(gate, "def f(a):\n    'Adds.'\n    return a + 1\n", "1", "2", NULL),
                     AZR_REFUSAL_KNOWN);
    assert_int_equal(admit(gate, "def f(a):\n    return a + 1\n", "5", "6", NULL),
                     AZR_REFUSAL_NONE);
    assert_int_equal(admit(gate, "def f(b):\n    return b + 1\n", "1", "2", NULL),
                     AZR_REFUSAL_NONE);
    azr_gate_destroy(gate);
    azr_buffer_close(buffer);
}

static void test_common(void **state)
{
    (void)state;
    azr_buffer *buffer = open_memory();
    store(buffer, AZR_KIND_DEDUCTION, "def f(a):\n    return a + 1\n", "1", "2", 0);
    store(buffer, AZR_KIND_DEDUCTION, "def f(x):\n    return x + 5\n", "3", "8", 0);
    store(buffer, AZR_KIND_ABDUCTION, "def f(x):\n    return x + 5\n", "3", "8", 0);
    azr_gate *gate = azr_gate_create(buffer, &all_rules);
    azr_commonness common;
    /* Another type of output, another operator: none are like them. */
    assert_int_equal(admit(gate, "def f(a):\n    return a + 1\n", "1.5", "2.5", &common),
                     AZR_REFUSAL_NONE);
    assert_int_equal(common.n_like, 0);
    assert_int_equal(admit(gate, "def f(a):\n    return a * 1\n", "1", "1", NULL),
                     AZR_REFUSAL_NONE);
    assert_int_equal(admit(gate, "def f(y):\n    return y + 7\n", "1", "8", &common),
                     AZR_REFUSAL_NONE);
    assert_int_equal(common.n_like, 2);
    assert_int_equal(admit(gate, "def f(z):\n    return z + 9\n", "1", "10", &common),
                     AZR_REFUSAL_COMMON);
    assert_int_equal(common.n_like, 3);
    azr_gate_destroy(gate);
    azr_buffer_close(buffer);
}

/* Only the newest tasks count, and none that left the ring. */
static void test_memory(void **state)
{
    (void)state;
    azr_buffer *buffer = open_memory();
    for (int i = 0; i < 6; i++) {
        char program[64];
        snprintf(program, sizeof program, "def f(a):\n    return a %s\n", i < 3 ? "+ 1" : "* 2");
        char input[16];
        snprintf(input, sizeof input, "%d", i);
        store(buffer, AZR_KIND_DEDUCTION, program, input, "1", 5);
    }
    azr_gate_rules rules = all_rules;
    azr_commonness common;
    azr_gate *gate = azr_gate_create(buffer, &rules);
    admit(gate, "def f(a):\n    return a + 1\n", "9", "1", &common);
    assert_int_equal(common.n_like, 2); /* the third has left the ring */
    azr_gate_destroy(gate);
    rules.memory = 4;
    gate = azr_gate_create(buffer, &rules);
    admit(gate, "def f(a):\n    return a + 1\n", "9", "1", &common);
    assert_int_equal(common.n_like, 1);
    azr_gate_destroy(gate);
    azr_buffer_close(buffer);
}

/* A store that is opened again gives the same decisions. */
static void test_reopened(void **state)
{
    (void)state;
    char path[] = "/tmp/azr-gate-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    azr_buffer *buffer = NULL;
    assert_int_equal(azr_buffer_open(path, &buffer, &error), AZR_OK);
    for (int i = 0; i < 3; i++)
        store(buffer, AZR_KIND_DEDUCTION, "def f(a):\n    return a + 1\n", "1", "2", 0);
    azr_buffer_close(buffer);
    assert_int_equal(azr_buffer_open(path, &buffer, &error), AZR_OK);
    azr_gate_rules rules = {.novelty = true, .n_like = 3};
    azr_gate *gate = azr_gate_create(buffer, &rules);
    assert_int_equal(admit(gate, "def f(k):\n    return k + 3\n", "1", "4", NULL),
                     AZR_REFUSAL_COMMON);
    azr_gate_destroy(gate);
    azr_buffer_close(buffer);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeated), cmocka_unit_test(test_known),
        cmocka_unit_test(test_common),   cmocka_unit_test(test_memory),
        cmocka_unit_test(test_reopened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
