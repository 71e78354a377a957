/* hostile.h: programs that try to get out, to stay, to hold up, to forge, with the statuses they
 * may end with. */
#ifndef AZR_TEST_HOSTILE_H
#define AZR_TEST_HOSTILE_H

#include "azr/executor.h"

#define AZR_TEST_BIT(status) (1u << AZR_EXEC_##status)

typedef struct azr_test_hostile {
    const char *program, *input;
    unsigned expected;  /* bits of statuses */
    const char *detail; /* exception's name or value; NULL: any */
} azr_test_hostile;

typedef struct azr_test_hostiles {
    const char *name;
    const azr_test_hostile *programs;
    size_t n;
    bool by_fork_only; /* they know how its processes leave their record */
} azr_test_hostiles;

typedef enum azr_test_hostile_group {
    AZR_TEST_ENDLESS,
    AZR_TEST_HUNGRY,
    AZR_TEST_DOORS,
    AZR_TEST_TRACES,
    AZR_TEST_FOREIGN,
    AZR_TEST_FORGED,
    AZR_TEST_N_HOSTILE_GROUPS,
} azr_test_hostile_group;

extern const azr_test_hostiles azr_test_hostile_groups[AZR_TEST_N_HOSTILE_GROUPS];

#endif
