/* test_buffer.c: the store keeps its contract: rows in, rows out, draws, caps, resuming. */
#include "azr/buffer.h"

#include "base/check.h"
#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const azr_draw_from evenly = {.weight = AZR_DRAW_EQUAL};
static azr_error error;

static azr_buffer *open_memory(void)
{
    azr_buffer *buffer = NULL;
    assert_int_equal(azr_buffer_open(":memory:", &buffer, &error), AZR_OK);
    return buffer;
}

/* A task whose texts depend on i alone. */
static azr_stored_task make(azr_kind kind, int64_t step, int i)
{
    azr_stored_task stored = {
        .step = step, .reward = 0.125 * i, .n_attempts = 8, .n_correct = i % 9};
    azr_task_identity(kind, &stored.task);
    char text[64];
    snprintf(text, sizeof text, "def f(a):\n    return a + %d\n", i);
    azr_free(stored.task.program);
    stored.task.program = azr_copy_text(text, strlen(text));
    return stored;
}

static int64_t add(azr_buffer *buffer, azr_kind kind, int64_t step, int i, int64_t cap)
{
    azr_stored_task stored = make(kind, step, i);
    assert_int_equal(azr_buffer_add_task(buffer, &stored, cap, &error), AZR_OK);
    int64_t id = stored.id;
    azr_stored_task_deinit(&stored);
    return id;
}

static int64_t count(azr_buffer *buffer, azr_kind kind, int64_t step)
{
    int64_t n = -1;
    assert_int_equal(azr_buffer_count(buffer, kind, step, &n, &error), AZR_OK);
    return n;
}

static uint64_t hash(azr_buffer *buffer)
{
    uint64_t value = 0;
    assert_int_equal(azr_buffer_hash(buffer, &value, &error), AZR_OK);
    return value;
}

/* Ids of a draw, in the order drawn. */
static size_t draw(azr_buffer *buffer, azr_kind kind, uint32_t sequence, size_t n, int64_t *ids)
{
    azr_rng_key key = {.seed = 5, .purpose = AZR_RNG_REFERENCES, .step = 3, .sequence = sequence};
    azr_stored_task *tasks = calloc(n + 1, sizeof *tasks);
    assert_non_null(tasks);
    size_t n_drawn = 99;
    assert_int_equal(azr_buffer_draw(buffer, kind, &key, n, tasks, &n_drawn, &error), AZR_OK);
    for (size_t i = 0; i < n_drawn; i++) {
        assert_int_equal(tasks[i].task.kind, kind);
        ids[i] = tasks[i].id;
        azr_stored_task_deinit(&tasks[i]);
    }
    free(tasks);
    return n_drawn;
}

static void test_rows(void **state)
{
    (void)state;
    azr_buffer *buffer = open_memory();
    assert_int_equal(count(buffer, AZR_KIND_INDUCTION, -1), 0);
    azr_stored_task stored = make(AZR_KIND_INDUCTION, 7, 3);
    assert_int_equal(azr_buffer_add_task(buffer, &stored, 0, &error), AZR_OK);
    assert_int_equal(stored.id, 1);
    azr_rng_key key = {.seed = 1, .purpose = AZR_RNG_TEST};
    azr_stored_task back;
    size_t n = 0;
    assert_int_equal(azr_buffer_draw(buffer, AZR_KIND_INDUCTION, &key, 1, &back, &n, &error),
                     AZR_OK);
    assert_int_equal(n, 1);
    assert_int_equal(back.id, 1);
    assert_int_equal(back.step, 7);
    assert_true(back.reward == 0.375);
    assert_int_equal(back.n_attempts, 8);
    assert_int_equal(back.n_correct, 3);
    assert_int_equal(back.task.n_pairs, stored.task.n_pairs);
    assert_string_equal(back.task.program, stored.task.program);
    assert_string_equal(back.task.message, stored.task.message);
    for (size_t i = 0; i < back.task.n_pairs; i++) {
        assert_string_equal(back.task.inputs[i], stored.task.inputs[i]);
        assert_string_equal(back.task.outputs[i], stored.task.outputs[i]);
    }
    azr_stored_task_deinit(&back);
    azr_stored_task_deinit(&stored);
    azr_buffer_close(buffer);
}

