/* child.c: one run, from the request to the record. */
#include "executor/child.h"

#include "azr/literal.h"
#include "base/memory.h"
#include "executor/record.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static bool set_limit(int resource, uint64_t value)
{
    struct rlimit limit = {value, value}, old;
    if (getrlimit((__rlimit_resource_t)resource, &old) == 0 && old.rlim_max < limit.rlim_max)
        limit.rlim_cur = limit.rlim_max = old.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0;
}

static bool set_limits(const azr_exec__walls *walls, const azr_exec__run_header *header,
                       size_t reserve_bytes)
{
    uint64_t space = walls->image_bytes + reserve_bytes + header->memory_bytes;
    uint64_t cpu_seconds = header->cpu_ms / 1000 + 2; /* behind the timer, should that fail */
    return set_limit(RLIMIT_AS, space) && set_limit(RLIMIT_CPU, cpu_seconds) &&
           set_limit(RLIMIT_NPROC, 0) && set_limit(RLIMIT_FSIZE, 0) && set_limit(RLIMIT_CORE, 0) &&
           set_limit(RLIMIT_MEMLOCK, 0) && set_limit(RLIMIT_MSGQUEUE, 0) &&
           set_limit(RLIMIT_STACK, 8 << 20);
}

/* SIGKILL when the process has used its CPU time: nothing in it can stop that. */
static bool set_timer(uint32_t cpu_ms)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec limit = {.it_value = {.tv_sec = (time_t)(cpu_ms / 1000),
                                            .tv_nsec = (long)(cpu_ms % 1000) * 1000000}};
    timer_t timer;
    return timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) == 0 &&
           timer_settime(timer, 0, &limit, NULL) == 0;
}

/* The request's memory file. NULL when it is not whole. */
static azr_exec__run_header *map_request(int fd, size_t *out_bytes)
{
    struct stat info;
    *out_bytes = 0;
    if (fstat(fd, &info) != 0 || (size_t)info.st_size <= sizeof(azr_exec__run_header))
        return NULL;
    void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    azr_exec__run_header *header = map;
    if (map == MAP_FAILED || header->magic != AZR_EXEC__MAGIC || header->cpu_ms == 0 ||
        sizeof *header + header->program_bytes + 1 + header->function_bytes + 1 +
                header->arguments_bytes !=
            (size_t)info.st_size)
        return NULL;
    const char *texts = (const char *)(header + 1);
    *out_bytes = (size_t)info.st_size;
    return texts[header->program_bytes] == '\0' &&
                   texts[header->program_bytes + 1 + header->function_bytes] == '\0'
               ? header
               : NULL;
}

size_t azr_exec__call_init(const azr_exec__run_header *header, azr_exec__call *out_call)
{
    const char *program = (const char *)(header + 1);
    const char *function = program + header->program_bytes + 1;
    *out_call = (azr_exec__call){.kind = (azr_exec_kind)header->kind,
                                 .has_constructors = (header->flags & AZR_EXEC__CONSTRUCTORS) != 0,
                                 .program = program,
                                 .function = function,
                                 .arguments = function + header->function_bytes + 1,
                                 .arguments_bytes = header->arguments_bytes,
                                 .result_bytes = header->result_bytes};
    return (size_t)(out_call->arguments - (const char *)header) + header->arguments_bytes;
}

