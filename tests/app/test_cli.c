/* test_cli.c: azr as a user meets it: help, options, exit codes, one sentence for each mistake. */
#include "../support/process.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_ARGS = 24 };

static char folder[] = "/tmp/azr-cli-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return azr_directory_remove(folder, NULL) == AZR_OK ? 0 : -1;
}

/* "<folder>/<name>"; one of four buffers in turn. */
static const char *in_folder(const char *name)
{
    static char paths[4][256];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static const char *write_file(const char *name, const void *bytes, size_t size)
{
    const char *path = in_folder(name);
    assert_int_equal(azr_file_write(path, bytes, size, NULL), AZR_OK);
    return path;
}

static const char *write_text(const char *name, const char *text)
{
    return write_file(name, text, strlen(text));
}

/* azr with the arguments up to NULL. */
static azr_test_process run_list(va_list args, const char *first)
{
    const char *argv[MAX_ARGS + 2] = {azr_test_binary(), first};
    for (size_t n = 2; first != NULL; n++) {
        assert_true(n <= MAX_ARGS);
        argv[n] = va_arg(args, const char *);
        if (argv[n] == NULL)
            break;
    }
    return azr_test_process_run(argv, NULL);
}

static azr_test_process run(const char *first, ...)
{
    va_list args;
    va_start(args, first);
    azr_test_process process = run_list(args, first);
    va_end(args);
    return process;
}

/* One sentence on the standard error that holds `expected`, and exit code 1. */
static void check_sentence(azr_test_process *process, const char *expected)
{
    const char *text = process->err;
    size_t size = strlen(text);
    if (process->code != 1 || size < 6 || strncmp(text, "azr: ", 5) != 0 ||
        strchr(text, '\n') != text + size - 1 || text[size - 2] == '.' ||
        strstr(text, expected) == NULL)
        fail_msg("exit code %d, wanted 1 and '%s' in one sentence:\n%s%s", process->code, expected,
                 process->out, text);
    azr_test_process_deinit(process);
}

static void refused(const char *expected, const char *first, ...)
{
    va_list args;
    va_start(args, first);
    azr_test_process process = run_list(args, first);
    va_end(args);
    check_sentence(&process, expected);
}

/* --- help and options ------------------------------------------------------------------------- */

static const char *const commands[] = {"train", "generate", "score", "propose",
                                       "solve", "exec",     "bench", "info"};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static void test_help(void **state)
{
    (void)state;
    azr_test_process all = run("--help", NULL);
    assert_int_equal(all.code, 0);
    assert_string_equal(all.err, "");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        char line[32];
        snprintf(line, sizeof line, "\n  %-10s ", commands[i]);
        if (strstr(all.out, line) == NULL)
            fail_msg("azr --help does not list %s", commands[i]);
        azr_test_process help = run(commands[i], "--help", NULL);
        assert_int_equal(help.code, 0);
        assert_string_equal(help.err, "");
        snprintf(line, sizeof line, "azr %s", commands[i]);
        assert_memory_equal(help.out, line, strlen(line));
        assert_non_null(strstr(help.out, "--help"));
        azr_test_process again = run(commands[i], "-h", NULL);
        assert_string_equal(again.out, help.out);
        azr_test_process_deinit(&again);
        azr_test_process_deinit(&help);
    }
    azr_test_process_deinit(&all);
}

static void test_threads_and_json_everywhere(void **state)
{
    (void)state;
    static const char *const with_json[] = {"generate", "score", "propose", "solve", "bench"};
    static const char *const with_threads[] = {"train", "generate", "score", "propose",
                                               "solve", "bench",    "info"};
    for (size_t i = 0; i < sizeof with_json / sizeof with_json[0]; i++) {
        azr_test_process help = run(with_json[i], "--help", NULL);
        assert_non_null(strstr(help.out, "--json"));
        azr_test_process_deinit(&help);
    }
    for (size_t i = 0; i < sizeof with_threads / sizeof with_threads[0]; i++) {
        azr_test_process help = run(with_threads[i], "--help", NULL);
        assert_non_null(strstr(help.out, "--threads"));
        azr_test_process_deinit(&help);
    }
}

