/* process.h: runs a program as a user would, and keeps what it printed; finds processes. */
#ifndef AZR_TEST_PROCESS_H
#define AZR_TEST_PROCESS_H

#include <sys/types.h>

typedef struct azr_test_process {
    int code;        /* exit code; 128 + n when killed by signal n */
    char *out, *err; /* NUL-terminated, free with azr_test_process_deinit */
} azr_test_process;

enum { AZR_TEST_PROCESS_SECONDS = 120 };

/* argv[0] is found on PATH when it has no slash. The standard input is /dev/null; out_path, when
 * not NULL, takes the standard output instead of process.out. Killed after
 * AZR_TEST_PROCESS_SECONDS. */
azr_test_process azr_test_process_run(const char *const *argv, const char *out_path);
void azr_test_process_deinit(azr_test_process *process);
/* The binary under test: environment AZR_BINARY, else build/azr. */
const char *azr_test_binary(void);

/* Processes below pid, at any depth; the nearest ones first. */
size_t azr_test_descendants(pid_t pid, pid_t *out, size_t max);

#endif
