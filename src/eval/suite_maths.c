/* suite_maths.c: word problems with a number as answer: GSM8K (Cobbe et al., "Training Verifiers to
 * Solve Math Word Problems", arXiv 2110.14168), and any file of problems with answers. */
#include "eval/maths.h"
#include "eval/suite.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

/* What a model goes on from: problems of our own, worked in steps, the answer behind ####. */
static const char examples[] =
    "Question: A box holds 6 rows of 4 eggs. Five eggs are broken. How many are whole?\n"
    "Answer: The box holds 6 * 4 = 24 eggs. Of them 24 - 5 = 19 are whole.\n"
    "#### 19\n\n"
    "Question: Ada earns $12 an hour and works 7 hours on Friday and 3 hours on Saturday. She "
    "spends a quarter of the money. How many dollars are left?\n"
    "Answer: She works 7 + 3 = 10 hours and earns 10 * 12 = 120 dollars. A quarter of it is 120 / "
    "4 = 30. So 120 - 30 = 90 dollars are left.\n"
    "#### 90\n\n"
    "Question: A train takes 3 hours for 240 km. How many km does it cover in 90 minutes?\n"
    "Answer: In one hour it covers 240 / 3 = 80 km. 90 minutes are 1.5 hours. So it covers 80 * "
    "1.5 = 120 km.\n"
    "#### 120\n\n";

static azr_status number_id(const azr_eval_line *line, azr_eval_item *item)
{
    static const char *const names[] = {"id", "unique_id", "task_id", NULL};
    for (size_t i = 0; names[i] != NULL; i++)
        if (azr_eval__text_field(line, names[i], &item->id, NULL) == AZR_OK)
            return AZR_OK;
    char text[32];
    snprintf(text, sizeof text, "%zu", line->number);
    item->id = azr_copy_text(text, strlen(text));
    return AZR_OK;
}

static azr_status read_item(const azr_eval_suite *suite, const azr_eval_line *line,
                            azr_eval_item *item, azr_error *error)
{
    (void)suite;
    azr_status status = number_id(line, item);
    if (status == AZR_OK)
        status = azr_eval__either_field(line, "question", "problem", &item->question, error);
    if (status == AZR_OK)
        status = azr_eval__either_field(line, "answer", "solution", &item->canonical, error);
    if (status != AZR_OK)
        return status;
    bool worked =
        strstr(item->canonical, "####") != NULL || strstr(item->canonical, "\\boxed") != NULL;
    item->reference = worked ? azr_maths_extract(item->canonical)
                             : azr_copy_text(item->canonical, strlen(item->canonical));
    if (item->reference == NULL || item->reference[0] == '\0')
        return azr_error_set(error, AZR_ERROR_INPUT, "%s, line %zu: its answer is empty",
                             line->path, line->number);
    return AZR_OK;
}

static void ask(const azr_eval_way *way, const azr_eval_item *item, azr_strbuf *out)
{
    if (way->chat)
        azr_strbuf_printf(out,
                          "%s\n\nThink step by step. End with a line that holds #### and the "
                          "answer alone.",
                          item->question);
    else
        azr_strbuf_printf(out, "%sQuestion: %s\nAnswer:", examples, item->question);
}

static const char *const *stops(const azr_eval_way *way, const azr_eval_item *item)
{
    (void)item;
    static const char *const next[] = {"\n\n", "\nQuestion:", NULL}, *const none[] = {NULL};
    return way->chat ? none : next;
}

static char *answer_of(const azr_eval_way *way, const azr_eval_item *item, const char *completion,
                       size_t size, const char *end)
{
    (void)end;
    (void)way;
    (void)item;
    char *text = azr_copy_text(completion, size);
    char *answer = azr_maths_extract(text);
    azr_free(text);
    return answer;
}

static azr_eval_verdict judge(const azr_eval_item *item, const char *answer,
                              const azr_exec_reply *reply, azr_strbuf *why)
{
    (void)reply;
    char *inner = azr_maths_extract(answer);
    bool worked = strstr(answer, "####") != NULL || strstr(answer, "\\boxed") != NULL;
    const char *said = worked && inner != NULL ? inner : answer;
    azr_maths_verdict verdict = said[strspn(said, " \t\r\n")] == '\0'
                                    ? AZR_MATHS_DIFFERENT
                                    : azr_maths_compare(said, item->reference);
    if (verdict != AZR_MATHS_EQUAL)
        azr_strbuf_printf(why, "%s %.200s",
                          verdict == AZR_MATHS_DIFFERENT ? "is not" : "cannot be held against",
                          item->reference);
    azr_free(inner);
    return verdict == AZR_MATHS_EQUAL       ? AZR_EVAL_RIGHT
           : verdict == AZR_MATHS_DIFFERENT ? AZR_EVAL_WRONG
                                            : AZR_EVAL_UNDECIDED;
}

const azr_eval_suite azr_eval__gsm8k = {
    .name = "gsm8k",
    .template = "transcript",
    .max_tokens = 256,
    .read = read_item,
    .ask = ask,
    .stops = stops,
    .answer = answer_of,
    .judge = judge,
};

const azr_eval_suite azr_eval__math = {
    .name = "math",
    .template = "transcript",
    .max_tokens = 512,
    .read = read_item,
    .ask = ask,
    .stops = stops,
    .answer = answer_of,
    .judge = judge,
};
