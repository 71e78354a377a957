/* tasks.h: the kinds of task over (program p, input i, output o): what a prompt says, what a
 * completion means, when a proposal is a valid task, when an answer is right. Text in, verdicts
 * out; no model, no reward numbers. */
#ifndef AZR_TASKS_H
#define AZR_TASKS_H

#include "azr/config.h"
#include "azr/executor.h"
#include "azr/status.h"

#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum azr_kind {
    AZR_KIND_DEDUCTION,
    AZR_KIND_ABDUCTION,
    AZR_KIND_INDUCTION,
    AZR_KIND_ERROR, /* given p and i: the exception that p(i) raises, or none */
    AZR_N_KINDS
} azr_kind;
typedef enum azr_role { AZR_ROLE_PROPOSER, AZR_ROLE_SOLVER, AZR_N_ROLES } azr_role;

const char *azr_kind_name(azr_kind kind); /* "deduction", ... */
const char *azr_role_name(azr_role role); /* "proposer", "solver" */
bool azr_kind_parse(const char *name, azr_kind *out_kind);

/* Limits on what a model may write; over them: AZR_VERDICT_TOO_LONG. Calls: of one completion. */
enum {
    AZR_TASK_MAX_PROGRAM_BYTES = 4096,
    AZR_TASK_MAX_ARGUMENT_BYTES = 1024,
    AZR_TASK_MAX_MESSAGE_BYTES = 200,
    AZR_TASK_MAX_EXCEPTION_BYTES = 64, /* of an exception's name */
    AZR_TASK_MAX_CALLS = 1024,
    AZR_TASK_MAX_JSON_BYTES = 4 << 20, /* one line of a task file */
};

/* A run of a new task may use this part of the CPU limit: a quarter. */
enum { AZR_TASK_CPU_SHARE = 4 };

/* A valid task. Owns its texts. Induction has several pairs, the first half shown to the solver,
 * the rest hidden; the other kinds have one. */
typedef struct azr_task {
    azr_kind kind;
    char *program; /* source text with a top-level function f, ends with a line feed */
    size_t n_pairs;
    char **inputs;  /* canonical argument lists */
    char **outputs; /* canonical literals; error: an exception's name, or azr_task_no_error */
    char *message;  /* induction: the hint, one line; else NULL */
} azr_task;

/* "NoError": the answer to an error task whose program runs to its end. */
extern const char azr_task_no_error[];

void azr_task_deinit(azr_task *task);
void azr_task_copy(azr_task *to, const azr_task *from);
/* The start of all: identity of one argument ('Hello world'); for induction the identity with six
 * inputs (a string, an int, a dict, a tuple of floats, a string holding a 3x3 list, a long int);
 * for error the last element of an empty list. */
void azr_task_identity(azr_kind kind, azr_task *out_task);
size_t azr_task_given_pairs(const azr_task *task); /* induction: n_pairs / 2; else n_pairs */
/* {"kind", "program", "input", "output"} or {"kind", "program", "inputs", "outputs", "message"};
 * one line of JSON. kind may be missing: induction when "inputs" is there, error when "error" is,
 * else deduction. Of an error task "error" is read for "output", an exception's name.
 * "snippet" is read for "program", and "imports" (a list of lines) is put before a program that
 * lacks them, as the reference implementation writes both. Inputs and outputs must be literals and
 * become canonical; a message of several lines becomes one. Other fields are ignored. Errors name
 * the field. */
azr_status azr_task_from_json(const char *line, size_t size, azr_task *out_task, azr_error *error);
char *azr_task_to_json(const azr_task *task); /* azr_free */

/* --- templates
 * -------------------------------------------------------------------------------------- */

/* A way of asking. "transcript" is a Python session as text; "azr" instructions and a dialogue that
 * reasons between <think> and </think> and answers between <answer> and </answer>; "chat" shorter
 * instructions as a user's message in the model's own chat format. */
typedef struct azr_template azr_template;
/* Error names the templates there are. */
azr_status azr_template_find(const char *name, const azr_template **out_template, azr_error *error);

/* Keywords that programs of error tasks may be kept from: else errors are made by hand. */
typedef enum azr_keyword {
    AZR_KEYWORD_RAISE,
    AZR_KEYWORD_ASSERT,
    AZR_KEYWORD_TRY,
    AZR_KEYWORD_EXCEPT,
    AZR_N_KEYWORDS
} azr_keyword;

