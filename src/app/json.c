/* json.c: values to JSON, objects to lines. */
#include "app/json.h"

#include "base/check.h"
#include "base/strbuf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

json_t *azr_json_text(const char *text, size_t size)
{
    azr_strbuf clean = {0};
    for (size_t i = 0; i < size;) {
        utf8proc_int32_t point;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + i,
                                              (utf8proc_ssize_t)(size - i), &point);
        if (n > 0)
            azr_strbuf_append(&clean, text + i, (size_t)n);
        else
            azr_strbuf_puts(&clean, "\xef\xbf\xbd");
        i += n > 0 ? (size_t)n : 1;
    }
    json_t *json = json_stringn(azr_strbuf_text(&clean), clean.size);
    azr_strbuf_deinit(&clean);
    AZR_CHECK(json != NULL);
    return json;
}

json_t *azr_json_text_or_null(const char *text)
{
    return text != NULL ? azr_json_text(text, strlen(text)) : json_null();
}

json_t *azr_json_ids(const int32_t *ids, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_integer(ids[i]));
    return array;
}

json_t *azr_json_floats(const float *numbers, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array,
                              isfinite(numbers[i]) ? json_real((double)numbers[i]) : json_null());
    return array;
}

void azr_json_line(json_t *object)
{
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
}
