#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void azr_check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "azr: bug at %s:%d: %s does not hold\n", file, line, what);
    abort();
}

void azr_check_equal(const char *file, int line, const char *what, long long a, long long b)
{
    if (a == b)
        return;
    fprintf(stderr, "azr: bug at %s:%d: %s does not hold: %lld and %lld\n", file, line, what, a, b);
    abort();
}
