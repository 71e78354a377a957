/* test_buffer_file.c: run.db as a file: kills, second writers, foreign and damaged files, full
 * disks. */
#include "azr/buffer.h"

#include "base/files.h"
#include "base/memory.h"

#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
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

typedef struct fixture {
    char folder[64], path[128];
    azr_error error;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    strcpy(f->folder, "/tmp/azr-buffer-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/run.db", f->folder);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    chmod(f->folder, 0700);
    assert_int_equal(azr_directory_remove(f->folder, NULL), AZR_OK);
    free(f);
    return 0;
}

static azr_buffer *must_open(fixture *f)
{
    azr_buffer *buffer = NULL;
    azr_status status = azr_buffer_open(f->path, &buffer, &f->error);
    if (status != AZR_OK)
        print_error("%s\n", f->error.text);
    assert_int_equal(status, AZR_OK);
    return buffer;
}

static uint64_t hash(fixture *f, azr_buffer *buffer)
{
    uint64_t value = 0;
    assert_int_equal(azr_buffer_hash(buffer, &value, &f->error), AZR_OK);
    return value;
}

/* One step of a run; no cmocka in here, since children call it too. */
static azr_status step_rows(azr_buffer *buffer, int64_t step, int n_rows, bool commit,
                            azr_error *error)
{
    azr_status status = azr_buffer_begin(buffer, error);
    for (int i = 0; status == AZR_OK && i < n_rows; i++) {
        azr_stored_task stored = {.step = step, .reward = i};
        azr_task_identity((azr_kind)(i % AZR_N_KINDS), &stored.task);
        status = azr_buffer_add_task(buffer, &stored, 0, error);
        azr_stored_task_deinit(&stored);
    }
    if (status == AZR_OK)
        status = azr_buffer_add_metric(buffer, step, "loss", 1, error);
    if (status == AZR_OK && commit)
        status = azr_buffer_commit(buffer, error);
    return status;
}

static void assert_sentence(const fixture *f, const char *part)
{
    assert_memory_equal(f->error.text, f->path, strlen(f->path));
    if (strstr(f->error.text, part) == NULL)
        fail_msg("'%s' does not say '%s'", f->error.text, part);
}

static void assert_refused(fixture *f, azr_status expected, const char *part)
{
    azr_buffer *buffer = NULL;
    f->error = (azr_error){0};
    assert_int_equal(azr_buffer_open(f->path, &buffer, &f->error), expected);
    assert_null(buffer);
    assert_int_equal(f->error.status, expected);
    assert_sentence(f, part);
}

static void test_reopen(void **state)
{
    fixture *f = *state;
    azr_buffer *buffer = must_open(f);
    assert_int_equal(step_rows(buffer, 1, 5, true, &f->error), AZR_OK);
    uint64_t before = hash(f, buffer);
    azr_buffer_close(buffer);
    buffer = must_open(f);
    assert_true(hash(f, buffer) == before);
    assert_int_equal(step_rows(buffer, 2, 5, true, &f->error), AZR_OK);
    azr_buffer_close(buffer);
    assert_int_equal(azr_buffer_open_read_only(f->path, &buffer, &f->error), AZR_OK);
    int64_t n = 0, step = 0;
    assert_int_equal(azr_buffer_count(buffer, AZR_KIND_DEDUCTION, -1, &n, &f->error), AZR_OK);
    assert_int_equal(n, 4);
    assert_int_equal(azr_buffer_last_step(buffer, &step, &f->error), AZR_OK);
    assert_int_equal(step, 2);
    assert_int_equal(azr_buffer_add_metric(buffer, 3, "loss", 1, &f->error), AZR_ERROR_IO);
    assert_sentence(f, "read-only");
    azr_buffer_close(buffer);
}

/* Equal runs give equal files, whether in one go or resumed. */
static void test_same_bytes(void **state)
{
    fixture *f = *state;
    char *texts[2];
    size_t sizes[2];
    for (int run = 0; run < 2; run++) {
        unlink(f->path);
        azr_buffer *buffer = must_open(f);
        for (int64_t step = 1; step <= 3; step++)
            assert_int_equal(step_rows(buffer, step, 9, true, &f->error), AZR_OK);
        azr_buffer_close(buffer);
        assert_int_equal(azr_file_read(f->path, 1 << 24, &texts[run], &sizes[run], NULL), AZR_OK);
    }
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(texts[0], texts[1], sizes[0]);
    azr_free(texts[0]);
    azr_free(texts[1]);
}

static void test_read_while_written(void **state)
{
    fixture *f = *state;
    azr_buffer *writer = must_open(f), *reader = NULL;
    int64_t n = 0;
    assert_int_equal(azr_buffer_open_read_only(f->path, &reader, &f->error), AZR_OK);
    assert_int_equal(step_rows(writer, 1, 3, true, &f->error), AZR_OK);
    assert_int_equal(azr_buffer_count(reader, AZR_KIND_ABDUCTION, -1, &n, &f->error), AZR_OK);
    assert_int_equal(n, 1);
    assert_int_equal(step_rows(writer, 2, 3, true, &f->error), AZR_OK);
    assert_int_equal(azr_buffer_count(reader, AZR_KIND_ABDUCTION, -1, &n, &f->error), AZR_OK);
    assert_int_equal(n, 2);
    azr_buffer_close(reader);
    azr_buffer_close(writer);
}

