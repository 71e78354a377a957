/* suite.h: a benchmark is a struct of functions: how a line becomes an item, how an item is asked,
 * what a completion answers, how an answer is judged. suite.c holds the table. Private to eval/. */
#ifndef AZR_EVAL_SUITE_H
#define AZR_EVAL_SUITE_H

#include "eval/lines.h"

#include "azr/eval.h"
#include "azr/tasks.h"

/* One question with what is needed to judge an answer. Owns its texts; NULL where a suite has no
 * such thing. */
typedef struct azr_eval_item {
    char *id;
    char *question;  /* programs: the code so far; maths: the problem */
    char *entry;     /* programs: the function that is tested */
    char *test;      /* programs: text of the test */
    char *reference; /* outputs and maths: the right value */
    char *canonical; /* the benchmark's own answer */
    azr_task task;   /* cruxeval and tasks; texts as the benchmark writes them */
} azr_eval_item;

void azr_eval__item_deinit(azr_eval_item *item);

/* How a suite is asked. */
typedef struct azr_eval_way {
    const azr_template *template; /* of tasks; NULL: the suite's own words */
    bool chat;                    /* the question is a user's message */
} azr_eval_way;

/* A job with the texts it borrows. Start from {0}. */
typedef struct azr_eval_job {
    azr_exec_job job;
    azr_strbuf program, input;
    const char **inputs;
} azr_eval_job;

void azr_eval__job_deinit(azr_eval_job *job);

typedef struct azr_eval_suite azr_eval_suite;
struct azr_eval_suite {
    const char *name;
    const char *template; /* by default */
    bool tasks;           /* asked by a template of tasks */
    bool programs;        /* answers are whole programs */
    int64_t max_tokens;
    azr_kind kind; /* cruxeval */
    azr_status (*read)(const azr_eval_suite *suite, const azr_eval_line *line,
                       azr_eval_item *out_item, azr_error *error);
    void (*ask)(const azr_eval_way *way, const azr_eval_item *item, azr_strbuf *out);
    const char *const *(*stops)(const azr_eval_way *way, const azr_eval_item *item);
    /* What a completion answers; NULL when nothing in it can be an answer. azr_free. end: as of
     * azr_template_parse_answer. */
    char *(*answer)(const azr_eval_way *way, const azr_eval_item *item, const char *completion,
                    size_t size, const char *end);
    /* True when judging takes a run. NULL: never. The job borrows item and answer. */
    bool (*job)(const azr_eval_item *item, const char *answer, azr_eval_job *out_job);
    /* reply: of the run, NULL when there was none. why: a few words, when not RIGHT. */
    azr_eval_verdict (*judge)(const azr_eval_item *item, const char *answer,
                              const azr_exec_reply *reply, azr_strbuf *why);
};

azr_status azr_eval__suite_find(const char *name, const azr_eval_suite **out_suite,
                                azr_error *error);
azr_status azr_eval__way_find(const azr_eval_suite *suite, const char *template,
                              azr_eval_way *out_way, azr_error *error);

/* The items of a file, at most limit (0: all). */
azr_status azr_eval__items_read(const azr_eval_suite *suite, const azr_eval_options *options,
                                azr_eval_item **out_items, size_t *out_n, azr_error *error);
void azr_eval__items_free(azr_eval_item *items, size_t n);

extern const azr_eval_suite azr_eval__cruxeval_o, azr_eval__cruxeval_i, azr_eval__humaneval,
    azr_eval__humaneval_plus, azr_eval__mbpp_plus, azr_eval__gsm8k, azr_eval__math, azr_eval__tasks;

/* Appends why a run is no success: "ValueError: ...", "timeout_cpu". */
void azr_eval__say_run(const azr_exec_run *run, azr_strbuf *why);
/* Appends the test of an EvalPlus item: a Python program that calls candidate on each input and
 * compares what comes back with what the benchmark's own solution gives. dataset: "humaneval" or
 * "mbpp". */
azr_status azr_eval__plus_test(const azr_eval_line *line, const char *dataset, azr_strbuf *out,
                               azr_error *error);
/* The items of the tasks suite that lie in a run.db. */
azr_status azr_eval__stored_tasks(const azr_eval_options *options, azr_eval_item **out_items,
                                  size_t *out_n, azr_error *error);

#endif