static void test_odd_texts(void **state)
{
    (void)state;
    azr_buffer *buffer = open_memory();
    azr_stored_task stored = make(AZR_KIND_DEDUCTION, 0, 1), back;
    const char odd[] = "'quote\\' \"\xc3\xa9\xf0\x9f\x98\x80'); DROP TABLE tasks; --', [1,\n\t2]";
    azr_free(stored.task.inputs[0]);
    stored.task.inputs[0] = azr_copy_text(odd, strlen(odd));
    assert_int_equal(azr_buffer_add_task(buffer, &stored, 0, &error), AZR_OK);
    azr_rng_key key = {.seed = 1};
    bool found = false;
    assert_int_equal(azr_buffer_draw_program(buffer, &evenly, &key, &back, &found, &error), AZR_OK);
    assert_true(found);
    assert_string_equal(back.task.inputs[0], odd);
    assert_null(back.task.message);
    azr_stored_task_deinit(&back);
    azr_stored_task_deinit(&stored);
    azr_buffer_close(buffer);
}

static void test_draws(void **state)
{
    (void)state;
    enum { N = 12, N_DRAWS = 3000, K = 4 };
    azr_buffer *buffer = open_memory(), *other = open_memory();
    for (int i = 0; i < N; i++) {
        add(buffer, AZR_KIND_DEDUCTION, 0, i, 0);
        add(buffer, AZR_KIND_ABDUCTION, 0, i, 0);
        add(other, AZR_KIND_DEDUCTION, 0, i, 0);
        add(other, AZR_KIND_ABDUCTION, 0, i, 0);
    }
    size_t seen[2 * N + 1][K] = {{0}};
    for (uint32_t s = 0; s < N_DRAWS; s++) {
        int64_t ids[K], again[K];
        assert_int_equal(draw(buffer, AZR_KIND_DEDUCTION, s, K, ids), K);
        assert_int_equal(draw(other, AZR_KIND_DEDUCTION, s, K, again), K);
        assert_memory_equal(ids, again, sizeof ids); /* of key and rows alone */
        for (size_t i = 0; i < K; i++) {
            seen[ids[i]][i]++;
            for (size_t j = 0; j < i; j++)
                assert_true(ids[i] != ids[j]);
        }
    }
    /* Each of 12 ids at each place: mean 250, standard deviation 15.1; five of them is far out. */
    for (int i = 0; i < N; i++)
        for (size_t k = 0; k < K; k++)
            assert_in_range(seen[2 * i + 1][k], 175, 325);
    int64_t ids[20];
    assert_int_equal(draw(buffer, AZR_KIND_DEDUCTION, 1, 20, ids),
                     N); /* all, when fewer are there */
    assert_int_equal(draw(buffer, AZR_KIND_INDUCTION, 1, 20, ids), 0);
    assert_int_equal(draw(buffer, AZR_KIND_DEDUCTION, 1, 0, ids), 0);
    azr_buffer_close(buffer);
    azr_buffer_close(other);
}

/* The worked value of one draw: changing the order of random numbers breaks old runs' resumption.
 */
static void test_draw_is_fisher_yates(void **state)
{
    (void)state;
    enum { N = 10, K = 5 };
    azr_buffer *buffer = open_memory();
    int64_t pool[N], ids[K];
    for (int i = 0; i < N; i++)
        pool[i] = add(buffer, AZR_KIND_DEDUCTION, 0, i, 0);
    azr_rng_key key = {.seed = 5, .purpose = AZR_RNG_REFERENCES, .step = 3, .sequence = 17};
    assert_int_equal(draw(buffer, AZR_KIND_DEDUCTION, 17, K, ids), K);
    for (uint32_t i = 0; i < K; i++) {
        size_t j = i + (size_t)azr_rng_below(&key, i, N - i);
        int64_t id = pool[j];
        pool[j] = pool[i];
        pool[i] = id;
        assert_int_equal(ids[i], id);
    }
    azr_buffer_close(buffer);
}