static void test_second_writer(void **state)
{
    fixture *f = *state;
    azr_buffer *buffer = must_open(f);
    assert_refused(f, AZR_ERROR_IO, "another azr");
    azr_buffer_close(buffer);
    azr_buffer_close(must_open(f));
}

/* Kills a writer at some moment: afterwards each step is there whole or not at all, and the run
 * goes on to the same rows as one that was never killed. */
static void test_kills(void **state)
{
    fixture *f = *state;
    enum { N_STEPS = 150, N_ROWS = 7, N_KILLS = 50 };
    azr_buffer *straight = NULL;
    assert_int_equal(azr_buffer_open(":memory:", &straight, &f->error), AZR_OK);
    for (int64_t step = 1; step <= N_STEPS; step++)
        assert_int_equal(step_rows(straight, step, N_ROWS, true, &f->error), AZR_OK);
    for (useconds_t kill_number = 0; kill_number < N_KILLS; kill_number++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            azr_buffer *buffer = NULL;
            int64_t step = 0;
            azr_status status = azr_buffer_open(f->path, &buffer, NULL);
            if (status == AZR_OK)
                status = azr_buffer_last_step(buffer, &step, NULL);
            while (status == AZR_OK && step < N_STEPS)
                status = step_rows(buffer, ++step, N_ROWS, true, NULL);
            _exit(status == AZR_OK ? 0 : 1);
        }
        usleep(500 + 700 * (kill_number % 10));
        kill(child, SIGKILL);
        int how = 0;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how) || WEXITSTATUS(how) == 0);
        azr_buffer *buffer = must_open(f);
        int64_t step = -1, n = 0;
        assert_int_equal(azr_buffer_last_step(buffer, &step, &f->error), AZR_OK);
        for (int kind = 0; kind < AZR_N_KINDS; kind++) {
            int64_t n_kind = 0;
            assert_int_equal(azr_buffer_count(buffer, (azr_kind)kind, -1, &n_kind, &f->error), 0);
            n += n_kind;
        }
        assert_int_equal(n, step * N_ROWS);
        azr_buffer_close(buffer);
    }
    azr_buffer *buffer = must_open(f);
    int64_t step = 0;
    assert_int_equal(azr_buffer_last_step(buffer, &step, &f->error), AZR_OK);
    while (step < N_STEPS)
        assert_int_equal(step_rows(buffer, ++step, N_ROWS, true, &f->error), AZR_OK);
    assert_true(hash(f, buffer) == hash(f, straight));
    azr_buffer_close(buffer);
    azr_buffer_close(straight);
}

/* A kill while pages of an open transaction are in the file already: the journal brings them back.
 */
static void test_kill_with_hot_journal(void **state)
{
    fixture *f = *state;
    azr_buffer *buffer = must_open(f);
    assert_int_equal(step_rows(buffer, 1, 5, true, &f->error), AZR_OK);
    uint64_t before = hash(f, buffer);
    azr_buffer_close(buffer);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (azr_buffer_open(f->path, &buffer, NULL) == AZR_OK)
            step_rows(buffer, 2, 20000, false, NULL); /* more than SQLite keeps in memory */
        kill(getpid(), SIGKILL);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how));
    char journal[160];
    snprintf(journal, sizeof journal, "%s-journal", f->path);
    assert_true(azr_file_exists(journal));
    assert_int_equal(azr_buffer_open_read_only(f->path, &buffer, &f->error), AZR_ERROR_IO);
    assert_sentence(f, "middle of a write");
    buffer = must_open(f);
    assert_true(hash(f, buffer) == before);
    azr_buffer_close(buffer);
}

static void write_bytes(fixture *f, const void *bytes, size_t size)
{
    assert_int_equal(azr_file_write(f->path, bytes, size, NULL), AZR_OK);
}

/* What is there stays as it was. */
static void assert_untouched(fixture *f, const void *bytes, size_t size)
{
    char *now;
    size_t n;
    assert_int_equal(azr_file_read(f->path, 1 << 24, &now, &n, NULL), AZR_OK);
    assert_int_equal(n, size);
    assert_memory_equal(now, bytes, size);
    azr_free(now);
}

