/* python.c: starts CPython inside a server. What keeps hostile programs in lies outside
 * (isolation.c, filter.c, child.c); what is done here makes honest programs see the same world each
 * time. */
#include "executor/python_world.h"

#include "executor/python.h"

#include <stdio.h>
#include <string.h>

/* --- memory ----------------------------------------------------------------------------------- */

/* CPython's allocators below a thin layer that remembers a refusal: a program that swallows its
 * MemoryError is over its limit all the same. The interpreter is one for the process, and so is
 * this. */
static struct {
    PyMemAllocatorEx raw;
    PyObjectArenaAllocator arena;
    bool refused;
} memory;

static void *noted(void *block)
{
    if (block == NULL)
        memory.refused = true;
    return block;
}

static void *raw_malloc(void *context, size_t size)
{
    (void)context;
    return noted(memory.raw.malloc(memory.raw.ctx, size));
}

static void *raw_calloc(void *context, size_t n, size_t size)
{
    (void)context;
    return noted(memory.raw.calloc(memory.raw.ctx, n, size));
}

static void *raw_realloc(void *context, void *block, size_t size)
{
    (void)context;
    return noted(memory.raw.realloc(memory.raw.ctx, block, size));
}

static void raw_free(void *context, void *block)
{
    (void)context;
    memory.raw.free(memory.raw.ctx, block);
}

static void *arena_alloc(void *context, size_t size)
{
    (void)context;
    return noted(memory.arena.alloc(memory.arena.ctx, size));
}

static void arena_free(void *context, void *block, size_t size)
{
    (void)context;
    memory.arena.free(memory.arena.ctx, block, size);
}

bool *azr_exec__memory_refused(void)
{
    return &memory.refused;
}

static void watch_memory(void)
{
    PyMemAllocatorEx raw = {NULL, raw_malloc, raw_calloc, raw_realloc, raw_free};
    PyObjectArenaAllocator arena = {NULL, arena_alloc, arena_free};
    PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &memory.raw);
    PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &raw);
    PyObject_GetArenaAllocator(&memory.arena);
    PyObject_SetArenaAllocator(&arena);
}

/* --- flavour B: sets backwards ------------------------------------------------------------------
 */

/* The iterators CPython has for sets; one for the process, as the types are. */
static getiterfunc set_iterator, frozenset_iterator;

static bool only_numbers(PyObject *set)
{
    Py_ssize_t at = 0;
    PyObject *member;
    Py_hash_t hash;
    while (_PySet_NextEntry(set, &at, &member, &hash))
        if (!PyLong_CheckExact(member) && !PyFloat_CheckExact(member) && !PyBool_Check(member))
            return false;
    return true;
}

/* The order of numbers is fixed in CPython; that of everything else depends on hash seeds and
 * addresses, and a set of two has the same order under half of all seeds: so turn it round, under
 * the seed of flavour A. */
static PyObject *backwards(PyObject *set)
{
    getiterfunc forwards = PyFrozenSet_Check(set) ? frozenset_iterator : set_iterator;
    if (!PyAnySet_Check(set) || PySet_GET_SIZE(set) < 2 || only_numbers(set))
        return forwards(set);
    PyObject *members = PyList_New(0), *member, *iterator = forwards(set);
    while (members != NULL && iterator != NULL && (member = PyIter_Next(iterator)) != NULL) {
        if (PyList_Append(members, member) != 0)
            Py_CLEAR(members);
        Py_DECREF(member);
    }
    if (members != NULL && (PyErr_Occurred() || PyList_Reverse(members) != 0))
        Py_CLEAR(members);
    PyObject *result = members != NULL ? PyObject_GetIter(members) : NULL;
    Py_XDECREF(members);
    Py_XDECREF(iterator);
    return result;
}

static void turn_sets_round(void)
{
    set_iterator = PySet_Type.tp_iter;
    frozenset_iterator = PyFrozenSet_Type.tp_iter;
    PySet_Type.tp_iter = backwards;
    PyFrozenSet_Type.tp_iter = backwards;
}

/* --- start ------------------------------------------------------------------------------------ */

static bool initialize(azr_exec__flavour flavour, char *reason, size_t text_bytes)
{
    PyPreConfig preconfig;
    PyConfig config;
    PyPreConfig_InitIsolatedConfig(&preconfig);
    preconfig.utf8_mode = 1;
    PyStatus status = Py_PreInitialize(&preconfig);
    watch_memory();
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.write_bytecode = 0;
    config.install_signal_handlers = 0;
    config.configure_c_stdio = 0;
    config.pathconfig_warnings = 0;
    config.use_hash_seed = 1;
    config.hash_seed = flavour == AZR_EXEC__FLAVOUR_C ? 2 : 1;
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status))
        snprintf(reason, text_bytes, "CPython does not start: %s",
                 status.err_msg != NULL ? status.err_msg : "it gives no reason");
    return !PyStatus_Exception(status);
}

/* The exception's text as the reason why Python cannot be used. */
static void explain(char *reason, size_t text_bytes)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *text = value != NULL ? PyObject_Str(value) : NULL;
    const char *utf8 = text != NULL ? PyUnicode_AsUTF8(text) : NULL;
    snprintf(reason, text_bytes, "CPython's library cannot be imported: %.300s",
             utf8 != NULL ? utf8 : "it gives no reason");
    PyErr_Clear();
}

bool azr_exec__python_start(azr_exec__flavour flavour, char *version, char *reason,
                            size_t text_bytes)
{
    if (!initialize(flavour, reason, text_bytes))
        return false;
    if (!azr_exec__world_start(flavour)) {
        explain(reason, text_bytes);
        return false;
    }
    if (flavour == AZR_EXEC__FLAVOUR_B)
        turn_sets_round();
    snprintf(version, text_bytes, "CPython %d.%d.%d", PY_MAJOR_VERSION, PY_MINOR_VERSION,
             PY_MICRO_VERSION);
    return true;
}