static void test_programs(void **state)
{
    (void)state;
    azr_buffer *buffer = open_memory();
    azr_rng_key key = {.seed = 9, .purpose = AZR_RNG_PROGRAMS, .step = 1};
    azr_stored_task task;
    bool found = true;
    add(buffer, AZR_KIND_INDUCTION, 0, 1, 0);
    assert_int_equal(azr_buffer_draw_program(buffer, &evenly, &key, &task, &found, &error), AZR_OK);
    assert_false(found);
    add(buffer, AZR_KIND_DEDUCTION, 0, 2, 0);
    add(buffer, AZR_KIND_ABDUCTION, 0, 3, 0);
    add(buffer, AZR_KIND_ABDUCTION, 0, 4, 0);
    int seen[5] = {0};
    for (key.sequence = 0; key.sequence < 300; key.sequence++) {
        assert_int_equal(azr_buffer_draw_program(buffer, &evenly, &key, &task, &found, &error),
                         AZR_OK);
        assert_true(found);
        seen[task.id]++;
        azr_stored_task_deinit(&task);
    }
    assert_int_equal(seen[1], 0);
    for (int id = 2; id <= 4; id++)
        assert_in_range(seen[id], 60, 140);
    azr_buffer_close(buffer);
}

/* A program has one chance, however many tasks have it: seeds are in the stores of both kinds. */
static void test_programs_are_counted_once(void **state)
{
    (void)state;
    azr_buffer *buffer = open_memory();
    azr_rng_key key = {.seed = 9, .purpose = AZR_RNG_PROGRAMS, .step = 1};
    add(buffer, AZR_KIND_DEDUCTION, 0, 1, 0);
    for (int i = 0; i < 8; i++) {
        add(buffer, AZR_KIND_DEDUCTION, 0, 2, 0);
        add(buffer, AZR_KIND_ABDUCTION, 0, 2, 0);
    }
    int n_first = 0;
    for (key.sequence = 0; key.sequence < 300; key.sequence++) {
        azr_stored_task task;
        bool found = false;
        assert_int_equal(azr_buffer_draw_program(buffer, &evenly, &key, &task, &found, &error),
                         AZR_OK);
        assert_true(found);
        n_first += task.id == 1;
        azr_stored_task_deinit(&task);
    }
    assert_in_range(n_first, 110, 190); /* mean 150, standard deviation 8.7 */
    /* A program of before that came up again later still counts as of before. */
    add(buffer, AZR_KIND_DEDUCTION, 5, 2, 0);
    add(buffer, AZR_KIND_DEDUCTION, 5, 3, 0);
    const azr_draw_from before = {.before_step = 5};
    n_first = 0;
    for (key.sequence = 0; key.sequence < 100; key.sequence++) {
        azr_stored_task task;
        bool found = false;
        assert_int_equal(azr_buffer_draw_program(buffer, &before, &key, &task, &found, &error),
                         AZR_OK);
        assert_true(found && task.id <= 17);
        n_first += task.id == 1;
        azr_stored_task_deinit(&task);
    }
    assert_in_range(n_first, 30, 70);
    azr_stored_task parts[4];
    size_t n_parts = 0;
    assert_int_equal(azr_buffer_draw_parts(buffer, &before, &key, 4, parts, &n_parts, &error),
                     AZR_OK);
    assert_int_equal(n_parts, 2);
    for (size_t i = 0; i < n_parts; i++)
        azr_stored_task_deinit(&parts[i]);
    azr_buffer_close(buffer);
}

/* How often each id comes up first in n_draws draws of n. */
static void count_draws(azr_buffer *buffer, const azr_draw_from *from, size_t n, uint32_t n_draws,
                        size_t *counts)
{
    azr_rng_key key = {.seed = 3, .purpose = AZR_RNG_SOLVER_TASKS};
    for (key.sequence = 0; key.sequence < n_draws; key.sequence++) {
        azr_stored_task tasks[8];
        size_t n_drawn = 0;
        assert_int_equal(azr_buffer_draw_from(buffer, AZR_KIND_DEDUCTION, from, &key, n, tasks,
                                              &n_drawn, &error),
                         AZR_OK);
        assert_int_equal(n_drawn, n);
        counts[tasks[0].id]++;
        for (size_t i = 0; i < n_drawn; i++) {
            for (size_t j = 0; j < i; j++)
                assert_true(from->again || tasks[i].id != tasks[j].id);
        }
        for (size_t i = 0; i < n_drawn; i++)
            azr_stored_task_deinit(&tasks[i]);
    }
}

