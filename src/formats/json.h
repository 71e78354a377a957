/* json.h: JSON out of files that nobody has checked yet. */
#ifndef AZR_FORMATS_JSON_H
#define AZR_FORMATS_JSON_H

#include "azr/status.h"

#include <jansson.h>
#include <stddef.h>

/* Parses one JSON object; duplicate keys are refused. what: "header of <path>" or the like, for
 * messages. Free *out_object with json_decref. */
azr_status azr_formats__json_object(const char *text, size_t size, const char *what,
                                    json_t **out_object, azr_error *error);

#endif
