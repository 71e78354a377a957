/* template_check.c: can this model's vocabulary write what the template asks with? */
#include "azr/rl.h"

#include "base/memory.h"

#include <string.h>

static bool survives(const azr_tokenizer *tokenizer, const azr_strbuf *text)
{
    const azr_encode_options options = {0};
    int32_t *ids = NULL;
    size_t n = 0, size = 0;
    const char *bytes = azr_strbuf_text(text);
    if (azr_tokenizer_encode(tokenizer, bytes, text->size, options, &ids, &n, NULL) != AZR_OK)
        return false;
    char *again = azr_tokenizer_decode(tokenizer, ids, n, false, &size);
    bool same = size == text->size && memcmp(again, bytes, size) == 0;
    azr_free(again);
    azr_free(ids);
    return same;
}

azr_status azr_template_check(const azr_template *template, const azr_tokenizer *tokenizer,
                              const char *model, azr_error *error)
{
    azr_status status = AZR_OK;
    for (int kind = 0; status == AZR_OK && kind < AZR_N_KINDS; kind++) {
        azr_task task = {0};
        azr_strbuf prompts[AZR_N_ROLES] = {{0}, {0}};
        azr_task_identity((azr_kind)kind, &task);
        const azr_task *reference = &task;
        const azr_proposal_request request = {.kind = (azr_kind)kind,
                                              .references = &reference,
                                              .n_references = 1,
                                              .program =
                                                  kind == AZR_KIND_INDUCTION ? task.program : NULL,
                                              .n_inputs = task.n_pairs,
                                              .cpu_ms = 5678};
        azr_template_propose(template, &request, &prompts[AZR_ROLE_PROPOSER]);
        azr_template_solve(template, &task, 1234, &prompts[AZR_ROLE_SOLVER]);
        for (int role = 0; role < AZR_N_ROLES; role++) {
            if (status == AZR_OK && !survives(tokenizer, &prompts[role]))
                status = azr_error_set(error, AZR_ERROR_INPUT,
                                       "%s: its vocabulary cannot write the template's %s prompt "
                                       "of %s",
                                       model, azr_role_name((azr_role)role),
                                       azr_kind_name((azr_kind)kind));
            azr_strbuf_deinit(&prompts[role]);
        }
        azr_task_deinit(&task);
    }
    return status;
}