static void test_weighted_draws(void **state)
{
    (void)state;
    azr_buffer *buffer = open_memory();
    for (int i = 0; i < 4; i++) /* ids 1 to 4 of steps 0 to 3, solved 0, 1, 2, 3 times of 8 */
        add(buffer, AZR_KIND_DEDUCTION, i, i, 0);
    size_t step[5] = {0}, from_one[5] = {0}, success[5] = {0}, recent[5] = {0};
    const azr_draw_from by_step = {.weight = AZR_DRAW_STEP};
    count_draws(buffer, &by_step, 3, 600, step);
    assert_int_equal(step[1], 0);
    assert_in_range(step[2], 60, 140); /* 1, 2, 3 of 6 */
    assert_in_range(step[4], 250, 350);
    const azr_draw_from by_next = {.weight = AZR_DRAW_STEP_FROM_ONE};
    count_draws(buffer, &by_next, 4, 1000, from_one);
    assert_in_range(from_one[1], 50, 150); /* 1, 2, 3, 4 of 10 */
    assert_in_range(from_one[4], 330, 470);
    const azr_draw_from by_success = {.weight = AZR_DRAW_SUCCESS, .again = true};
    count_draws(buffer, &by_success, 8, 1000, success);
    /* 0.1, 0.5375, 0.85, 1.0375 of 2.525 */
    assert_in_range(success[1], 15, 70);
    assert_in_range(success[2], 160, 270);
    assert_in_range(success[4], 350, 475);
    const azr_draw_from last = {.first_step = 2};
    count_draws(buffer, &last, 2, 200, recent);
    assert_int_equal(recent[1] + recent[2], 0);
    assert_in_range(recent[3], 60, 140);
    size_t early[5] = {0};
    const azr_draw_from before = {.first_step = 1, .before_step = 3};
    count_draws(buffer, &before, 2, 200, early);
    assert_int_equal(early[1] + early[4], 0);
    assert_in_range(early[2], 60, 140);
    const azr_draw_from none = {.first_step = 4};
    azr_rng_key key = {.seed = 3};
    size_t n_drawn = 9;
    azr_stored_task task;
    assert_int_equal(
        azr_buffer_draw_from(buffer, AZR_KIND_DEDUCTION, &none, &key, 1, &task, &n_drawn, &error),
        AZR_OK);
    assert_int_equal(n_drawn, 0);
    azr_buffer_close(buffer);
}

static void test_cap(void **state)
{
    (void)state;
    azr_buffer *buffer = open_memory();
    for (int i = 0; i < 5; i++)
        add(buffer, AZR_KIND_DEDUCTION, i, i, 3);
    add(buffer, AZR_KIND_ABDUCTION, 0, 1, 3);
    assert_int_equal(count(buffer, AZR_KIND_DEDUCTION, -1), 3);
    assert_int_equal(count(buffer, AZR_KIND_ABDUCTION, -1), 1);
    assert_int_equal(count(buffer, AZR_KIND_DEDUCTION, 1), 0); /* hidden */
    assert_int_equal(count(buffer, AZR_KIND_DEDUCTION, 2), 1);
    int64_t ids[5];
    assert_int_equal(draw(buffer, AZR_KIND_DEDUCTION, 0, 5, ids), 3);
    for (size_t i = 0; i < 3; i++)
        assert_in_range(ids[i], 3, 5);
    azr_stored_task hidden = make(AZR_KIND_DEDUCTION, 9, 0);
    bool has = false;
    assert_int_equal(azr_buffer_has(buffer, &hidden.task, &has, &error), AZR_OK);
    assert_false(has); /* left the ring */
    azr_stored_task_deinit(&hidden);
    assert_int_equal(azr_buffer_forget_after(buffer, 3, &error), AZR_OK);
    assert_int_equal(count(buffer, AZR_KIND_DEDUCTION, 1), 1); /* back again */
    assert_int_equal(draw(buffer, AZR_KIND_DEDUCTION, 0, 5, ids), 3);
    for (size_t i = 0; i < 3; i++)
        assert_in_range(ids[i], 2, 4);
    azr_buffer_close(buffer);
}

/* Rows that left the ring go from the file, and nothing that a run asks for changes by it, also
 * when it starts again from the step. */
