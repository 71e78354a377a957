/* isolation.c: namespaces, user, root directory and capabilities of a server. */
#include "executor/isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAMESPACES = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS };

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t size = strlen(text);
    bool ok = write(fd, text, size) == (ssize_t)size;
    return close(fd) == 0 && ok;
}

/* Maps user and group 65534 of the process's namespace to what they are outside. */
static bool write_maps(pid_t pid, uid_t uid, gid_t gid)
{
    char path[64], map[64];
    snprintf(path, sizeof path, "/proc/%d/setgroups", (int)pid);
    if (!write_file(path, "deny"))
        return false;
    snprintf(path, sizeof path, "/proc/%d/uid_map", (int)pid);
    snprintf(map, sizeof map, "%d %u 1", AZR_EXEC__UID, (unsigned)uid);
    if (!write_file(path, map))
        return false;
    snprintf(path, sizeof path, "/proc/%d/gid_map", (int)pid);
    snprintf(map, sizeof map, "%d %u 1", AZR_EXEC__UID, (unsigned)gid);
    return write_file(path, map);
}

/* Root's way: only a process outside may map a user other than its own, so a child that stays
 * outside writes the maps once this one is in. */
static bool unshare_as_root(char *reason, size_t reason_bytes)
{
    int go[2];
    char byte = 0;
    bool ok = false;
    if (pipe2(go, O_CLOEXEC) != 0) {
        snprintf(reason, reason_bytes, "pipe: %s", strerror(errno));
        return false;
    }
    pid_t self = getpid(), writer = fork();
    if (writer == 0) {
        close(go[1]);
        ok = read(go[0], &byte, 1) == 1 && write_maps(self, AZR_EXEC__UID, AZR_EXEC__UID);
        _exit(ok ? 0 : 1);
    }
    close(go[0]);
    ok = writer > 0 && setgroups(0, NULL) == 0 && unshare(CLONE_NEWUSER | NAMESPACES) == 0;
    if (!ok)
        snprintf(reason, reason_bytes, "unshare as root: %s", strerror(errno));
    if (ok && write(go[1], &byte, 1) != 1)
        ok = false;
    close(go[1]);
    int status = 1;
    if (writer > 0 && (waitpid(writer, &status, 0) != writer || status != 0) && ok) {
        snprintf(reason, reason_bytes, "the user map cannot be written");
        ok = false;
    }
    if (ok && (setresgid(AZR_EXEC__UID, AZR_EXEC__UID, AZR_EXEC__UID) != 0 ||
               setresuid(AZR_EXEC__UID, AZR_EXEC__UID, AZR_EXEC__UID) != 0)) {
        snprintf(reason, reason_bytes, "change of user: %s", strerror(errno));
        ok = false;
    }
    return ok;
}

bool azr_exec__leave_root(void)
{
    if (geteuid() != 0 && getuid() != 0)
        return true;
    return setgroups(0, NULL) == 0 && setresgid(AZR_EXEC__UID, AZR_EXEC__UID, AZR_EXEC__UID) == 0 &&
           setresuid(AZR_EXEC__UID, AZR_EXEC__UID, AZR_EXEC__UID) == 0;
}

/* Is there a user 65534 to become? Not in a container that knows only its own root. */
static bool other_user_exists(void)
{
    unsigned long inside, outside, count;
    bool exists = false;
    FILE *map = fopen("/proc/self/uid_map", "re");
    while (map != NULL && !exists && fscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3)
        exists = AZR_EXEC__UID >= inside && AZR_EXEC__UID - inside < count;
    if (map != NULL)
        fclose(map);
    return exists;
}

bool azr_exec__enter_namespaces(char *reason, size_t reason_bytes)
{
    if (geteuid() == 0 && other_user_exists())
        return unshare_as_root(reason, reason_bytes);
    uid_t uid = geteuid();
    gid_t gid = getegid();
    /* /proc/self belongs to root otherwise when this program may not be read. */
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (unshare(CLONE_NEWUSER | NAMESPACES) != 0) {
        snprintf(reason, reason_bytes, "unshare: %s", strerror(errno));
        return false;
    }
    if (!write_maps(getpid(), uid, gid)) {
        snprintf(reason, reason_bytes, "the user map cannot be written: %s", strerror(errno));
        return false;
    }
    return true;
}

bool azr_exec__empty_root(char *reason, size_t reason_bytes)
{
    /* /proc is there on every machine this works on; the new root hides it only from this process's
     * namespace, and then is all there is. */
    static const char place[] = "/proc";
    bool ok = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
              mount("none", place, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                    "size=4096,nr_inodes=2,mode=555") == 0 &&
              chdir(place) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 &&
              umount2(".", MNT_DETACH) == 0 && chdir("/") == 0 &&
              mount(NULL, "/", NULL,
                    MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
    if (!ok)
        snprintf(reason, reason_bytes, "empty root: %s", strerror(errno));
    return ok;
}

bool azr_exec__drop_privileges(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    for (unsigned long cap = 0; cap < 64; cap++)
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* fails without the right, and then has no effect */
    return syscall(SYS_capset, &header, none) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

/* In a child: all of it, the empty root by a grandchild, as a server does it. */
static bool rehearse(char *reason, size_t reason_bytes)
{
    if (!azr_exec__enter_namespaces(reason, reason_bytes))
        return false;
    pid_t first = fork();
    if (first == 0)
        _exit(azr_exec__empty_root(reason, reason_bytes) ? 0 : 1 + (errno & 0x7f));
    int status = 0;
    if (first < 0 || waitpid(first, &status, 0) != first) {
        snprintf(reason, reason_bytes, "fork in the namespaces: %s", strerror(errno));
        return false;
    }
    if (status != 0)
        snprintf(reason, reason_bytes, "empty root: %s",
                 WIFEXITED(status) ? strerror(WEXITSTATUS(status) - 1) : "it was killed");
    return status == 0;
}

bool azr_exec__try_namespaces(char *reason, size_t reason_bytes)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        snprintf(reason, reason_bytes, "pipe: %s", strerror(errno));
        return false;
    }
    pid_t child = fork();
    if (child == 0) {
        bool ok = rehearse(reason, reason_bytes);
        if (!ok && write(ends[1], reason, strlen(reason)) < 0)
            _exit(2);
        _exit(ok ? 0 : 1);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], reason, reason_bytes - 1);
    reason[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child)
        snprintf(reason, reason_bytes, "fork: %s", strerror(errno));
    else if (status != 0 && n <= 0)
        snprintf(reason, reason_bytes, "the try of them died");
    return child > 0 && status == 0;
}
