/* server.h: a fork server: a warm interpreter that forks a fresh child for each run. Private to
 * executor/. */
#ifndef AZR_EXECUTOR_SERVER_H
#define AZR_EXECUTOR_SERVER_H

#include "executor/isolation.h"

/* First thing a server says. */
typedef struct azr_server_hello {
    azr_status status;
    azr_isolation isolation;
    char text[400]; /* why it cannot serve, when status is not AZR_OK */
} azr_server_hello;

typedef struct azr_server {
    pid_t pid;
    int socket; /* -1: not running */
    azr_server_hello hello;
} azr_server;

/* Forks it; n_workers runs at once. Waits for its hello. */
azr_status azr_server_start(int flavour, int n_workers, azr_server *out_server, azr_error *error);
void azr_server_stop(azr_server *server);

#endif