static void test_drop_before(void **state)
{
    (void)state;
    azr_buffer *a = open_memory(), *b = open_memory();
    for (int i = 0; i < 40; i++) {
        add(a, AZR_KIND_DEDUCTION, i, i, 4);
        add(b, AZR_KIND_DEDUCTION, i, i, 4);
        if (i == 20)
            assert_int_equal(azr_buffer_drop_before(b, 18, 0, &error), AZR_OK);
    }
    assert_true(hash(a) == hash(b));
    assert_int_equal(azr_buffer_forget_after(a, 18, &error), AZR_OK);
    assert_int_equal(azr_buffer_forget_after(b, 18, &error), AZR_OK);
    assert_true(hash(a) == hash(b));
    assert_int_equal(count(b, AZR_KIND_DEDUCTION, -1), 4);
    int64_t ids_a[4], ids_b[4];
    assert_int_equal(draw(a, AZR_KIND_DEDUCTION, 0, 4, ids_a), 4);
    assert_int_equal(draw(b, AZR_KIND_DEDUCTION, 0, 4, ids_b), 4);
    assert_memory_equal(ids_a, ids_b, sizeof ids_a);
    /* One step earlier a row is missing that was dropped: it shows. */
    assert_int_equal(azr_buffer_forget_after(a, 17, &error), AZR_OK);
    assert_int_equal(azr_buffer_forget_after(b, 17, &error), AZR_OK);
    assert_int_equal(count(a, AZR_KIND_DEDUCTION, -1), 4);
    assert_int_equal(count(b, AZR_KIND_DEDUCTION, -1), 3);
    azr_buffer_close(a);
    azr_buffer_close(b);
}

static bool has(azr_buffer *buffer, const azr_task *task)
{
    bool found = false;
    assert_int_equal(azr_buffer_has(buffer, task, &found, &error), AZR_OK);
    return found;
}

static void replace(char **text, const char *with)
{
    azr_free(*text);
    *text = azr_copy_text(with, strlen(with));
}

static void test_has(void **state)
{
    (void)state;
    azr_buffer *buffer = open_memory();
    azr_stored_task stored = make(AZR_KIND_INDUCTION, 0, 3);
    assert_false(has(buffer, &stored.task));
    assert_int_equal(azr_buffer_add_task(buffer, &stored, 0, &error), AZR_OK);
    azr_task *task = &stored.task;
    assert_true(has(buffer, task));
    replace(&task->outputs[0], "'another output'"); /* follows from the question */
    assert_true(has(buffer, task));
    replace(&task->program, "\ndef f(a):  \n\n    return a + 3");
    assert_true(has(buffer, task));
    replace(&task->program, "def f(a):\n  return a + 3\n");
    assert_false(has(buffer, task));
    replace(&task->program, "def f(a):\n    return a + 3\n");
    replace(&task->message, "another hint");
    assert_false(has(buffer, task));
    replace(&task->message, "the function returns its argument");
    assert_true(has(buffer, task));
    replace(&task->inputs[5], "2");
    assert_false(has(buffer, task));
    azr_stored_task_deinit(&stored);
    azr_buffer_close(buffer);
}

/* Texts may not run into each other in the hash. */
static void test_has_keeps_pieces_apart(void **state)
{
    (void)state;
    azr_buffer *buffer = open_memory();
    azr_stored_task stored = make(AZR_KIND_INDUCTION, 0, 3);
    replace(&stored.task.inputs[0], "'a'");
    replace(&stored.task.inputs[1], "'b', 'c'");
    assert_int_equal(azr_buffer_add_task(buffer, &stored, 0, &error), AZR_OK);
    replace(&stored.task.inputs[0], "'a''b', ");
    replace(&stored.task.inputs[1], "'c'");
    assert_false(has(buffer, &stored.task));
    azr_stored_task_deinit(&stored);
    stored = make(AZR_KIND_DEDUCTION, 0, 3);
    assert_false(has(buffer, &stored.task));
    assert_int_equal(azr_buffer_add_task(buffer, &stored, 0, &error), AZR_OK);
    stored.task.kind = AZR_KIND_ABDUCTION; /* seeds go into both buffers */
    assert_false(has(buffer, &stored.task));
    azr_stored_task_deinit(&stored);
    azr_buffer_close(buffer);
}

