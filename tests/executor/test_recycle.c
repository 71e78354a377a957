/* test_recycle.c: a recycled worker is after each run what it was before, whatever the run did.
 * Programs here have native code: a module that makes system calls, reads and writes any address,
 * and jumps anywhere. After each, every page of the worker is compared with its image. */
#include "executor/python_value.h"

#include "executor/literal_node.h"
#include "executor/recycle.h"
#include "executor/recycle_keeper.h"
#include "executor/recycle_worker.h"
#include "sandbox.h"

#include "../support/corpus.h"
#include "base/check.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- native code for programs -------------------------------------------------------------------
 */

static int target;
/* Lies where the loader writes once and then takes the right to write away. */
static int *const volatile relocated = &target;

static long raw_call(long number, const uint64_t a[6])
{
    register long result __asm__("rax") = number;
    register uint64_t a1 __asm__("rdi") = a[0];
    register uint64_t a2 __asm__("rsi") = a[1];
    register uint64_t a3 __asm__("rdx") = a[2];
    register uint64_t a4 __asm__("r10") = a[3];
    register uint64_t a5 __asm__("r8") = a[4];
    register uint64_t a6 __asm__("r9") = a[5];
    __asm__ volatile("syscall"
                     : "+r"(result)
                     : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a6)
                     : "rcx", "r11", "memory");
    return result;
}

static PyObject *native_call(PyObject *self, PyObject *args)
{
    long long number, a[6] = {0};
    (void)self;
    if (!PyArg_ParseTuple(args, "L|LLLLLL", &number, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5]))
        return NULL;
    uint64_t words[6];
    memcpy(words, a, sizeof words);
    return PyLong_FromLong(raw_call((long)number, words));
}

static PyObject *native_poke(PyObject *self, PyObject *args)
{
    unsigned long long address, size;
    int byte;
    (void)self;
    if (!PyArg_ParseTuple(args, "KKi", &address, &size, &byte))
        return NULL;
    volatile char *at = azr_exec__at(address);
    for (unsigned long long i = 0; i < size; i++)
        at[i] = (char)byte;
    Py_RETURN_NONE;
}

static PyObject *native_put(PyObject *self, PyObject *args)
{
    unsigned long long address;
    Py_buffer bytes;
    (void)self;
    if (!PyArg_ParseTuple(args, "Ky*", &address, &bytes))
        return NULL;
    memcpy(azr_exec__at(address), bytes.buf, (size_t)bytes.len);
    Py_RETURN_NONE;
}

static PyObject *native_peek(PyObject *self, PyObject *args)
{
    unsigned long long address;
    Py_ssize_t size;
    (void)self;
    if (!PyArg_ParseTuple(args, "Kn", &address, &size))
        return NULL;
    return PyBytes_FromStringAndSize(azr_exec__at(address), size);
}

static PyObject *native_jump(PyObject *self, PyObject *args)
{
    unsigned long long address;
    (void)self;
    if (!PyArg_ParseTuple(args, "K", &address))
        return NULL;
    ((void (*)(void))azr_exec__at(address))();
    Py_RETURN_NONE;
}

/* How many words from start to end open the keeper's door? */
static PyObject *native_try_cookies(PyObject *self, PyObject *args)
{
    unsigned long long start, end;
    long n = 0;
    uint64_t last = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "KK", &start, &end))
        return NULL;
    for (; start < end; start += sizeof(uint64_t)) {
        uint64_t word = *(const volatile uint64_t *)azr_exec__at(start);
        const uint64_t a[6] = {0, 0, 4, 0, word};
        /* A cookie of 64 random bits has some in its upper half. */
        if (word == last || word >> 48 == 0)
            continue;
        last = word;
        n += raw_call(SYS_madvise, a) != -EPERM;
    }
    return PyLong_FromLong(n);
}

void azr_exec__recycle_test_hook(void)
{
    static PyMethodDef methods[] = {{"call", native_call, METH_VARARGS, NULL},
                                    {"poke", native_poke, METH_VARARGS, NULL},
                                    {"put", native_put, METH_VARARGS, NULL},
                                    {"peek", native_peek, METH_VARARGS, NULL},
                                    {"jump", native_jump, METH_VARARGS, NULL},
                                    {"try_cookies", native_try_cookies, METH_VARARGS, NULL},
                                    {NULL, NULL, 0, NULL}};
    PyObject *module = PyImport_AddModule("native");
    if (module == NULL || PyModule_AddFunctions(module, methods) != 0)
        _exit(1);
    PyObject_SetAttrString(module, "keeper",
                           PyLong_FromVoidPtr((void *)(uintptr_t)&azr_exec__keeper));
    PyObject_SetAttrString(module, "relocated", PyLong_FromVoidPtr((void *)(uintptr_t)&relocated));
    PyObject_SetAttrString(module, "target", PyLong_FromVoidPtr(&target));
}

#define NATIVE "import collections\nsys = collections._sys\nnative = sys.modules['native']\n"
#define WINDOW 0x200000000000ULL

/* --- one worker ---------------------------------------------------------------------------------
 */