static void execute(fixture *f, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_foreign_files(void **state)
{
    fixture *f = *state;
    char text[4096];
    memset(text, 'x', sizeof text);
    write_bytes(f, text, sizeof text);
    assert_refused(f, AZR_ERROR_INPUT, "is no database");
    assert_untouched(f, text, sizeof text);
    unlink(f->path);
    execute(f, "CREATE TABLE tasks (id INTEGER)");
    char *before;
    size_t size;
    assert_int_equal(azr_file_read(f->path, 1 << 20, &before, &size, NULL), AZR_OK);
    assert_refused(f, AZR_ERROR_INPUT, "not of an azr run");
    assert_untouched(f, before, size);
    azr_free(before);
    azr_buffer *buffer = NULL;
    assert_int_equal(azr_buffer_open_read_only(f->path, &buffer, &f->error), AZR_ERROR_INPUT);
    assert_sentence(f, "not of an azr run");
}

static void test_newer_schema(void **state)
{
    fixture *f = *state;
    azr_buffer_close(must_open(f));
    execute(f, "PRAGMA user_version = 3");
    assert_refused(f, AZR_ERROR_UNSUPPORTED, "schema 3 is newer");
}

static void test_damaged(void **state)
{
    fixture *f = *state;
    azr_buffer *buffer = must_open(f);
    assert_int_equal(step_rows(buffer, 1, 40, true, &f->error), AZR_OK);
    azr_buffer_close(buffer);
    struct stat before;
    assert_int_equal(stat(f->path, &before), 0);
    assert_int_equal(truncate(f->path, before.st_size / 2), 0);
    f->error = (azr_error){0};
    azr_status status = azr_buffer_open(f->path, &buffer, &f->error);
    uint64_t value;
    if (status == AZR_OK) {
        status = azr_buffer_hash(buffer, &value, &f->error);
        azr_buffer_close(buffer);
    }
    assert_int_equal(status, AZR_ERROR_INPUT);
    assert_sentence(f, "damaged");
}

/* Rows that azr would never write. */
static void test_damaged_rows(void **state)
{
    fixture *f = *state;
    static const char *const updates[] = {
        "UPDATE tasks SET kind = 'guessing'", "UPDATE tasks SET inputs = '[1]'",
        "UPDATE tasks SET inputs = '[]'",     "UPDATE tasks SET outputs = '{'",
        "UPDATE tasks SET message = 'hint'",  "UPDATE tasks SET outputs = '[\"1\", \"2\"]'",
    };
    for (size_t i = 0; i < sizeof updates / sizeof *updates; i++) {
        unlink(f->path);
        azr_buffer *buffer = must_open(f);
        assert_int_equal(step_rows(buffer, 1, 1, true, &f->error), AZR_OK);
        azr_buffer_close(buffer);
        execute(f, updates[i]);
        buffer = must_open(f);
        uint64_t value;
        f->error = (azr_error){0};
        assert_int_equal(azr_buffer_hash(buffer, &value, &f->error), AZR_ERROR_INPUT);
        assert_sentence(f, "task 1 is damaged");
        azr_buffer_close(buffer);
    }
}

static void test_no_folder(void **state)
{
    fixture *f = *state;
    snprintf(f->path, sizeof f->path, "%s/none/run.db", f->folder);
    assert_refused(f, AZR_ERROR_IO, "No such file or directory");
    azr_buffer *buffer = NULL;
    assert_int_equal(azr_buffer_open_read_only(f->path, &buffer, &f->error), AZR_ERROR_IO);
    strcpy(f->path, f->folder);
    assert_refused(f, AZR_ERROR_IO, "Is a directory");
    assert_int_equal(azr_buffer_open("", &buffer, &f->error), AZR_ERROR_INPUT);
}

static void test_read_only_folder(void **state)
{
    fixture *f = *state;
    if (geteuid() == 0)
        skip(); /* permissions do not bind root */
    azr_buffer_close(must_open(f));
    assert_int_equal(chmod(f->path, 0400), 0);
    assert_refused(f, AZR_ERROR_IO, "Permission denied");
    assert_int_equal(chmod(f->path, 0600), 0);
    assert_int_equal(chmod(f->folder, 0500), 0);
    azr_buffer *buffer = NULL;
    assert_int_equal(azr_buffer_open_read_only(f->path, &buffer, &f->error), AZR_OK);
    azr_buffer_close(buffer);
    buffer = must_open(f);
    assert_int_equal(step_rows(buffer, 1, 5, true, &f->error), AZR_ERROR_IO);
    assert_sentence(f, "cannot be");
    azr_buffer_close(buffer);
}

/* A file that may not grow stands for a full disk: the step is refused whole. */
static void test_no_space(void **state)
{
    fixture *f = *state;
    azr_buffer *buffer = must_open(f);
    assert_int_equal(step_rows(buffer, 1, 5, true, &f->error), AZR_OK);
    uint64_t before = hash(f, buffer);
    struct rlimit old, small = {1 << 16, 1 << 16};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    azr_status status = step_rows(buffer, 2, 5000, true, &f->error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(status, AZR_ERROR_IO);
    assert_sentence(f, "run.db: ");
    assert_int_equal(azr_buffer_rollback(buffer, &f->error), AZR_OK);
    assert_true(hash(f, buffer) == before);
    assert_int_equal(step_rows(buffer, 2, 5, true, &f->error), AZR_OK); /* space again: goes on */
    azr_buffer_close(buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reopen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_same_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_while_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_writer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kills, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kill_with_hot_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newer_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_only_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_space, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