static void step_rows(azr_buffer *buffer, int64_t step)
{
    assert_int_equal(azr_buffer_begin(buffer, &error), AZR_OK);
    for (int i = 0; i < 4; i++)
        add(buffer, (azr_kind)(i % AZR_N_KINDS), step, (int)(10 * step) + i, 6);
    azr_attempt attempt = {.step = step,
                           .role = AZR_ROLE_SOLVER,
                           .kind = AZR_KIND_ABDUCTION,
                           .task_id = 1,
                           .purpose = "solve",
                           .prompt = "prompt",
                           .completion = "4)",
                           .verdict = AZR_VERDICT_WRONG,
                           .detail = NULL,
                           .reward = -0.5,
                           .n_tokens = 2};
    assert_int_equal(azr_buffer_add_attempt(buffer, &attempt, &error), AZR_OK);
    assert_int_equal(azr_buffer_add_metric(buffer, step, "loss", 0.5 * (double)step, &error),
                     AZR_OK);
    assert_int_equal(azr_buffer_add_metric(buffer, step, "odd", NAN, &error), AZR_OK);
    assert_int_equal(azr_buffer_commit(buffer, &error), AZR_OK);
}

static int64_t last_step(azr_buffer *buffer)
{
    int64_t step = -1;
    assert_int_equal(azr_buffer_last_step(buffer, &step, &error), AZR_OK);
    return step;
}

static void test_forget_after(void **state)
{
    (void)state;
    azr_buffer *straight = open_memory(), *resumed = open_memory();
    assert_int_equal(last_step(straight), 0);
    uint64_t empty = hash(straight);
    for (int64_t step = 0; step <= 6; step++)
        step_rows(straight, step);
    for (int64_t step = 0; step <= 5; step++)
        step_rows(resumed, step);
    assert_int_equal(last_step(resumed), 5);
    assert_int_equal(azr_buffer_forget_after(resumed, 3, &error), AZR_OK);
    assert_int_equal(last_step(resumed), 3);
    assert_true(hash(straight) != hash(resumed));
    for (int64_t step = 4; step <= 6; step++)
        step_rows(resumed, step);
    assert_true(hash(straight) == hash(resumed));
    int64_t a[9], b[9];
    for (int kind = 0; kind < AZR_N_KINDS; kind++) {
        size_t n = draw(straight, (azr_kind)kind, 4, 9, a);
        assert_int_equal(n, 6);
        assert_int_equal(draw(resumed, (azr_kind)kind, 4, 9, b), n);
        assert_memory_equal(a, b, n * sizeof *a);
    }
    assert_int_equal(azr_buffer_forget_after(resumed, -1, &error), AZR_OK);
    assert_true(hash(resumed) == empty);
    azr_buffer_close(straight);
    azr_buffer_close(resumed);
}