static void test_train_help_lists_keys(void **state)
{
    (void)state;
    azr_test_process help = run("train", "--help", NULL);
    static const char *const keys[] = {"\nlearning_rate ", "\nbatch_size ", "\nexec_require "};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_non_null(strstr(help.out, keys[i]));
    azr_test_process_deinit(&help);
}

static void test_wrong_options(void **state)
{
    (void)state;
    refused("azr --help", NULL);
    refused("unknown command 'scroe': did you mean 'score'?", "scroe", NULL);
    refused("unknown option --txet: did you mean --text?", "score", "--txet", "a", NULL);
    refused("unknown option -x", "score", "-x", NULL);
    refused("option --text needs TEXT", "score", "--text", NULL);
    refused("option --json takes no value", "score", "--json=1", NULL);
    refused("unexpected argument 'more'", "score", "more", NULL);
    refused("option --threads must be from 0 to 1024, not -1", "score", "-t", "-1", NULL);
    refused("option --threads must be from 0 to 1024, not 99999999999999999999", "score", "-t",
            "99999999999999999999", NULL);
    refused("option --threads needs a whole number, not '2x'", "score", "-t2x", NULL);
    refused("option --temp must be from 0 to 100, not -0.5", "generate", "--temp", "-0.5", NULL);
    refused("option --temp needs a number, not 'nan'", "generate", "--temp=nan", NULL);
    refused("option --top-p must be from 0.01 to 1", "generate", "--top-p", "2", NULL);
    refused("exactly one of --text, -f and --tokens", "score", "-m", "x", NULL);
    refused("exactly one of --text, -f and --tokens", "score", "-m", "x", "--text", "a", "--tokens",
            "1", NULL);
    refused("exactly one of -p and -f", "generate", "-m", "x", NULL);
    refused("-m needs a folder or a .gguf file", "score", "--text", "a", NULL);
    refused("option --dtype must be f32, bf16 or auto", "score", "-m", "x", "--text", "a",
            "--dtype", "f16", NULL);
    refused("option --kv-dtype must be f16 or f32", "score", "-m", "x", "--text", "a", "--kv-dtype",
            "bf16", NULL);
    refused("option --stop needs", "generate", "-m", "x", "-p", "a", "--stop", "", NULL);
    refused("option --kind must be", "propose", "-m", "x", "--kind", "guessing", NULL);
    refused("solve needs --task FILE", "solve", "-m", "x", NULL);
    refused("one model or run", "info", NULL);
}

/* Output that cannot be written is an error, not a success. */
static void test_full_output(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    const char *const argv[] = {azr_test_binary(), "--help", NULL};
    azr_test_process process = azr_test_process_run(argv, "/dev/full");
    check_sentence(&process, "cannot write to the standard output: No space left on device");
}

/* --- models ----------------------------------------------------------------------------------- */

static void refused_model(const char *path, const char *expected)
{
    refused(expected, "info", path, NULL);
    refused(expected, "score", "-m", path, "--text", "a", NULL);
    refused(expected, "generate", "-m", path, "-p", "a", NULL);
}

static void test_bad_models(void **state)
{
    (void)state;
    refused_model(in_folder("missing"), "missing");
    refused_model(in_folder("missing.gguf"), "missing.gguf");
    refused_model(write_text("text.gguf", "this is no model at all"), "text.gguf");
    refused_model(write_file("short.gguf", "GGUF\3\0\0\0", 8), "short.gguf");
    refused_model(
        write_file("many.gguf", "GGUF\3\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f\1\0\0\0\0\0\0\0", 24),
        "many.gguf");
    refused_model(write_text("empty.gguf", ""), "empty.gguf");
    const char *path = in_folder("nothing");
    assert_int_equal(mkdir(path, 0777), 0);
    refused_model(path, "nothing");
}

