/* check.h: assertions that stay in every build. A failed one is a bug in azr: both values are
 * printed with file and line, and the process aborts. Never for bad input. */
#ifndef AZR_BASE_CHECK_H
#define AZR_BASE_CHECK_H

#define AZR_CHECK(condition) \
    ((condition) ? (void)0 : azr_check_failed(__FILE__, __LINE__, #condition))

/* Two integers that must be equal; prints both when they are not. */
#define AZR_CHECK_EQ(a, b) \
    azr_check_equal(__FILE__, __LINE__, #a " == " #b, (long long)(a), (long long)(b))

#define AZR_COUNT(array) (sizeof(array) / sizeof((array)[0]))

_Noreturn void azr_check_failed(const char *file, int line, const char *what);
void azr_check_equal(const char *file, int line, const char *what, long long a, long long b);

#endif