static azr_exec__worker *start_worker(const azr_exec__hot *hot)
{
    azr_exec__notice notice;
    bool broken;
    azr_exec__worker *w = azr_exec__worker_start(AZR_EXEC__FLAVOUR_A, "", hot, &notice, &broken);
    if (w == NULL)
        fail_msg("%s", notice.text);
    return w;
}

/* Not everywhere: another processor, a sanitizer, a container that forbids part of it. */
static bool can_recycle(void)
{
    azr_exec__notice notice;
    bool broken;
    azr_exec__worker *w = azr_exec__worker_start(AZR_EXEC__FLAVOUR_A, "", NULL, &notice, &broken);
    if (w == NULL)
        print_message("%s\n", notice.text);
    azr_exec__worker_destroy(w);
    return w != NULL;
}

static int ms_of_cpu = 10000;

/* Runs f(); what came of it is the caller's. Leaves the worker as the run left it. */
static azr_exec_run run_only(azr_exec__worker *w, const char *program, long *out_faults)
{
    azr_exec__job job = {.limits = small_limits()};
    azr_exec__try what = {.job = &job};
    azr_exec__slot slot = {.what = &what, .has_begun = true};
    static const char no_arguments[] = {AZR_LITERAL_ARGUMENTS, 0, 0, 0, 0, 0, 0, 0, 0};
    azr_exec__run_header header = {.magic = AZR_EXEC__MAGIC,
                                   .cpu_ms = 1,
                                   .memory_bytes = 64 << 20,
                                   .result_bytes = 16 << 10,
                                   .program_bytes = (uint32_t)strlen(program),
                                   .function_bytes = 1,
                                   .arguments_bytes = sizeof no_arguments};
    const char *texts[3] = {program, "f", no_arguments};
    azr_exec__ended ended;
    azr_exec_run run;
    job.limits.cpu_ms = ms_of_cpu;
    azr_exec__worker_begin(w, ms_of_cpu);
    assert_true(azr_exec__worker_add(w, &header, texts));
    azr_exec__ran ran = azr_exec__worker_run(w, 120000, &ended);
    if (ran != AZR_EXEC__RAN)
        fail_msg("the worker died of: %s", program);
    if (ended.n_records > 0)
        slot.record = ended.records[0];
    else
        azr_strbuf_append(&slot.record, "S", 1);
    azr_exec__outcome(&slot, ended.wait_status, ended.cpu_us, &run);
    azr_strbuf_deinit(&slot.record);
    *out_faults = ended.n_faults;
    return run;
}

static void restore(azr_exec__worker *w, long n_faults, const char *program)
{
    if (!azr_exec__worker_restore(w, n_faults, false))
        fail_msg("not to be restored after: %s", program);
}

static void check_pages(azr_exec__worker *w, const char *program)
{
    uint64_t address;
    if (!azr_exec__worker_check(w, &address))
        fail_msg("%#llx differs after: %s", (unsigned long long)address, program);
}

/* The status of f(); with all pages compared afterwards, and a sentinel. */
static azr_exec_status attack(azr_exec__worker *w, const char *program, const char *value)
{
    static const char sentinel[] =
        "def f():\n    return [5, len('abc'), sorted({3, 1}), repr(7)]\n";
    long n_faults;
    azr_exec_run run = run_only(w, program, &n_faults);
    azr_exec_status status = run.status;
    if (value != NULL && (run.value == NULL || strcmp(run.value, value) != 0))
        fail_msg("%s instead of %s: %s%s",
                 run.value != NULL ? run.value : azr_exec_status_name(status), value, program,
                 run.message != NULL ? run.message : "");
    azr_exec__run_deinit(&run);
    restore(w, n_faults, program);
    check_pages(w, program);
    run = run_only(w, sentinel, &n_faults);
    assert_int_equal(run.status, AZR_EXEC_OK);
    assert_string_equal(run.value, "[5, 3, [1, 3], '7']");
    azr_exec__run_deinit(&run);
    restore(w, n_faults, sentinel);
    return status;
}

/* --- the holes ----------------------------------------------------------------------------------
 */

/* A run's own child would run on, in the same memory, while that is brought back. */
static void no_child_of_a_run(void **state)
{
    azr_exec__worker *w = *state;
    assert_int_equal(attack(w,
                            NATIVE "def f(): return [native.call(56, 0x111, 0x210000700000), "
                                   "native.call(56, 17), native.call(57), native.call(58), "
                                   "native.call(435, 0, 88)]\n",
                            "[-1, -1, -1, -1, -1]"),
                     AZR_EXEC_OK);
}

/* The keeper's calls, without the cookie. */
static void no_call_of_the_keeper(void **state)
{
    azr_exec__worker *w = *state;
    attack(w,
           NATIVE "def f(): return [native.call(n, 1, 0x200000000000, 8) for n in "
                  "(0, 1, 61, 28, 157, 222, 223, 436)]\n",
           "[-1, -1, -1, -1, -1, -1, -1, -1]");
    attack(w,
           NATIVE "def f(): return [native.call(28, 0, 0, 4, 0, c) for c in "
                  "(0, 1, -1, 2**62, -2**63, 0x200000000000)]\n",
           "[-1, -1, -1, -1, -1, -1]");
}

