/* child.c: one run, from the request to the record. */
#include "executor/child.h"

#include "base/memory.h"
#include "executor/record.h"

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
static const azr_exec__run_header *map_request(int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || (size_t)info.st_size <= sizeof(azr_exec__run_header))
        return NULL;
    void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    const azr_exec__run_header *header = map;
    if (map == MAP_FAILED || header->magic != AZR_EXEC__MAGIC || header->cpu_ms == 0 ||
        sizeof *header + header->program_bytes + 1 + header->function_bytes + 1 +
                header->arguments_bytes !=
            (size_t)info.st_size)
        return NULL;
    const char *texts = (const char *)(header + 1);
    return texts[header->program_bytes] == '\0' &&
                   texts[header->program_bytes + 1 + header->function_bytes] == '\0'
               ? header
               : NULL;
}

size_t azr_exec__call_init(const azr_exec__run_header *header, azr_exec__call *out_call)
{
    const char *program = (const char *)(header + 1);
    const char *function = program + header->program_bytes + 1;
    *out_call = (azr_exec__call){.program = program,
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

/* Everything that must hold before the program is touched; false: it is not. */
static bool close_doors(const azr_exec__walls *walls, const azr_exec__run_header *header,
                        int record_fd, size_t reserve_bytes)
{
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 &&
           dup2(record_fd, AZR_EXEC__RECORD_FD) == AZR_EXEC__RECORD_FD &&
           syscall(SYS_close_range, 0, AZR_EXEC__RECORD_FD - 1, 0) == 0 &&
           syscall(SYS_close_range, AZR_EXEC__RECORD_FD + 1, ~0u, 0) == 0 &&
           set_limits(walls, header, reserve_bytes) && set_timer(header->cpu_ms) &&
           sigprocmask(SIG_SETMASK, &none, NULL) == 0 &&
           (!(walls->ready.layers & AZR_EXEC__LAYER_SECCOMP) ||
            azr_exec__filter_load(&walls->filter));
}

_Noreturn void azr_exec__child_run(const azr_exec__walls *walls, int request_fd, int record_fd)
{
    const azr_exec__run_header *header = map_request(request_fd);
    if (header == NULL)
        _exit(1);
    /* Both buffers are there before memory is limited. */
    size_t text_bytes = 5 * (size_t)header->result_bytes + AZR_EXEC__TEXT_RESERVE;
    size_t record_bytes = header->result_bytes + AZR_EXEC__RECORD_OVERHEAD + 64;
    azr_strbuf text = {azr_try_alloc(text_bytes, 1), 0, text_bytes};
    azr_strbuf out = {azr_try_alloc(record_bytes, 1), 0, record_bytes};
    if (text.data == NULL || out.data == NULL)
        _exit(1);
    azr_exec__call call;
    azr_exec__call_init(header, &call);
    if (!close_doors(walls, header, record_fd, text_bytes + record_bytes + (1 << 20)))
        _exit(1);
    azr_exec__record record;
    if (!write_all(&(char){AZR_EXEC__STARTED}, 1))
        _exit(1);
    azr_exec__python_call(&call, &text, &record);
    azr_exec__record_write(&record, &out);
    _exit(write_all(out.data, out.size) ? 0 : 1);
}