const char *azr_keyword_name(azr_keyword keyword);
/* Of words with commas between; bit i: azr_keyword i. Words that are none do not count. */
unsigned azr_keywords_parse(const char *list);

/* Which function of a proposer's program is called f, if need be from then on. */
typedef enum azr_function_choice {
    AZR_FUNCTION_F, /* the one that is called so */
    AZR_FUNCTION_FIRST,
    AZR_FUNCTION_LAST,
    AZR_FUNCTION_F_OR_FIRST,
    AZR_FUNCTION_F_OR_LAST
} azr_function_choice;

/* What is done to a proposer's program, and what refuses it. Functions are those at the left
 * margin; several are counted at any. */
typedef struct azr_program_rules {
    azr_function_choice function;
    bool drop_comments; /* docstrings and empty lines too */
    bool drop_globals;  /* at the left margin only imports, functions and classes stay */
    bool drop_prints;
    bool last_block;    /* where a reply holds several programs, the last one is meant */
    bool one_function;  /* SEVERAL_FUNCTIONS: methods and functions in functions count */
    bool no_tests;      /* HAS_TESTS: what looks like a test or example of its own */
    const char *banned; /* FORBIDDEN: imports with such a component; commas between; may be NULL */
    bool constructors;  /* arguments may be calls of constructors, and stay as they are written */
} azr_program_rules;

/* As the config has them, for seeds or not; borrows from it. */
azr_program_rules azr_program_rules_of(const azr_config *config, bool seeding);

/* A stored program as part of another one, with a call of it as an example. Owns its texts. */
typedef struct azr_part {
    char *program;        /* azr_program_as_part */
    char *input, *output; /* of g_<k>, as those of the task */
} azr_part;

/* Part k from a deduction or abduction task; false when its program can be none. */
bool azr_part_init(azr_part *part, const azr_task *task, size_t k);
void azr_part_deinit(azr_part *part);

/* What a proposer is shown. */
typedef struct azr_proposal_request {
    azr_kind kind;
    const azr_task *const *references; /* deduction, abduction: triplets. induction: stored tasks */
    size_t n_references;
    const char *program; /* induction: the program to find inputs for; else NULL */
    size_t n_inputs;     /* induction: how many calls are wanted */
    unsigned banned;     /* error: keywords that the program may not use */
    int64_t cpu_ms;      /* what one run of a program may take; 0: not said */
    /* Not induction: functions g_0, g_1, ... that f must call; they become part of its program. */
    const azr_part *parts;
    size_t n_parts;
    const azr_program_rules *rules; /* for what it writes; NULL: none */
} azr_proposal_request;

/* Are prompts to be put into the model's chat format (azr_template_encode does)? */
bool azr_template_is_chat(const azr_template *template);
/* Appends the prompt's text. */
void azr_template_propose(const azr_template *template, const azr_proposal_request *request,
                          azr_strbuf *out);
/* cpu_ms: what one run of a program may take; 0: not said. */
void azr_template_solve(const azr_template *template, const azr_task *task, int64_t cpu_ms,
                        azr_strbuf *out);
/* Strings that end a completion, NULL-terminated; they are not part of it. */
const char *const *azr_template_stops(const azr_template *template, azr_role role, azr_kind kind);

/* Why a completion or proposal is refused, or an answer is what it is. */
typedef enum azr_verdict {
    AZR_VERDICT_VALID,   /* proposal: a task */
    AZR_VERDICT_CORRECT, /* answer */
    AZR_VERDICT_WRONG,
    AZR_VERDICT_NO_CALL,     /* proposer: no line >>> f(...) */
    AZR_VERDICT_NO_PROGRAM,  /* no function f */
    AZR_VERDICT_NO_MESSAGE,  /* induction proposer: no hint */
    AZR_VERDICT_FEW_INPUTS,  /* induction proposer: fewer than wanted */
    AZR_VERDICT_NO_ANSWER,   /* solver: nothing that can be an answer */
    AZR_VERDICT_NO_REPLY,    /* not in the form that the template asks for */
    AZR_VERDICT_BAD_LITERAL, /* arguments or answer are no literals */
    AZR_VERDICT_BAD_TEXT,    /* control characters, or no UTF-8 */
    AZR_VERDICT_SEVERAL_FUNCTIONS,
    AZR_VERDICT_HAS_TESTS,
    AZR_VERDICT_NOT_COMPOSED, /* what was given is not called, or is defined anew */
    AZR_VERDICT_FORBIDDEN,    /* a module or keyword that tasks may not use */
    AZR_VERDICT_TOO_LONG,     /* program, argument or result over its limit */
    AZR_VERDICT_FAILED,       /* the run raised, crashed or ran out of something: run status says */
    AZR_VERDICT_NONDETERMINISTIC,
    AZR_VERDICT_NOT_LITERAL, /* result is no plain value */
    AZR_VERDICT_INTERNAL,    /* the sandbox failed: never rewarded, the step stops */
    AZR_N_VERDICTS,
} azr_verdict;

