/* sandbox.h: what the tests of the sandbox share: one program in, one run out. */
#ifndef AZR_TEST_SANDBOX_H
#define AZR_TEST_SANDBOX_H

#include "azr/executor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline azr_exec_limits small_limits(void)
{
    azr_exec_limits limits = azr_exec_default_limits();
    limits.cpu_ms = 300;
    limits.wall_ms = 300000; /* the machine may be busy: the CPU limit is what stops a program */
    limits.memory_mb = 64;
    return limits;
}

static inline azr_executor *open_engine_at(const char *engine, azr_exec_level required)
{
    azr_executor_options options = azr_executor_default_options();
    options.engine = engine;
    options.required = required;
    azr_executor *executor = NULL;
    azr_error error = {0};
    if (azr_executor_create(&options, &executor, &error) != AZR_OK)
        fail_msg("%s", error.text);
    return executor;
}

static inline azr_executor *open_sandbox(azr_exec_level required)
{
    return open_engine_at("auto", required);
}

/* f(input) of the program; the reply is the caller's. */
static inline azr_exec_reply run_program(azr_executor *executor, const char *program,
                                         const char *input, bool check_determinism)
{
    azr_exec_job job = {.program = program,
                        .inputs = &input,
                        .n_inputs = 1,
                        .check_determinism = check_determinism,
                        .limits = small_limits()};
    azr_exec_reply reply;
    azr_error error = {0};
    if (azr_executor_run(executor, &job, &reply, &error) != AZR_OK)
        fail_msg("%s: %s", program, error.text);
    assert_int_equal(reply.n_runs, 1);
    return reply;
}

/* An innocent program, which must not notice what others did. */
static inline void check_sentinel(azr_executor *executor)
{
    azr_exec_reply reply =
        run_program(executor,
                    "import math, re\n"
                    "def f(n):\n"
                    "    return [n + 1, len('abc'), repr(5), sorted({3, 1, 2}), math.gcd(12, 18), "
                    "re.sub('a', 'b', 'aa')]\n",
                    "41", false);
    assert_int_equal(reply.runs[0].status, AZR_EXEC_OK);
    assert_string_equal(reply.runs[0].value, "[42, 3, '5', [1, 2, 3], 6, 'bb']");
    azr_exec_reply_deinit(&reply);
}

#endif
