/* schema.c: the tables of run.db. No wall clock in any row: equal runs, equal rows. Ids are given
 * by azr (the greatest one plus one), so that a resumed run gives the same ones again. */
#include "buffer/schema.h"

const char azr_buffer__schema[] =
    /* A valid task. inputs and outputs are JSON lists of texts. hash is of kind, program, inputs
     * and message, blanks at line ends and empty lines aside; program_hash of the program alone.
     * cap: how many rows of the kind, this one counted, were in the ring when it was stored; 0:
     * all. cpu_us: CPU time of the runs that made it a task, the one number that equal runs may
     * differ in; 0: not measured. */
    "CREATE TABLE tasks ("
    " id INTEGER PRIMARY KEY,"
    " step INTEGER NOT NULL,"
    " kind TEXT NOT NULL,"
    " program TEXT NOT NULL,"
    " inputs TEXT NOT NULL,"
    " outputs TEXT NOT NULL,"
    " message TEXT,"
    " reward REAL,"
    " n_attempts INTEGER NOT NULL,"
    " n_correct INTEGER NOT NULL,"
    " cap INTEGER NOT NULL,"
    " hash INTEGER NOT NULL,"
    " program_hash INTEGER,"
    " cpu_us INTEGER NOT NULL DEFAULT 0"
    ");"
    "CREATE INDEX tasks_by_kind ON tasks (kind, step);"
    "CREATE INDEX tasks_by_hash ON tasks (hash);"
    /* A sampled completion and its verdict. task_id NULL: a refused proposal. */
    "CREATE TABLE attempts ("
    " id INTEGER PRIMARY KEY,"
    " step INTEGER NOT NULL,"
    " role TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " task_id INTEGER,"
    " purpose TEXT NOT NULL,"
    " prompt TEXT NOT NULL,"
    " completion TEXT NOT NULL,"
    " verdict TEXT NOT NULL,"
    " detail TEXT,"
    " reward REAL,"
    " n_tokens INTEGER NOT NULL"
    ");"
    "CREATE INDEX attempts_by_step ON attempts (step);"
    "CREATE INDEX attempts_by_task ON attempts (task_id);"
    /* One number of one step. value NULL: not a number. */
    "CREATE TABLE metrics ("
    " step INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " value REAL,"
    " PRIMARY KEY (step, name)"
    ") WITHOUT ROWID;";

const char *const azr_buffer__upgrades[AZR_BUFFER_SCHEMA_VERSION] = {
    [1] = "ALTER TABLE tasks ADD COLUMN program_hash INTEGER;"
          "ALTER TABLE tasks ADD COLUMN cpu_us INTEGER NOT NULL DEFAULT 0;",
};