/* Relocations and code thrown away would break the worker for all later runs. */
static void no_page_is_thrown_away(void **state)
{
    azr_exec__worker *w = *state;
    attack(w,
           NATIVE
           "def f():\n"
           "    places = [native.relocated, native.target, native.keeper, id(int), id([])]\n"
           "    return [native.call(28, p & ~4095, 4096, a) for p in places for a in (4, 8)]\n",
           "[-1, -1, -1, -1, -1, -1, -1, -1, -1, -1]");
}

/* No mapping can be made, changed or taken away. */
static void no_mapping_changes(void **state)
{
    azr_exec__worker *w = *state;
    attack(w,
           NATIVE
           "def f(): return [native.call(9, 0, 4096, 3, 0x22, -1), native.call(11, 0, 4096), "
           "native.call(10, id([]) & ~4095, 4096, 1), native.call(25, 0, 4096, 8192), "
           "native.call(12, 0), native.call(216), native.call(29, 0, 4096, 0o777), "
           "native.call(30), native.call(462, id([]) & ~4095, 4096)]\n",
           "[-1, -1, -1, -1, -1, -1, -1, -1, -1]");
    assert_int_equal(attack(w, NATIVE "def f(): native.call(10, id([]) & ~4095, 4096, 7)\n", NULL),
                     AZR_EXEC_POLICY);
}

/* What the kernel would write to later: rseq, the robust list, the address for the thread's end,
 * another stack for signals. */
static void nothing_is_registered(void **state)
{
    azr_exec__worker *w = *state;
    attack(w,
           NATIVE "def f(): return [native.call(334, id([]), 32, 0, 0x53053053), "
                  "native.call(218, id([])), native.call(273, id([]), 24), "
                  "native.call(131, id([]), 0), native.call(13, 11, id([]), 0, 8)]\n",
           "[-1, -1, -1, -1, -1]");
}

/* The worker's mappings and limits, as the kernel tells them. */
static char *kernel_view(pid_t pid)
{
    static const char *const files[] = {"maps", "limits", "timers", "timerslack_ns"};
    azr_strbuf text = {0};
    for (size_t i = 0; i < AZR_COUNT(files); i++) {
        char path[64], bytes[4096];
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, files[i]);
        FILE *file = fopen(path, "re"); /* some need rights that not every user has */
        for (size_t n; file != NULL && (n = fread(bytes, 1, sizeof bytes, file)) > 0;)
            azr_strbuf_append(&text, bytes, n);
        if (file != NULL)
            fclose(file);
    }
    cpu_set_t cores;
    if (sched_getaffinity(pid, sizeof cores, &cores) == 0)
        azr_strbuf_append(&text, (const char *)&cores, sizeof cores);
    return azr_strbuf_steal(&text);
}

/* What a process can change that is no memory, of itself, of the keeper (2, its parent) or of the
 * mappings it shares with it: none of it is to be had. */
