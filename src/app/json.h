/* json.h: one JSON object a line on the standard output. */
#ifndef AZR_APP_JSON_H
#define AZR_APP_JSON_H

#include "azr/status.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* A JSON string; bytes that are no UTF-8 become U+FFFD. */
json_t *azr_json_text(const char *text, size_t size);
/* The same of a C text; null for NULL. */
json_t *azr_json_text_or_null(const char *text);
json_t *azr_json_ids(const int32_t *ids, size_t n);
/* Nine digits give each float back; what is not finite becomes null. */
json_t *azr_json_floats(const float *numbers, size_t n);
/* Prints and releases the object. */
void azr_json_line(json_t *object);

#endif
