/* A model whose vocabulary lacks what the template needs is refused before it trains on other text.
 */
#include "azr/rl.h"

#include "base/files.h"
#include "base/memory.h"

#include "../support/tiny_model.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static azr_status check(const char *folder, azr_error *error)
{
    const azr_template *template = NULL;
    azr_tokenizer *tokenizer = NULL;
    assert_int_equal(azr_template_find("transcript", &template, error), AZR_OK);
    assert_int_equal(azr_tokenizer_open(folder, &tokenizer, error), AZR_OK);
    azr_status status = azr_template_check(template, tokenizer, folder, error);
    azr_tokenizer_destroy(tokenizer);
    return status;
}

static void test_whole_and_lacking(void **state)
{
    (void)state;
    azr_error error = {0};
    char *folder = tiny_folder();
    tiny_model_write(folder, 1);
    assert_int_equal(check(folder, &error), AZR_OK);

    char *path = azr_path_join(folder, "tokenizer.json");
    json_t *object = json_load_file(path, 0, NULL);
    assert_non_null(object);
    json_t *vocabulary = json_object_get(json_object_get(object, "model"), "vocab");
    assert_int_equal(json_object_del(vocabulary, "#"), 0);
    assert_int_equal(json_dump_file(object, path, 0), 0);
    json_decref(object);
    assert_int_equal(check(folder, &error), AZR_ERROR_INPUT);
    assert_non_null(strstr(error.text, folder));
    assert_non_null(strstr(error.text, "vocabulary"));
    assert_int_equal(azr_directory_remove(folder, &error), AZR_OK);
    azr_free(path);
    azr_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole_and_lacking)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