static void write_model_folder(const char *name, const char *config, const void *weights,
                               size_t size)
{
    char file[64];
    assert_int_equal(azr_directory_create(in_folder(name), NULL), AZR_OK);
    snprintf(file, sizeof file, "%s/config.json", name);
    write_text(file, config);
    snprintf(file, sizeof file, "%s/model.safetensors", name);
    write_file(file, weights, size);
    snprintf(file, sizeof file, "%s/tokenizer.json", name);
    write_text(file, "{}");
}

static void test_bad_model_folders(void **state)
{
    (void)state;
    static const char no_tensors[] = "\2\0\0\0\0\0\0\0{}";
    write_model_folder("foreign", "{\"model_type\": \"mamba\", \"hidden_size\": 8}", no_tensors,
                       sizeof no_tensors - 1);
    refused_model(in_folder("foreign"), "mamba");
    write_model_folder("no-json", "model_type: llama", no_tensors, sizeof no_tensors - 1);
    refused_model(in_folder("no-json"), "no-json");
    write_model_folder("huge",
                       "{\"model_type\": \"llama\", \"hidden_size\": 4611686018427387904,"
                       "\"intermediate_size\": 8, \"num_hidden_layers\": 1,"
                       "\"num_attention_heads\": 1, \"vocab_size\": 8,"
                       "\"max_position_embeddings\": 8, \"rms_norm_eps\": 1e-5}",
                       no_tensors, sizeof no_tensors - 1);
    refused_model(in_folder("huge"), "huge");
}

/* The first megabyte of a good model. */
static void test_truncated_model(void **state)
{
    (void)state;
    const char *models = getenv("AZR_MODELS");
    azr_strbuf path = {0};
    azr_strbuf_printf(&path, "%s/smollm2-135m/SmolLM2-135M-Instruct.Q4_1.gguf",
                      models != NULL ? models : "models");
    azr_file_map map;
    if (azr_file_map_open(path.data, &map, NULL) != AZR_OK) {
        azr_strbuf_deinit(&path);
        skip();
    }
    write_file("truncated.gguf", map.bytes, 1 << 20);
    refused_model(in_folder("truncated.gguf"), "truncated.gguf");
    write_file("cut.gguf", map.bytes, map.size - 1000);
    refused_model(in_folder("cut.gguf"), "cut.gguf");
    azr_file_map_close(&map);
    azr_strbuf_deinit(&path);
}

/* --- training --------------------------------------------------------------------------------- */

static void test_bad_configs(void **state)
{
    (void)state;
    refused("train needs --config FILE", "train", NULL);
    refused("cannot open", "train", "--config", in_folder("none.yaml"), NULL);
    const char *path = write_text("key.yaml", "model: m\nbatch_sise: 4\n");
    refused("key.yaml:2: unknown key 'batch_sise': did you mean 'batch_size'?", "train", "--config",
            path, NULL);
    path = write_text("range.yaml", "model: m\nseed: 1\ntop_p: 7\n");
    refused("range.yaml:3: top_p must be from 0.01 to 1, not 7", "train", "--config", path, NULL);
    path = write_text("good.yaml", "model: m\n");
    refused("--set: unknown key 'sed': did you mean 'seed'?", "train", "--config", path, "--set",
            "sed=1", NULL);
    refused("--set needs key=value", "train", "--config", path, "--set", "seed", NULL);
    refused("no model given", "train", "--config", path, "--set", "model=", NULL);
    refused("--resume needs --run DIR", "train", "--config", path, "--resume", NULL);
    refused("socratic", "train", "--config", path, "--set", "template=socratic", NULL);
    path = write_text("template.yaml", "model: m\ntemplate: socratic\n");
    refused("transcript", "train", "--config", path, NULL);
    assert_int_equal(access("runs/socratic", F_OK), -1);
}

static const char *small_model(void)
{
    static char path[512];
    const char *models = getenv("AZR_MODELS");
    snprintf(path, sizeof path, "%s/smollm2-135m", models != NULL ? models : "models");
    return azr_directory_exists(path) ? path : NULL;
}