static void test_hash_sees_everything(void **state)
{
    (void)state;
    uint64_t seen[9];
    for (size_t i = 0; i < AZR_COUNT(seen); i++) {
        azr_buffer *buffer = open_memory();
        azr_stored_task t = make(AZR_KIND_INDUCTION, 2, 3);
        if (i == 1)
            t.step = 3;
        if (i == 2)
            t.reward = -t.reward;
        if (i == 3)
            t.n_attempts++;
        if (i == 4)
            t.n_correct++;
        if (i == 5)
            replace(&t.task.program, "def f(a):\n    return a\n");
        if (i == 6)
            replace(&t.task.outputs[2], "2");
        if (i == 7)
            replace(&t.task.inputs[2], "2");
        if (i == 8)
            replace(&t.task.message, "hint");
        assert_int_equal(azr_buffer_add_task(buffer, &t, 0, &error), AZR_OK);
        seen[i] = hash(buffer);
        for (size_t j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
        azr_stored_task_deinit(&t);
        azr_buffer_close(buffer);
    }
}

static void test_rollback(void **state)
{
    (void)state;
    azr_buffer *buffer = open_memory();
    add(buffer, AZR_KIND_DEDUCTION, 0, 1, 0);
    uint64_t before = hash(buffer);
    assert_int_equal(azr_buffer_begin(buffer, &error), AZR_OK);
    assert_int_equal(add(buffer, AZR_KIND_DEDUCTION, 1, 2, 0), 2);
    assert_int_equal(count(buffer, AZR_KIND_DEDUCTION, -1), 2);
    assert_int_equal(azr_buffer_rollback(buffer, &error), AZR_OK);
    assert_int_equal(azr_buffer_rollback(buffer, &error), AZR_OK); /* nothing open: fine */
    assert_true(hash(buffer) == before);
    assert_int_equal(count(buffer, AZR_KIND_DEDUCTION, -1), 1);
    assert_int_equal(add(buffer, AZR_KIND_DEDUCTION, 1, 2, 0), 2); /* the same id again */
    assert_int_equal(azr_buffer_begin(buffer, &error), AZR_OK);
    add(buffer, AZR_KIND_DEDUCTION, 2, 3, 0);
    assert_int_equal(azr_buffer_forget_after(buffer, 1, &error), AZR_OK); /* inside a transaction */
    assert_int_equal(azr_buffer_commit(buffer, &error), AZR_OK);
    assert_int_equal(count(buffer, AZR_KIND_DEDUCTION, -1), 2);
    azr_buffer_close(buffer);
}

/* 10,000 rows: everything still comes back, and a thousand draws end within the test's patience. */
static void test_many_rows(void **state)
{
    (void)state;
    enum { N = 10000, CAP = 4096 };
    azr_buffer *buffer = open_memory();
    assert_int_equal(azr_buffer_begin(buffer, &error), AZR_OK);
    for (int i = 0; i < N; i++)
        assert_int_equal(add(buffer, AZR_KIND_DEDUCTION, i / 10, i, CAP), i + 1);
    assert_int_equal(azr_buffer_commit(buffer, &error), AZR_OK);
    assert_int_equal(count(buffer, AZR_KIND_DEDUCTION, -1), CAP);
    assert_int_equal(count(buffer, AZR_KIND_DEDUCTION, 999), 10);
    for (uint32_t s = 0; s < 1000; s++) {
        int64_t ids[6];
        assert_int_equal(draw(buffer, AZR_KIND_DEDUCTION, s, 6, ids), 6);
        for (size_t i = 0; i < 6; i++)
            assert_in_range(ids[i], N - CAP + 1, N);
    }
    for (int i = 0; i < N; i += 7) {
        azr_stored_task t = make(AZR_KIND_DEDUCTION, 0, i);
        assert_int_equal(has(buffer, &t.task), i >= N - CAP);
        azr_stored_task_deinit(&t);
    }
    azr_buffer_close(buffer);
}

/* Only programs that others can be made of, each once, whichever kind has it. */
static void test_parts(void **state)
{
    (void)state;
    azr_buffer *buffer = open_memory();
    static const struct {
        azr_kind kind;
        const char *program;
    } rows[] = {
        {AZR_KIND_DEDUCTION, "def f(a):\n    return a + 1\n"},                             /* 1 */
        {AZR_KIND_ABDUCTION, "def f(a):\n    return a + 1\n"},                             /* 2 */
        {AZR_KIND_DEDUCTION, "def g_0(a):\n    return a\ndef f(a):\n    return g_0(a)\n"}, /* 3 */
        {AZR_KIND_ABDUCTION, "x = 1\ndef f(a):\n    return x\n"},                          /* 4 */
        {AZR_KIND_ABDUCTION, "def f(a):\n    return a * 2\n"},                             /* 5 */
        {AZR_KIND_ERROR, "def f(a):\n    return a[9]\n"},                                  /* 6 */
        {AZR_KIND_INDUCTION, "def f(a):\n    return a * 3\n"},                             /* 7 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        azr_stored_task stored = make(rows[i].kind, 1, 0);
        azr_free(stored.task.program);
        stored.task.program = azr_copy_text(rows[i].program, strlen(rows[i].program));
        assert_int_equal(azr_buffer_add_task(buffer, &stored, 0, &error), AZR_OK);
        azr_stored_task_deinit(&stored);
    }
    azr_rng_key key = {.seed = 9, .purpose = AZR_RNG_PARTS, .step = 1};
    int first[8] = {0};
    for (key.sequence = 0; key.sequence < 100; key.sequence++) {
        azr_stored_task drawn[4];
        size_t n = 9;
        assert_int_equal(azr_buffer_draw_parts(buffer, &evenly, &key, 4, drawn, &n, &error),
                         AZR_OK);
        assert_int_equal(n, 2);
        assert_int_equal(drawn[0].id + drawn[1].id, 2 + 5);
        first[drawn[0].id]++;
        for (size_t i = 0; i < n; i++)
            azr_stored_task_deinit(&drawn[i]);
    }
    assert_in_range(first[2], 20, 80);
    azr_buffer_close(buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_odd_texts),
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_draw_is_fisher_yates),
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_programs_are_counted_once),
        cmocka_unit_test(test_weighted_draws),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_drop_before),
        cmocka_unit_test(test_has),
        cmocka_unit_test(test_has_keeps_pieces_apart),
        cmocka_unit_test(test_forget_after),
        cmocka_unit_test(test_hash_sees_everything),
        cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_many_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