static bool write_all(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(AZR_EXEC__RECORD_FD, bytes, size);
        if (n <= 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

/* Where a process's descriptors come from; -1: it has none such. */
typedef struct door_fds {
    int record, pair_read, pair_write;
} door_fds;

/* The descriptors at their places, and no others. */
static bool place_descriptors(const door_fds *fds)
{
    const int from[] = {fds->record, fds->pair_read, fds->pair_write};
    enum { N = sizeof from / sizeof from[0], FIRST = AZR_EXEC__RECORD_FD, ABOVE = 16 };
    int high[N];
    /* First out of the way of each other. */
    for (int i = 0; i < N; i++) {
        high[i] = from[i] >= 0 ? fcntl(from[i], F_DUPFD, ABOVE) : -1;
        if (from[i] >= 0 && high[i] < 0)
            return false;
    }
    if (syscall(SYS_close_range, 0, ABOVE - 1, 0) != 0)
        return false;
    for (int i = 0; i < N; i++)
        if (high[i] >= 0 && dup2(high[i], FIRST + i) != FIRST + i)
            return false;
    return syscall(SYS_close_range, FIRST + N, ~0u, 0) == 0;
}

/* Everything that must hold before the program is touched; false: it is not. */
static bool close_doors(const azr_exec__walls *walls, const azr_exec__run_header *header,
                        const door_fds *fds, size_t reserve_bytes)
{
    sigset_t none;
    sigemptyset(&none);
    const azr_exec__filter *filter =
        header->kind == AZR_EXEC_TESTS ? &walls->pair_filter : &walls->filter;
    return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && place_descriptors(fds) &&
           set_limits(walls, header, reserve_bytes) && set_timer(header->cpu_ms) &&
           sigprocmask(SIG_SETMASK, &none, NULL) == 0 &&
           (!(walls->ready.layers & AZR_EXEC__LAYER_SECCOMP) || azr_exec__filter_load(filter));
}

/* What a run needs, all there before memory is limited. */
typedef struct child {
    const azr_exec__walls *walls;
    azr_exec__run_header *header; /* mapped */
    size_t header_bytes;
    azr_exec__call call;
    azr_exec__pair pair; /* of tests */
    azr_strbuf text, out;
    size_t reserve_bytes;
} child;

static bool alloc_text(azr_strbuf *text, size_t size)
{
    *text = (azr_strbuf){azr_try_alloc(size, 1), 0, size};
    return text->data != NULL;
}

static bool prepare(child *c)
{
    const azr_exec__run_header *header = c->header;
    azr_exec__call_init(header, &c->call);
    size_t text_bytes = 5 * (size_t)header->result_bytes + AZR_EXEC__TEXT_RESERVE;
    size_t record_bytes = header->result_bytes + AZR_EXEC__RECORD_OVERHEAD + 64;
    c->reserve_bytes = text_bytes + record_bytes + (1 << 20);
    if (header->kind > AZR_EXEC_TESTS || !alloc_text(&c->text, text_bytes) ||
        !alloc_text(&c->out, record_bytes))
        return false;
    if (header->kind != AZR_EXEC_TESTS)
        return true;
    size_t frame_text_bytes = 5 * (size_t)AZR_EXEC__FRAME_BYTES + AZR_EXEC__TEXT_RESERVE;
    c->pair.frame_bytes = AZR_EXEC__FRAME_BYTES;
    c->pair.cpu_us = header->cpu_ms * (int64_t)1000;
    c->pair.in = azr_try_alloc(AZR_EXEC__FRAME_BYTES, 1);
    c->reserve_bytes += frame_text_bytes + AZR_EXEC__FRAME_BYTES;
    return c->pair.in != NULL && alloc_text(&c->pair.text, frame_text_bytes);
}

static bool write_byte(char byte)
{
    return write_all(&byte, 1);
}

static _Noreturn void end(child *c, const azr_exec__record *record)
{
    azr_exec__record_write(record, &c->out);
    _exit(write_all(c->out.data, c->out.size) ? 0 : 1);
}

static _Noreturn void run_program(child *c, int record_fd)
{
    azr_exec__record record;
    const door_fds fds = {record_fd, -1, -1};
    if (!close_doors(c->walls, c->header, &fds, c->reserve_bytes) || !write_byte(AZR_EXEC__STARTED))
        _exit(1);
    bool ok = azr_exec__python_prepare(&c->call, &c->text, &record);
    if (c->call.has_constructors &&
        !write_byte(ok ? AZR_EXEC__ARGUMENTS_READ : AZR_EXEC__ARGUMENTS_REFUSED))
        _exit(1);
    if (ok)
        azr_exec__python_call(&c->call, &c->text, &record);
    end(c, &record);
}

/* The process of the program keeps nothing of the test. */
static bool forget_test(child *c)
{
    c->call.program = azr_copy_text(c->call.program, strlen(c->call.program));
    c->call.function = "";
    c->call.arguments = NULL;
    c->call.arguments_bytes = 0;
    bool ok = munmap(c->header, c->header_bytes) == 0;
    c->header = NULL;
    return ok;
}

/* Two processes: this one tests, its child is the program. */
static _Noreturn void run_tests(child *c, int record_fd)
{
    int to[2], from[2];
    azr_exec__record record;
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
        _exit(1);
    pid_t candidate = fork();
    const door_fds fds = {candidate == 0 ? -1 : record_fd, candidate == 0 ? to[0] : from[0],
                          candidate == 0 ? from[1] : to[1]};
    if (candidate < 0 || !close_doors(c->walls, c->header, &fds, c->reserve_bytes) ||
        !azr_exec__python_prepare(&c->call, &c->text, &record))
        _exit(1);
    if (candidate == 0 && !forget_test(c))
        _exit(1);
    if (candidate == 0)
        azr_exec__python_candidate(&c->call, &c->pair);
    c->pair.candidate = candidate;
    if (!azr_exec__python_greet(&c->pair) || !write_byte(AZR_EXEC__STARTED))
        _exit(1);
    azr_exec__python_check(&c->call, &c->pair, &c->text, &record);
    end(c, &record);
}

_Noreturn void azr_exec__child_run(const azr_exec__walls *walls, int request_fd, int record_fd)
{
    child c = {.walls = walls};
    c.header = map_request(request_fd, &c.header_bytes);
    setpgid(0, 0);
    if (c.header == NULL || !prepare(&c))
        _exit(1);
    if (c.header->kind == AZR_EXEC_TESTS)
        run_tests(&c, record_fd);
    run_program(&c, record_fd);
}
