/* walls.c: builds the walls around a server, from the outside in. */
#include "executor/walls.h"

#include "executor/isolation.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool azr_exec__lists(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; *at != '\0';) {
        size_t size = strcspn(at, ",");
        if (size == n && memcmp(at, word, n) == 0)
            return true;
        at += size + (at[size] == ',');
    }
    return false;
}

static size_t address_space_bytes(void)
{
    char text[64] = {0};
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    return n > 0 ? strtoull(text, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

bool azr_exec__walls_enter(azr_exec__walls *walls, bool rehearse, bool *out_inside)
{
    azr_exec__notice *r = &walls->ready;
    *out_inside = false;
    if (azr_exec__lists(walls->without, "namespaces"))
        snprintf(r->namespaces, sizeof r->namespaces, "disabled by AZR_EXECUTOR_DISABLE");
    else if (!rehearse || azr_exec__try_namespaces(r->namespaces, sizeof r->namespaces))
        *out_inside = azr_exec__enter_namespaces(r->namespaces, sizeof r->namespaces);
    if (*out_inside)
        r->layers |= AZR_EXEC__LAYER_NAMESPACES;
    if (*out_inside || azr_exec__leave_root())
        return true;
    snprintf(r->text, sizeof r->text, "root cannot become user %d", AZR_EXEC__UID);
    return false;
}

static bool start_python(azr_exec__walls *walls)
{
    azr_exec__notice *r = &walls->ready;
    char reason[sizeof r->text] = "";
    if (azr_exec__lists(walls->without, "python")) {
        snprintf(r->text, sizeof r->text, "CPython is disabled by AZR_EXECUTOR_DISABLE");
        return false;
    }
    if (!azr_exec__python_start(walls->flavour, r->text, reason, sizeof reason)) {
        memcpy(r->text, reason, sizeof reason);
        return false;
    }
    walls->image_bytes = address_space_bytes();
    if (walls->image_bytes == 0)
        snprintf(r->text, sizeof r->text, "/proc/self/statm cannot be read");
    return walls->image_bytes > 0;
}

static void build_filters(azr_exec__walls *walls)
{
    azr_exec__notice *r = &walls->ready;
    if (azr_exec__lists(walls->without, "seccomp")) {
        snprintf(r->seccomp, sizeof r->seccomp, "disabled by AZR_EXECUTOR_DISABLE");
    } else if (azr_exec__filter_init(&walls->filter, false, r->seccomp, sizeof r->seccomp) &&
               azr_exec__filter_init(&walls->pair_filter, true, r->seccomp, sizeof r->seccomp) &&
               azr_exec__filter_check(&walls->filter, r->seccomp, sizeof r->seccomp)) {
        r->layers |= AZR_EXEC__LAYER_SECCOMP;
        snprintf(r->seccomp, sizeof r->seccomp,
                 "%d instructions, loaded in each child before the program is read",
                 walls->filter.program.len);
    }
}

bool azr_exec__walls_close(azr_exec__walls *walls)
{
    azr_exec__notice *r = &walls->ready;
    if (!start_python(walls))
        return false;
    if ((r->layers & AZR_EXEC__LAYER_NAMESPACES) &&
        !azr_exec__empty_root(r->namespaces, sizeof r->namespaces))
        r->layers &= ~(uint32_t)AZR_EXEC__LAYER_NAMESPACES;
    if (!azr_exec__drop_privileges() || geteuid() == 0) {
        snprintf(r->text, sizeof r->text, "privileges cannot be given up");
        return false;
    }
    build_filters(walls);
    if (r->layers & AZR_EXEC__LAYER_NAMESPACES)
        snprintf(r->namespaces, sizeof r->namespaces,
                 "user, PID, mount, network, IPC and UTS; the root is empty and read-only");
    return true;
}