static void no_call_changes_what_lasts(void **state)
{
    azr_exec__worker *w = *state;
    static const char *const calls[] = {
        "SYS_prlimit64: 302, p, 7, 0, s",
        "SYS_setrlimit: 160, 7, s",
        "SYS_sched_setaffinity: 203, p, 8, s",
        "SYS_sched_setparam: 142, p, s",
        "SYS_sched_setscheduler: 144, p, 0, s",
        "SYS_sched_setattr: 314, p, s",
        "SYS_setpriority: 141, 0, p, 19",
        "SYS_ioprio_set: 251, 1, p, 0",
        "SYS_kill: 62, p, 9",
        "SYS_tgkill: 234, p, p, 9",
        "SYS_tkill: 200, p, 9",
        "SYS_rt_sigqueueinfo: 129, p, 9, s",
        "SYS_pidfd_open: 434, p, 0",
        "SYS_pidfd_send_signal: 424, 0, 9",
        "SYS_process_madvise: 440, 0, s, 1, 4",
        "SYS_process_mrelease: 448, 0",
        "SYS_kcmp: 312, p, p, 0",
        "SYS_migrate_pages: 256, p",
        "SYS_move_pages: 279, p, 1, s",
        "SYS_mbind: 237, s, 4096, 1",
        "SYS_set_mempolicy: 238, 1",
        "SYS_set_mempolicy_home_node: 450, s, 4096",
        "SYS_mlock: 149, s, 4096",
        "SYS_mlock2: 325, s, 4096",
        "SYS_mlockall: 151, 3",
        "SYS_remap_file_pages: 216, s, 4096",
        "SYS_pkey_alloc: 330",
        "SYS_pkey_mprotect: 329, s, 4096, 1",
        "SYS_mseal: 462, s, 4096",
        "SYS_membarrier: 324, 16",
        "SYS_io_setup: 206, 8, s",
        "SYS_map_shadow_stack: 453, 0, 4096",
        "SYS_arch_prctl: 158, 0x1002, s",
        "SYS_arch_prctl cpuid: 158, 0x1012, 0",
        "SYS_prctl dumpable: 157, 4, 1",
        "SYS_prctl name: 157, 15, s",
        "SYS_prctl mm: 157, 35, 1, s",
        "SYS_prctl thp: 157, 41, 1",
        "SYS_prctl vma: 157, 0x53564d41, 0, s",
        "SYS_prctl tsc: 157, 26, 2",
        "SYS_prctl subreaper: 157, 36, 1",
        "SYS_seccomp: 317, 1, 1, s",
        "SYS_personality: 135, 0x400000",
        "SYS_umask: 95, 0",
        "SYS_setpgid: 109, p, p",
        "SYS_setsid: 112",
        "SYS_setuid: 105, 0",
        "SYS_capset: 126, s, s",
        "SYS_timer_create: 222, 0, 0, s",
        "SYS_timer_delete: 226, 0",
        "SYS_setitimer: 38, 0, s, 0",
        "SYS_alarm: 37, 1",
        "SYS_timerfd_create: 283, 0",
        "SYS_eventfd2: 290",
        "SYS_memfd_create: 319, s",
        "SYS_socketpair: 53, 1, 1, 0, s",
        "SYS_shmget: 29, 0, 4096, 0o1777",
        "SYS_semget: 64, 0, 1, 0o1777",
        "SYS_msgget: 68, 0, 0o1777",
        "SYS_mq_open: 240, s, 64",
        "SYS_openat: 257, -100, s",
        "SYS_dup2: 33, 0, 1",
        "SYS_close: 3, 0",
        "SYS_fcntl: 72, 0, 3",
        "SYS_ioctl: 16, 0, 0x5401",
        "SYS_pipe2: 293, s",
        "SYS_inotify_init1: 294",
        "SYS_landlock_restrict_self: 446, 0",
        "SYS_nanosleep: 35, s, 0",
        "SYS_getpid: 39",
    };
    /* The worse ones end the process. */
    static const int fatal[] = {59,  322, 101, 310, 311, 321, 298,
                                323, 425, 165, 272, 308, 155, 250};
    char *before = kernel_view(w->keeper_pid);
    azr_strbuf program = {0};
    azr_strbuf_puts(&program, NATIVE "def f():\n    p, s = 2, id([]) & ~4095\n    return [");
    for (size_t i = 0; i < AZR_COUNT(calls); i++)
        azr_strbuf_printf(&program, "native.call(%s), ", strrchr(calls[i], ':') + 1);
    azr_strbuf_puts(&program, "]\n");
    azr_strbuf refused = {0};
    for (size_t i = 0; i < AZR_COUNT(calls); i++)
        azr_strbuf_puts(&refused, i == 0 ? "[-1" : ", -1");
    azr_strbuf_puts(&refused, "]");
    attack(w, program.data, refused.data);
    for (size_t i = 0; i < AZR_COUNT(fatal); i++) {
        char text[256];
        snprintf(text, sizeof text, NATIVE "def f(): native.call(%d, 16, 2)\n", fatal[i]);
        assert_int_equal(attack(w, text, NULL), AZR_EXEC_POLICY);
    }
    char *after = kernel_view(w->keeper_pid);
    assert_string_equal(before, after);
    azr_free(before);
    azr_free(after);
    azr_strbuf_deinit(&program);
    azr_strbuf_deinit(&refused);
}

/* Every word of the worker's memory, as a cookie. */
static void the_cookie_is_not_in_memory(void **state)
{
    azr_exec__worker *w = *state;
    size_t n_bytes = 0;
    for (size_t i = 0; i < w->n_stretches; i++) {
        const azr_exec__stretch *s = &w->stretches[i];
        char program[512];
        if (s->offset == azr_exec__growth)
            continue;
        long n_faults;
        snprintf(program, sizeof program, NATIVE "def f(): return native.try_cookies(%llu, %llu)\n",
                 (unsigned long long)s->address, (unsigned long long)(s->address + s->bytes));
        azr_exec_run run = run_only(w, program, &n_faults);
        if (run.value == NULL || strcmp(run.value, "0") != 0)
            fail_msg("stretch %zu: %s", i,
                     run.value != NULL ? run.value : azr_exec_status_name(run.status));
        azr_exec__run_deinit(&run);
        restore(w, n_faults, program);
        n_bytes += s->bytes;
    }
    assert_true(n_bytes > 4 << 20);
    attack(w,
           NATIVE
           "def f(): return native.try_cookies(0x200000000000, 0x200000000000 + (16 << 20))\n",
           "0");
    attack(w,
           NATIVE "def f(): return native.peek(0x200000000000 + (96 << 10) + 4096, 1 << 20)"
                  ".count(0) == 1 << 20\n",
           "True");
}

static void the_keeper_is_not_to_be_used(void **state)
{
    azr_exec__worker *w = *state;
    /* Into its entry, its loop and all of its instructions. */
    for (int offset = 0; offset < 700; offset += 7) {
        char program[256];
        snprintf(program, sizeof program, NATIVE "def f(): native.jump(native.keeper + %d)\n",
                 offset);
        azr_exec_status status = attack(w, program, NULL);
        assert_true(status == AZR_EXEC_NO_RESULT || status == AZR_EXEC_CRASH ||
                    status == AZR_EXEC_POLICY || status == AZR_EXEC_OK);
    }
    assert_int_equal(attack(w, NATIVE "def f(): native.poke(native.keeper, 64, 0x90)\n", NULL),
                     AZR_EXEC_CRASH);
}