const char *azr_verdict_name(azr_verdict verdict);     /* "no_call" */
const char *azr_verdict_sentence(azr_verdict verdict); /* for people */
/* The pieces that the template asks for are there, whatever they are worth ("well formed"): this is
 * what separates reward -1 from -0.5. A literal is such a piece: BAD_LITERAL is badly formed. */
bool azr_verdict_well_formed(azr_verdict verdict);

/* What a proposer's completion says. Owns its texts. */
typedef struct azr_proposal {
    azr_kind kind;
    azr_verdict verdict; /* VALID so far, or why it cannot be a task */
    char *program;
    size_t n_inputs;
    char **inputs; /* canonical argument lists */
    char *message;
    bool constructors;              /* inputs are texts that only the sandbox can evaluate */
    const azr_program_rules *rules; /* while it is parsed */
} azr_proposal;

void azr_proposal_deinit(azr_proposal *proposal);
/* completion: the text up to where it ended. end: the stop string that it ended at, "" when the
 * model ended it by itself, NULL when a limit cut it off: there are templates whose form asks for a
 * certain end. */
void azr_template_parse_proposal(const azr_template *template, const azr_proposal_request *request,
                                 const char *completion, size_t size, const char *end,
                                 azr_proposal *out_proposal);
/* The job that validates it (determinism and headroom checked); its texts are the proposal's. */
azr_exec_job azr_proposal_job(const azr_proposal *proposal, azr_exec_limits limits);
/* Reads the replies: fills *out_task when the verdict is VALID. A run that used more than a quarter
 * of the CPU limit or of the memory is FAILED, a value over half of the limit of results TOO_LONG:
 * later runs could go either way at the edge. Of an error task it may raise. detail (may be NULL):
 * a sentence more. */
azr_verdict azr_proposal_judge(const azr_proposal *proposal, const azr_exec_reply *reply,
                               azr_exec_limits limits, azr_task *out_task, azr_strbuf *detail);

/* What a solver's completion says. Owns its text. */
typedef struct azr_answer {
    azr_verdict verdict; /* CORRECT means: not yet refused */
    char *text;          /* deduction: literal; abduction: argument list; induction: program;
                            error: name */
    bool all_pairs;      /* induction: judge on the given pairs too, not on the hidden ones alone;
                            set it after parsing */
    bool constructors;   /* abduction: an argument list that is no literal may be calls of
                            constructors; set it after parsing */
} azr_answer;

void azr_answer_deinit(azr_answer *answer);
/* completion, end: as of a proposal. */
void azr_template_parse_answer(const azr_template *template, const azr_task *task,
                               const char *completion, size_t size, const char *end,
                               azr_answer *out_answer);
/* True when the answer must be run to be judged; *out_job then borrows from task, answer and
 * out_inputs (caller's array of at least task->n_pairs pointers). Deduction and error need none. */
bool azr_answer_job(const azr_task *task, const azr_answer *answer, azr_exec_limits limits,
                    const char **out_inputs, azr_exec_job *out_job);
/* reply NULL when no run was needed. CORRECT or WRONG or a reason; *out_accuracy (may be NULL) the
 * share of hidden pairs that are right (0 or 1 for the other kinds). */
azr_verdict azr_answer_judge(const azr_task *task, const azr_answer *answer,
                             const azr_exec_reply *reply, double *out_accuracy, azr_strbuf *detail);

#endif
