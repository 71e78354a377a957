/* main.c: finds the command, installs the signal handlers, turns a status into an exit code. */
#include "app/cmd.h"

#include "base/clock.h"
#include "base/nearest.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AZR_EXIT_OK = 0, AZR_EXIT_ERROR = 1, AZR_EXIT_INTERRUPTED = 130 };

/* The last entry ends the table. */
static const azr_command *const commands[] = {
    &azr_cmd_train, &azr_cmd_propose, &azr_cmd_solve, &azr_cmd_generate,
    &azr_cmd_score, &azr_cmd_exec,    &azr_cmd_info,  &azr_cmd_bench,
    &azr_cmd_eval,  &azr_cmd_export,  NULL,
};

/* Ctrl-C reaches every process of the terminal's group: the sandbox's servers, forked from here,
 * keep quiet and go on working for a run that wants to finish its step. */
static pid_t main_process;

static void on_signal(int signal_number)
{
    (void)signal_number;
    if (getpid() != main_process)
        return;
    if (azr_stop_requested())
        _exit(AZR_EXIT_INTERRUPTED);
    azr_stop_request();
    static const char text[] = "\nazr: stopping; once more to stop at once\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
}

static void install_signals(void)
{
    main_process = getpid();
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* A reader that went away, or a file at its largest size, is an error of write: one sentence,
     * not the end of a training run. */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
}

static void print_help(void)
{
    printf("azr: a language model that teaches itself to reason, on CPUs\n\n"
           "usage: azr COMMAND [options]     azr COMMAND --help shows the command's options\n\n");
    for (const azr_command *const *command = commands; *command != NULL; command++)
        printf("  %-10s %s\n", (*command)->name, (*command)->summary);
    printf("\nexit code: 0 done, 1 error, 130 interrupted (the first Ctrl-C lets a run write its\n"
           "checkpoint, the second ends at once)\n");
}

static azr_status run_command(int argc, char **argv, azr_error *error)
{
    const char *name = argv[1];
    azr_nearest nearest = {.wanted = name};
    for (const azr_command *const *command = commands; *command != NULL; command++) {
        if (strcmp((*command)->name, name) == 0)
            return (*command)->run(argc - 1, argv + 1, error);
        azr_nearest_offer(&nearest, (*command)->name);
    }
    return azr_error_set(error, AZR_ERROR_INPUT, "unknown command '%.64s': did you mean '%s'?",
                         name, nearest.name != NULL ? nearest.name : "--help");
}

/* Threads that wait for work spin before they sleep: libgomp's own 300,000 turns (milliseconds)
 * cost a busy machine most of its speed, because the thread that is waited for cannot run. 2,000
 * turns bridge the gaps between two kernels. libgomp reads this when it is loaded, so azr starts
 * itself again; where that fails it goes on as it is. */
static void limit_spinning(char **argv)
{
    if (getenv("GOMP_SPINCOUNT") != NULL || getenv("OMP_WAIT_POLICY") != NULL)
        return;
    if (setenv("GOMP_SPINCOUNT", "2000", 1) == 0)
        execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    limit_spinning(argv);
    install_signals();
    azr_error error = {0};
    azr_status status = AZR_OK;
    if (argc < 2)
        status =
            azr_error_set(&error, AZR_ERROR_INPUT, "which command? azr --help lists the commands");
    else if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        print_help();
    else
        status = run_command(argc, argv, &error);
    /* Output that did not reach its file is an error too: a full disk must not look like success.
     */
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == AZR_OK)
        status = azr_error_set(&error, AZR_ERROR_IO, "cannot write to the standard output: %s",
                               strerror(errno));
    if (status == AZR_OK)
        return AZR_EXIT_OK;
    fprintf(stderr, "azr: %s\n", error.text);
    return status == AZR_ERROR_INTERRUPTED ? AZR_EXIT_INTERRUPTED : AZR_EXIT_ERROR;
}