static void the_window_is_wiped(void **state)
{
    azr_exec__worker *w = *state;
    static const char leave[] = NATIVE "def f():\n"
                                       "    native.poke(0x200000000000, 4096, 0x41)\n"
                                       "    native.poke(0x200000000000 + 20000, 8192, 0x42)\n"
                                       "    return 1\n";
    static const char look[] = NATIVE "def f():\n"
                                      "    a = native.peek(0x200000000000, 36 << 10)\n"
                                      "    return a.count(0x41) < 64 and a.count(0x42) == 0\n";
    attack(w, leave, "1");
    attack(w, look, "True");
    /* What the supervisor writes there can only be read. */
    assert_int_equal(
        attack(w, NATIVE "def f(): native.poke(0x200000000000 + (36 << 10), 8, 1)\n", NULL),
        AZR_EXEC_CRASH);
    assert_int_equal(
        attack(w, NATIVE "def f(): native.poke(0x200000000000 + (96 << 10), 8, 1)\n", NULL),
        AZR_EXEC_CRASH);
}

/* Only a record that is a whole one counts, and it is the program's own word. */
static void records_are_read_with_care(void **state)
{
    azr_exec__worker *w = *state;
#define RECORD "0x200000001000"
    static const char *const places[] = {"(1, 0, 100)",
                                         "(1, 2**63, 100)",
                                         "(1, 2**64 - 1, 2**64 - 1)",
                                         "(2**64 - 1, " RECORD ", 8)",
                                         "(1, " RECORD ", 2**40)",
                                         "(1, 0x220000000000 + (1 << 30), 8000)",
                                         "(1, 0x7ffffffff000, 1)",
                                         "(1, " RECORD " + 32760, 100)",
                                         "(1, 0x200000000000, 64)"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char program[512];
        snprintf(program, sizeof program,
                 NATIVE "def f():\n"
                        "    p = b''.join(n.to_bytes(8, 'little') for n in %s)\n"
                        "    native.put(" RECORD ", p)\n"
                        "    native.call(231, 0)\n",
                 places[i]);
        assert_int_equal(attack(w, program, NULL), AZR_EXEC_NO_RESULT);
    }
    assert_int_equal(attack(w, NATIVE "def f(): native.call(231, 0)\n", NULL), AZR_EXEC_NO_RESULT);
    assert_int_equal(attack(w, NATIVE "def f(): native.call(231, 9)\n", NULL), AZR_EXEC_NO_RESULT);
}

/* MemoryError is MEMORY, whatever the program or the interpreter makes of it. */
static void memory_is_memory(void **state)
{
    azr_exec__worker *w = *state;
    static const char *const programs[] = {
        "def f(): return [0] * 10 ** 9\n",
        "def f():\n    try:\n        return bytes(10 ** 9)\n    except MemoryError:\n        "
        "return 5\n",
        "def f():\n    s = 'a'\n    while True: s += s\n",
        "def f():\n    a = []\n    while True: a.append([0] * 500)\n",
    };
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        assert_int_equal(attack(w, programs[i], NULL), AZR_EXEC_MEMORY);
}

static void every_system_call(void **state)
{
    azr_exec__worker *w = *state;
    ms_of_cpu = 200;
    for (int number = 0; number < 480; number++) {
        char program[256];
        long n_faults;
        snprintf(program, sizeof program, NATIVE "def f(): return native.call(%d)\n", number);
        azr_exec_run run = run_only(w, program, &n_faults);
        azr_exec__run_deinit(&run);
        restore(w, n_faults, program);
        if (number % 60 == 59)
            check_pages(w, program);
    }
    ms_of_cpu = 10000;
    attack(w, "def f(): return 1\n", "1");
}

/* --- pages --------------------------------------------------------------------------------------
 */

