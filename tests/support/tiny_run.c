#include "tiny_run.h"

#include "models.h"
#include "process.h"
#include "tiny_tokenizer.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

enum { FIRST_PIECE = 257, MAX_SETS = 24 };

/* After the bytes and the end token: completions of the template that make sense. */
static const char *const pieces[] = {
    "a):\\n...     return a\\n>>> f(1)\\n\\n",
    "a):\\n...     return [a, 2]\\n>>> f(3)\\n\\n",
    "a):\\n...     return a * 2\\n>>> f(5)\\n\\n",
    " it\\n>>> f(1)\\n1\\n>>> f(2)\\n2\\n>>> f(3)\\n3\\n>>> f(4)\\n4\\n>>> f(5)\\n5\\n>>> "
    "f(6)\\n6\\n\\n",
    "a):\\n    return a\\n\\n\\n",
    "1\\n",
    "1)\\n",
    "'Hello world'\\n",
    "[3, 2]\\n",
};

static void write_file(const char *folder, const char *name, const char *text)
{
    char *path = azr_path_join(folder, name);
    assert_int_equal(azr_file_write(path, text, strlen(text), NULL), AZR_OK);
    azr_free(path);
}

/* Returns how many tokens there are. */
static int64_t write_tokenizer(const char *folder, const char *const *more_pieces)
{
    int64_t n = FIRST_PIECE + (int64_t)AZR_COUNT(pieces);
    azr_strbuf added = {0};
    azr_strbuf_puts(&added, "{\"id\":256,\"content\":\"<|end|>\",\"special\":true}");
    for (size_t i = 0; i < AZR_COUNT(pieces); i++)
        azr_strbuf_printf(&added, ",{\"id\":%zu,\"content\":\"%s\",\"special\":false}",
                          FIRST_PIECE + i, pieces[i]);
    for (; *more_pieces != NULL; more_pieces++, n++)
        azr_strbuf_printf(&added, ",{\"id\":%" PRId64 ",\"content\":\"%s\",\"special\":false}", n,
                          *more_pieces);
    const tiny_tokenizer tokenizer = {.added = added.data};
    tiny_tokenizer_write(&tokenizer, folder);
    azr_strbuf_deinit(&added);
    write_file(folder, "generation_config.json", "{\"eos_token_id\": 256}\n");
    return n;
}

static float *parameter(azr_model *model, const char *name)
{
    for (size_t i = 0; i < azr_model_n_parameters(model); i++)
        if (strcmp(azr_model_parameter(model, i)->name, name) == 0)
            return azr_model_weights(model) + azr_model_parameter(model, i)->offset;
    fail_msg("the model has no %s", name);
    return NULL;
}

/* Element 0 of every state is large and alike, so that the head's element 0 is a bias: pieces are
 * likely, single bytes are not. */
static void write_model(const char *folder, int64_t n_tokens)
{
    azr_model_shape shape = test_shape(AZR_FAMILY_LLAMA);
    shape.n_layers = 2;
    shape.d_model = 32;
    shape.n_heads = 2;
    shape.n_kv_heads = 1;
    shape.n_vocab = n_tokens;
    shape.max_seq_len = 8192; /* instructions in words, a token for each byte */
    azr_model *model;
    azr_error error;
    assert_ok(azr_model_create(&shape, AZR_DTYPE_F32, 7, &model, &error), &error);
    float *embedding = parameter(model, "model.embed_tokens.weight");
    float *head = parameter(model, "lm_head.weight");
    for (int64_t token = 0; token < shape.n_vocab; token++) {
        embedding[token * shape.d_model] = 1.0F;
        head[token * shape.d_model] = token >= FIRST_PIECE ? 0.0F : token == 256 ? -0.3F : -1.1F;
    }
    assert_ok(azr_model_save(model, folder, &error), &error);
    azr_model_destroy(model);
}

char *tiny_run_path(const tiny_run *tiny, const char *name)
{
    return azr_path_join(tiny->folder, name);
}

void tiny_run_create(tiny_run *tiny)
{
    const char *const none[] = {NULL};
    tiny_run_create_with(tiny, none);
}

void tiny_run_create_with(tiny_run *tiny, const char *const *more_pieces)
{
    azr_error error;
    const char *temporary = getenv("TMPDIR");
    tiny->seconds = 600;
    int n = snprintf(tiny->folder, sizeof tiny->folder, "%s/azr-train-XXXXXX",
                     temporary != NULL ? temporary : "/tmp");
    AZR_CHECK(n > 0 && (size_t)n < sizeof tiny->folder && mkdtemp(tiny->folder) != NULL);
    assert_ok(azr_kernels_init(&error), &error);
    char *model = tiny_run_path(tiny, "model");
    assert_ok(azr_directory_create(model, &error), &error);
    write_model(model, write_tokenizer(model, more_pieces));
    azr_strbuf config = {0};
    azr_strbuf_printf(&config,
                      "model: %s\ndtype: f32\nthreads: 1\ntotal_steps: 4\nbatch_size: 4\n"
                      "seed_tasks: 6\nseed_rounds: 2\nreferences: 2\nestimate_samples: 3\n"
                      "max_prompt_tokens: 700\nmax_response_tokens: 12\nmax_answer_tokens: 6\n"
                      "learning_rate: 0.01\nentropy_coef: 0.01\nmicro_batch_tokens: 512\n"
                      "checkpoint_every: 2\nexec_workers: 1\nexec_require: limits\n",
                      model);
    write_file(tiny->folder, "config.yaml", config.data);
    azr_strbuf_deinit(&config);
    azr_free(model);
}

