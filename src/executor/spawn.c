/* spawn.c: starts and ends the process of a server. */
#include "executor/hub.h"
#include "executor/server.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* All that a server inherits, and takes off at once. Functions of libraries are looked up when it
 * starts: else each run would do it anew. And what sanitized builds need so that crashes of
 * programs look like crashes. */
static char *const environment[] = {
    "LD_BIND_NOW=1",
    "ASAN_OPTIONS=handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0:handle_sigill=0:"
    "detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=0",
    NULL};

bool azr_exec__server_spawn(azr_executor *executor, azr_exec__flavour flavour)
{
    azr_exec__server *server = &executor->servers[flavour];
    char name[32], letter[2] = {(char)('A' + flavour), '\0'};
    snprintf(name, sizeof name, "%s", azr_exec__server_name);
    const azr_exec__engine *engine = executor->engine;
    if (flavour >= AZR_EXEC__N_FLAVOURS && engine->only_calls)
        engine = &azr_exec__engine_fork;
    char engine_name[16];
    snprintf(engine_name, sizeof engine_name, "%s", engine->name);
    char *argv[] = {name, engine_name, letter, executor->without, NULL};
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
        snprintf(server->ready.text, sizeof server->ready.text, "socketpair: %s", strerror(errno));
        return false;
    }
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    posix_spawn_file_actions_adddup2(&actions, fds[1], AZR_EXEC__CONTROL_FD);
    int error =
        posix_spawn(&server->pid, "/proc/self/exe", &actions, &attributes, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(fds[1]);
    if (error != 0) {
        server->pid = 0;
        close(fds[0]);
        snprintf(server->ready.text, sizeof server->ready.text, "/proc/self/exe cannot be run: %s",
                 strerror(error));
        return false;
    }
    server->fd = fds[0];
    return true;
}

void azr_exec__server_end(azr_exec__server *server)
{
    if (server->fd >= 0)
        close(server->fd);
    server->fd = -1;
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    server->pid = 0;
}