static const char *const vandals[] = {
    NATIVE "def f():\n    native.poke(id(5), 64, 0x41)\n    return 1\n",
    NATIVE "def f():\n    native.poke(id(int) & ~4095, 4096, 0)\n    return 1\n",
    NATIVE "def f(): native.poke(native.target, 4, 9)\n",
    NATIVE "def f(): native.poke(id([]) & ~0xfffff, 1 << 20, 0x41)\n",
    NATIVE "def f(): native.poke(0x220000000000, 2 << 30, 0x41)\n",
    NATIVE "def f(): native.poke(0x210000000000, 8 << 20, 0x41)\n",
    NATIVE "def f(): native.poke(0x210000000000 + (7 << 20), 4096, 0x41)\n",
    NATIVE "def f(): native.poke(native.relocated, 8, 0)\n",
    NATIVE "def f(): native.poke(0, 8, 0)\n",
    "import collections\nsys = collections._sys\ndef f():\n    sys.modules.clear()\n    return 1\n",
    "import collections\nb = collections._sys.modules['builtins']\n"
    "def f():\n    b.len = lambda x: 0\n    b.repr = b.sorted = None\n    return 1\n",
    "import math\ndef f():\n    math.pi = 3\n    return math.pi\n",
    "import json, re\ndef f():\n    json.x = [re.compile(str(i)) for i in range(99)]\n    return "
    "2\n",
    "import decimal\ndef f():\n    decimal.getcontext().prec = 3\n    return 2\n",
    "import collections\ns = collections._sys\ndef f():\n    s.setrecursionlimit(10 ** 9)\n"
    "    def g(n): return g(n + 1)\n    return g(0)\n",
    "def f():\n    return f()\n",
    "def f():\n    return [str(i) for i in range(20000)][-1]\n",
    "def f():\n    a = [bytes(100000) for i in range(300)]\n    return len(a)\n",
    "def f():\n    return 'x' * 40000\n",
    "import collections\np = collections._sys.modules['posix']\ndef f(): p.abort()\n",
    "import collections\np = collections._sys.modules['posix']\ndef f(): p._exit(0)\n",
    "class A:\n    def __del__(self): A.x = A()\ndef f():\n    A()\n    return 1\n",
    "import collections\ns = collections._sys\ndef f():\n    s.settrace(lambda *a: None)\n    "
    "return 1\n",
    "def f(): return {i: [i] * 3 for i in range(900)}\n",
    "def f(:\n",
    "x = 1\n",
};
enum { N_VANDALS = sizeof vandals / sizeof vandals[0] };

static void vandals_leave_nothing(void **state)
{
    azr_exec__worker *w = *state;
    for (size_t i = 0; i < N_VANDALS; i++)
        attack(w, vandals[i], NULL);
}

/* The same by pagemap, as on kernels without PAGEMAP_SCAN. */
static void vandals_without_scan(void **state)
{
    azr_exec__worker *w = *state;
    bool had = w->has_scan;
    w->has_scan = false;
    for (size_t i = 0; i < N_VANDALS; i++)
        attack(w, vandals[i], NULL);
    w->has_scan = had;
}

static size_t resident_pages(pid_t pid)
{
    char path[64];
    unsigned long all = 0, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &all, &resident), 2);
    fclose(file);
    return resident;
}

/* The corpus's hostile programs, with an argument of their own. */
static void add_hostile(azr_test_corpus *corpus)
{
    azr_test_corpus_add_hostile(corpus);
    for (size_t i = 0; i < corpus->n; i++) {
        azr_test_program *p = &corpus->programs[i];
        azr_strbuf text = {0};
        azr_strbuf_printf(&text, "%s\ng_of_f = f\ndef f(): return g_of_f(%s)\n", p->program,
                          p->inputs[p->n_inputs - 1]);
        azr_free(p->program);
        p->program = azr_strbuf_steal(&text);
    }
}

/* Good and bad by turns, every page compared after each. The bad ones are those above and the
 * corpus's; those that fill all memory come seldom. AZR_RECYCLE_RUNS: how many; AZR_RECYCLE_FROM:
 * the number of the first. */
static void memory_stays_flat(void **state)
{
    enum { FIRST_HEAVY = 3, N_HEAVY = 4, HEAVY_EVERY = 250, USUAL = 800 };
    azr_exec__worker *w = *state;
    const char *wish = getenv("AZR_RECYCLE_RUNS"), *from = getenv("AZR_RECYCLE_FROM");
    size_t n = wish != NULL ? strtoul(wish, NULL, 10) : USUAL;
    size_t first = from != NULL ? strtoul(from, NULL, 10) : 0;
    size_t before = 0, statuses[AZR_N_EXEC_STATUSES] = {0};
    azr_test_corpus corpus = {0};
    add_hostile(&corpus);
    ms_of_cpu = 20;
    for (size_t i = 0; i < n; i++) {
        size_t bad = (first + i) / 2, k = bad % (N_VANDALS + corpus.n);
        const char *program = k < N_VANDALS ? vandals[k] : corpus.programs[k - N_VANDALS].program;
        bool is_heavy = k >= FIRST_HEAVY && k < FIRST_HEAVY + N_HEAVY;
        if (i % 2 == 0)
            program = "def f(): return sum(range(50))\n";
        else if (is_heavy)
            program = vandals[bad % HEAVY_EVERY < N_HEAVY ? k : 0];
        long n_faults;
        azr_exec_run run = run_only(w, program, &n_faults);
        statuses[run.status]++;
        if (i % 2 == 0 && (run.value == NULL || strcmp(run.value, "1225") != 0))
            fail_msg("run %zu: %s", first + i, azr_exec_status_name(run.status));
        azr_exec__run_deinit(&run);
        restore(w, n_faults, program);
        check_pages(w, program);
        if (i == n / 10)
            before = resident_pages(w->keeper_pid);
    }
    ms_of_cpu = 10000;
    size_t after = resident_pages(w->keeper_pid);
    print_message("%zu runs, %zu resident pages, then %zu\n", n, before, after);
    for (int s = 0; s < AZR_N_EXEC_STATUSES && wish != NULL; s++)
        print_message("  %s %zu\n", azr_exec_status_name((azr_exec_status)s), statuses[s]);
    if (after > before + 64)
        fail_msg("%zu resident pages became %zu", before, after);
    azr_test_corpus_deinit(&corpus);
}