void tiny_run_remove(tiny_run *tiny)
{
    azr_directory_remove(tiny->folder, NULL);
}

pid_t tiny_run_start(const tiny_run *tiny, const char *name, bool resume, const char *const *sets)
{
    char *run = tiny_run_path(tiny, name), *log = tiny_run_path(tiny, "log");
    char *config = tiny_run_path(tiny, "config.yaml");
    const char *argv[8 + 2 * MAX_SETS] = {azr_test_binary(), "train", "--config", config,
                                          "--run",           run};
    size_t n = 6;
    if (resume)
        argv[n++] = "--resume";
    for (size_t i = 0; sets != NULL && sets[i] != NULL && i < MAX_SETS; i++) {
        argv[n++] = "--set";
        argv[n++] = sets[i];
    }
    fflush(NULL);
    pid_t pid = fork();
    AZR_CHECK(pid >= 0);
    if (pid == 0) {
        int out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0666), in = open("/dev/null", O_RDONLY);
        if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
            _exit(125);
        alarm(tiny->seconds);
        execv(argv[0], (char *const *)argv);
        _exit(126);
    }
    azr_free(run);
    azr_free(log);
    azr_free(config);
    return pid;
}

int tiny_run_wait(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        AZR_CHECK(errno == EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static char *read_text(const tiny_run *tiny, const char *name, size_t *out_size)
{
    char *path = tiny_run_path(tiny, name), *text = NULL;
    azr_error error;
    assert_ok(azr_file_read(path, 64 << 20, &text, out_size, &error), &error);
    azr_free(path);
    return text;
}

void tiny_run_train(const tiny_run *tiny, const char *name, bool resume, const char *const *sets)
{
    int code = tiny_run_wait(tiny_run_start(tiny, name, resume, sets));
    if (code != 0)
        fail_msg("azr train: exit code %d:\n%s", code, read_text(tiny, "log", NULL));
}

void tiny_run_refused(const tiny_run *tiny, const char *name, bool resume, const char *const *sets,
                      const char *part)
{
    int code = tiny_run_wait(tiny_run_start(tiny, name, resume, sets));
    char *log = read_text(tiny, "log", NULL);
    if (code != 1 || strstr(log, part) == NULL)
        fail_msg("exit code %d, wanted 1 and '%s':\n%s", code, part, log);
    azr_free(log);
}

static void same_file(const tiny_run *tiny, const char *a, const char *b, int64_t step,
                      const char *file)
{
    const char *const runs[] = {a, b};
    char *texts[2], name[256];
    size_t sizes[2];
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s/checkpoints/step-%06" PRId64 "/%s", runs[i], step, file);
        texts[i] = read_text(tiny, name, &sizes[i]);
    }
    if (sizes[0] != sizes[1] || memcmp(texts[0], texts[1], sizes[0]) != 0)
        fail_msg("%s of step %" PRId64 " differs between %s and %s", file, step, a, b);
    azr_free(texts[0]);
    azr_free(texts[1]);
}

/* The steps of metrics.jsonl, each with all its lines, without what depends on time, as one text.
 */
static char *stable_metrics(const tiny_run *tiny, const char *run)
{
    char name[256];
    snprintf(name, sizeof name, "%s/metrics.jsonl", run);
    char *text = read_text(tiny, name, NULL);
    azr_strbuf kept = {0};
    json_t *steps = json_object();
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        json_t *object = json_loads(line, 0, NULL), *value;
        const char *key;
        void *next;
        char step[32];
        assert_non_null(object);
        json_object_foreach_safe(object, next, key, value)
        {
            if (strncmp(key, "timing_", 7) == 0 || strncmp(key, "tokens_per_s/", 13) == 0)
                json_object_del(object, key);
        }
        snprintf(step, sizeof step, "%" JSON_INTEGER_FORMAT,
                 json_integer_value(json_object_get(object, "step")));
        if (json_object_get(steps, step) != NULL)
            json_object_update(json_object_get(steps, step), object);
        else if (json_object_size(object) > 1) /* more than its number */
            json_object_set(steps, step, object);
        json_decref(object);
    }
    char *all = json_dumps(steps, JSON_SORT_KEYS | JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    azr_strbuf_puts(&kept, all);
    free(all);
    json_decref(steps);
    azr_free(text);
    return azr_strbuf_steal(&kept);
}

void tiny_run_equal(const tiny_run *tiny, const char *a, const char *b, int64_t step)
{
    static const char *const files[] = {"model.safetensors", "optimizer.safetensors", "config.json",
                                        "tokenizer.json", "state.json"};
    for (size_t i = 0; i < AZR_COUNT(files); i++)
        same_file(tiny, a, b, step, files[i]);
    char *metrics_a = stable_metrics(tiny, a), *metrics_b = stable_metrics(tiny, b);
    assert_string_equal(metrics_a, metrics_b);
    azr_free(metrics_a);
    azr_free(metrics_b);
}

double tiny_run_query(const tiny_run *tiny, const char *name, const char *sql)
{
    char *folder = tiny_run_path(tiny, name), *path = azr_path_join(folder, "run.db");
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    double value = sqlite3_column_type(statement, 0) == SQLITE_NULL
                       ? NAN
                       : sqlite3_column_double(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    azr_free(path);
    azr_free(folder);
    return value;
}

double tiny_run_metric(const tiny_run *tiny, const char *name, int64_t step, const char *metric)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT max(value) FROM metrics WHERE step = %" PRId64 " AND name = '%s'", step,
             metric);
    return tiny_run_query(tiny, name, sql);
}
