#include "formats/json.h"

azr_status azr_formats__json_object(const char *text, size_t size, const char *what,
                                    json_t **out_object, azr_error *error)
{
    json_error_t reason;
    json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &reason);
    *out_object = NULL;
    if (object == NULL)
        return azr_error_set(error,
                             json_error_code(&reason) == json_error_out_of_memory ? AZR_ERROR_MEMORY
                                                                                  : AZR_ERROR_INPUT,
                             "%s is no valid JSON: %.120s (at byte %d)", what, reason.text,
                             reason.position);
    if (!json_is_object(object)) {
        json_decref(object);
        return azr_error_set(error, AZR_ERROR_INPUT, "%s is no JSON object", what);
    }
    *out_object = object;
    return AZR_OK;
}