/* The comparison of all pages finds what is not as it was. */
static void the_check_can_fail(void **state)
{
    azr_exec__worker *w = start_worker(NULL);
    uint64_t address;
    long n_faults;
    (void)state;
    check_pages(w, "the start");
    azr_exec_run run = run_only(w, "def f(): return 1\n", &n_faults);
    azr_exec__run_deinit(&run);
    assert_true(n_faults > 0); /* nothing is hot: there were writes, and the kernel counted them */
    assert_false(azr_exec__worker_check(w, &address));
    assert_true(address != 0);
    restore(w, n_faults, "1");
    check_pages(w, "restoring");
    w->window[100] = 1;
    assert_false(azr_exec__worker_check(w, &address));
    azr_exec__worker_destroy(w);
}

/* Which worker, and how many runs before, cannot be told. */
static void all_workers_are_alike(void **state)
{
    azr_exec__worker *w = *state, *other = start_worker(NULL);
    static const char tell[] =
        "def f():\n"
        "    class A: pass\n"
        "    return [id(int), id(f), id([]), id(A()), hash('a'), list({'a', 'b', 'c'}), "
        "str(object()), id('x' * 1000), id(bytes(100000)), sorted(map(id, [A() for i in "
        "range(50)]))]\n";
    long n_faults;
    azr_exec_run a = run_only(w, tell, &n_faults);
    restore(w, n_faults, tell);
    azr_exec_run b = run_only(other, tell, &n_faults);
    assert_string_equal(a.value, b.value);
    azr_exec__run_deinit(&a);
    azr_exec__run_deinit(&b);
    azr_exec__worker_destroy(other);
}

/* --- kills --------------------------------------------------------------------------------------
 */

static void killed_keeper(void **state)
{
    azr_exec__worker *w = start_worker(NULL);
    azr_exec__ended ended;
    (void)state;
    kill(w->keeper_pid, SIGKILL);
    azr_exec__worker_begin(w, 100);
    assert_int_equal(azr_exec__worker_run(w, 60000, &ended), AZR_EXEC__RAN_BROKEN);
    azr_exec__worker_destroy(w);
}

static void loops_end(void **state)
{
    azr_exec__worker *w = *state;
    ms_of_cpu = 30;
    long n_faults;
    azr_exec_run run = run_only(w, "def f():\n    while True: pass\n", &n_faults);
    assert_int_equal(run.status, AZR_EXEC_TIMEOUT_CPU);
    azr_exec__run_deinit(&run);
    restore(w, n_faults, "loop");
    ms_of_cpu = 10000;
    attack(w, "def f(): return 1\n", "1");
}

/* Waits without using time: only the wall clock ends that, and the worker with it. */
static void waiting_ends(void **state)
{
    (void)state;
    azr_executor *executor = open_engine_at("recycle", AZR_EXEC_LEVEL_SECCOMP);
    static const char wait[] =
        "import collections\nt = collections._sys.modules['_thread']\n"
        "def f():\n    lock = t.allocate_lock()\n    lock.acquire()\n    lock.acquire()\n";
    const char *input = "";
    azr_exec_job job = {.program = wait, .inputs = &input, .n_inputs = 1, .limits = small_limits()};
    job.limits.wall_ms = 400;
    azr_exec_reply reply;
    assert_int_equal(azr_executor_run(executor, &job, &reply, NULL), AZR_OK);
    assert_int_equal(reply.runs[0].status, AZR_EXEC_TIMEOUT_WALL);
    azr_exec_reply_deinit(&reply);
    check_sentinel(executor);
    azr_executor_destroy(executor);
}

/* --- jobs ---------------------------------------------------------------------------------------
 */