/* A missing model leaves no run behind. */
static void test_train_missing_model(void **state)
{
    (void)state;
    const char *path = write_text("missing.yaml", "model: no/such/model\n");
    const char *directory = in_folder("run-missing");
    refused("no/such/model", "train", "--config", path, "--run", directory, NULL);
    assert_false(azr_directory_exists(directory));
    refused("no/such/model", "train", "--config", path, "--run", directory, "--dry-run", NULL);
    assert_false(azr_directory_exists(directory));
}

/* What was in the folder stays, to the byte. */
static void test_train_existing_run(void **state)
{
    (void)state;
    if (small_model() == NULL)
        skip();
    char model[600];
    snprintf(model, sizeof model, "model=%s", small_model());
    const char *path = write_text("existing.yaml", "model: m\n");
    char directory[256], file[300];
    snprintf(directory, sizeof directory, "%s", in_folder("run-existing"));
    assert_int_equal(mkdir(directory, 0777), 0);
    snprintf(file, sizeof file, "%s/config.yaml", directory);
    assert_int_equal(azr_file_write(file, "model: mine\n", 12, NULL), AZR_OK);
    refused("run-existing", "train", "--config", path, "--set", model, "--run", directory, NULL);
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(azr_file_read(file, 4096, &text, &size, NULL), AZR_OK);
    assert_string_equal(text, "model: mine\n");
    azr_free(text);
    /* And what is not there cannot be resumed. */
    refused("run-none", "train", "--config", path, "--set", model, "--run", in_folder("run-none"),
            "--resume", NULL);
    assert_false(azr_directory_exists(in_folder("run-none")));
}

/* /proc takes no folders, not even from root. */
static void test_train_read_only_folder(void **state)
{
    (void)state;
    if (small_model() == NULL)
        skip();
    char model[600];
    snprintf(model, sizeof model, "model=%s", small_model());
    const char *path = write_text("proc.yaml", "model: m\n");
    refused("/proc/azr-run", "train", "--config", path, "--set", model, "--run", "/proc/azr-run",
            NULL);
}

/* A run in a file system of 16 KiB. */
static void test_train_full_disk(void **state)
{
    (void)state;
    if (small_model() == NULL)
        skip();
    char model[600], disk[256], directory[300];
    snprintf(model, sizeof model, "model=%s", small_model());
    const char *path = write_text("full.yaml", "model: m\n");
    snprintf(disk, sizeof disk, "%s", in_folder("disk"));
    snprintf(directory, sizeof directory, "%s/run", disk);
    assert_int_equal(mkdir(disk, 0777), 0);
    if (mount("azr-test", disk, "tmpfs", 0, "size=16k") != 0)
        skip();
    azr_test_process process =
        run("train", "--config", path, "--set", model, "--run", directory, NULL);
    assert_int_equal(umount(disk), 0);
    check_sentence(&process, directory);
}

static void test_memory_limit(void **state)
{
    (void)state;
    if (small_model() == NULL)
        skip();
    char model[600];
    snprintf(model, sizeof model, "model=%s", small_model());
    const char *path = write_text("memory.yaml", "model: m\nmemory_limit_mb: 100\n");
    const char *directory = in_folder("run-memory");
    refused("memory_limit_mb", "train", "--config", path, "--set", model, "--run", directory, NULL);
    assert_false(azr_directory_exists(directory));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_threads_and_json_everywhere),
        cmocka_unit_test(test_train_help_lists_keys),
        cmocka_unit_test(test_wrong_options),
        cmocka_unit_test(test_full_output),
        cmocka_unit_test(test_bad_models),
        cmocka_unit_test(test_bad_model_folders),
        cmocka_unit_test(test_truncated_model),
        cmocka_unit_test(test_bad_configs),
        cmocka_unit_test(test_train_missing_model),
        cmocka_unit_test(test_train_existing_run),
        cmocka_unit_test(test_train_read_only_folder),
        cmocka_unit_test(test_train_full_disk),
        cmocka_unit_test(test_memory_limit),
    };
    return cmocka_run_group_tests_name("cli", tests, make_folder, remove_folder);
}