static size_t count_entries(const char *path)
{
    DIR *folder = opendir(path);
    size_t n = 0;
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static void nothing_is_left(void **state)
{
    (void)state;
    size_t n_fds = count_entries("/proc/self/fd"), n_threads = count_entries("/proc/self/task");
    for (int round = 0; round < 3; round++) {
        azr_executor *executor = open_engine_at("recycle", AZR_EXEC_LEVEL_SECCOMP);
        check_sentinel(executor);
        for (int i = 0; i < 20 * round; i++) {
            azr_exec_reply reply = run_program(executor, vandals[10 + i % 12], "", i % 4 == 0);
            azr_exec_reply_deinit(&reply);
        }
        /* Some stay under way. */
        const char *inputs[] = {"", "", "", ""};
        azr_exec_job job = {.program = "def f():\n    while True: pass\n",
                            .inputs = inputs,
                            .n_inputs = 4,
                            .limits = azr_exec_default_limits()};
        job.limits.cpu_ms = job.limits.wall_ms = 300000;
        uint64_t ticket;
        assert_int_equal(azr_executor_submit(executor, &job, &ticket, NULL), AZR_OK);
        azr_executor_destroy(executor);
        assert_int_equal(count_entries("/proc/self/fd"), n_fds);
        assert_int_equal(count_entries("/proc/self/task"), n_threads);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child, dead or alive */
    }
}

/* Inputs in one process have the same replies as alone; one that fails takes no other along. */
static void shared_processes(void **state)
{
    (void)state;
    static const char *const programs[] = {
        "calls = []\ndef f(n):\n    calls.append(n)\n    return len(calls), n * 2\n",
        "def f(n):\n    if n == 3:\n        while True: pass\n    return n\n",
        "def f(n):\n    if n == 4: raise KeyError(n)\n    return [n] * n\n",
        "import collections\np = collections._sys.modules['posix']\n"
        "def f(n):\n    if n == 2: p._exit(0)\n    return n\n",
        "def f(n): return bytes(n * 3000000)[:2]\n",
        "def f(n): return 'x' * 10 ** n\n",
        "import decimal\ndef f(n):\n    old = decimal.getcontext().prec\n"
        "    decimal.getcontext().prec = n + 1\n    return old, str(decimal.Decimal(1) / 7)\n",
        "def f(n: return\n",
    };
    static const char *const inputs[] = {"0", "1", "2", "3", "4", "5", "6", "x", "", "7", "8"};
    enum { N = sizeof inputs / sizeof inputs[0] };
    azr_executor *executor = open_engine_at("recycle", AZR_EXEC_LEVEL_SECCOMP);
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        azr_exec_reply replies[2];
        for (int k = 0; k < 2; k++) {
            azr_exec_job job = {.program = programs[i],
                                .inputs = inputs,
                                .n_inputs = N,
                                .share_process = k == 1,
                                .limits = small_limits()};
            azr_error error;
            if (azr_executor_run(executor, &job, &replies[k], &error) != AZR_OK)
                fail_msg("%s", error.text);
        }
        for (size_t n = 0; n < N; n++) {
            const azr_exec_run *a = &replies[0].runs[n], *b = &replies[1].runs[n];
            bool same = a->status == b->status && (a->value == NULL) == (b->value == NULL) &&
                        (a->value == NULL || strcmp(a->value, b->value) == 0) &&
                        (a->message == NULL) == (b->message == NULL) &&
                        (a->message == NULL || strcmp(a->message, b->message) == 0);
            if (!same)
                fail_msg("%s%s: %s, together %s", programs[i], inputs[n],
                         azr_exec_status_name(a->status), azr_exec_status_name(b->status));
        }
        azr_exec_reply_deinit(&replies[0]);
        azr_exec_reply_deinit(&replies[1]);
    }
    azr_executor_destroy(executor);
}

/* --- ------------------------------------------------------------------------------------------ */

/* A worker that has learned what is hot. */
static int open_worker(void **state)
{
    azr_exec__hot *hot = calloc(1, sizeof *hot);
    azr_exec__worker *w = start_worker(hot);
    for (int i = 0; i < 3; i++) {
        long n_faults;
        azr_exec_run run =
            run_only(w, "def f(): return sorted(str(i) for i in range(9))\n", &n_faults);
        azr_exec__run_deinit(&run);
        restore(w, n_faults, "learning");
    }
    assert_true(azr_exec__hot_learn(hot, w, 2));
    azr_exec__worker_destroy(w);
    w = start_worker(hot);
    assert_true(w->n_hot_pages > 20);
    free(hot);
    *state = w;
    return 0;
}

static int close_worker(void **state)
{
    azr_exec__worker_destroy(*state);
    return 0;
}

/* Where nothing can be recycled, all of this counts as one test that was skipped. */
static void recycling_is_not_to_be_had(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the server does: a worker may die under its command */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_child_of_a_run),
        cmocka_unit_test(no_call_of_the_keeper),
        cmocka_unit_test(no_page_is_thrown_away),
        cmocka_unit_test(no_mapping_changes),
        cmocka_unit_test(nothing_is_registered),
        cmocka_unit_test(no_call_changes_what_lasts),
        cmocka_unit_test(the_cookie_is_not_in_memory),
        cmocka_unit_test(the_keeper_is_not_to_be_used),
        cmocka_unit_test(the_window_is_wiped),
        cmocka_unit_test(records_are_read_with_care),
        cmocka_unit_test(memory_is_memory),
        cmocka_unit_test(every_system_call),
        cmocka_unit_test(vandals_leave_nothing),
        cmocka_unit_test(vandals_without_scan),
        cmocka_unit_test(memory_stays_flat),
        cmocka_unit_test(the_check_can_fail),
        cmocka_unit_test(all_workers_are_alike),
        cmocka_unit_test(killed_keeper),
        cmocka_unit_test(loops_end),
        cmocka_unit_test(waiting_ends),
        cmocka_unit_test(shared_processes),
    };
    const struct CMUnitTest alone[] = {cmocka_unit_test(nothing_is_left)};
    const struct CMUnitTest none[] = {cmocka_unit_test(recycling_is_not_to_be_had)};
    if (!can_recycle())
        return cmocka_run_group_tests(none, NULL, NULL);
    int n_failed = cmocka_run_group_tests(tests, open_worker, close_worker);
    return n_failed + cmocka_run_group_tests(alone, NULL, NULL);
}
