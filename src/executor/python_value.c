/* python_value.c: argument bytes to objects, result objects to literal text. */
#include "executor/python_value.h"

#include "executor/literal_node.h"

#include <inttypes.h>
#include <string.h>

/* --- results ---------------------------------------------------------------------------------- */

typedef struct value_writer {
    azr_strbuf *out;
    size_t end; /* out->size may not pass it */
    int depth;  /* brackets as the parser counts them */
    PyTypeObject *foreign;
} value_writer;

static azr_exec__written write_value(value_writer *w, PyObject *value);

static azr_exec__written puts_checked(value_writer *w, const char *text)
{
    azr_strbuf_puts(w->out, text);
    return w->out->size <= w->end ? AZR_EXEC__WRITTEN : AZR_EXEC__WRITTEN_TOO_LARGE;
}

static azr_exec__written write_int(value_writer *w, PyObject *value)
{
    int overflow;
    long long small = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow == 0) {
        azr_strbuf_printf(w->out, "%lld", small);
        return puts_checked(w, "");
    }
    /* In hexadecimal: linear in time, and nothing a program can switch off. */
    size_t n_bits = _PyLong_NumBits(value), n_bytes = n_bits / 8 + 1;
    unsigned char bytes[2048];
    if (n_bits > 14285 || n_bytes > sizeof bytes)
        return AZR_EXEC__WRITTEN_TOO_LARGE; /* over 4300 digits, CPython would not print it either
                                             */
    bool negative = _PyLong_Sign(value) < 0;
    if (_PyLong_AsByteArray((PyLongObject *)value, bytes, n_bytes, 1, 1) != 0) {
        PyErr_Clear();
        return AZR_EXEC__WRITTEN_TOO_LARGE;
    }
    if (n_bytes * 2 + 8 > w->end - w->out->size)
        return AZR_EXEC__WRITTEN_TOO_LARGE;
    for (unsigned carry = 1, i = 0; negative && i < n_bytes; i++) { /* two's complement */
        unsigned byte = (unsigned char)~bytes[i] + carry;
        bytes[i] = (unsigned char)byte;
        carry = byte >> 8;
    }
    azr_strbuf_puts(w->out, negative ? "-0x" : "0x");
    for (size_t i = n_bytes; i-- > 0;)
        azr_strbuf_printf(w->out, "%02x", bytes[i]);
    return puts_checked(w, "");
}

static azr_exec__written write_str(value_writer *w, PyObject *value)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(value);
    int kind = PyUnicode_KIND(value);
    const void *points = PyUnicode_DATA(value);
    if ((size_t)n + 2 > w->end - w->out->size)
        return AZR_EXEC__WRITTEN_TOO_LARGE;
    bool has_single = false, has_double = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, points, i);
        has_single = has_single || c == '\'';
        has_double = has_double || c == '"';
    }
    char quote = has_single && !has_double ? '"' : '\'';
    azr_strbuf_append(w->out, &quote, 1);
    for (Py_ssize_t i = 0; i < n; i++) {
        azr_literal__print_code_point(w->out, PyUnicode_READ(kind, points, i), quote);
        if (w->out->size > w->end)
            return AZR_EXEC__WRITTEN_TOO_LARGE;
    }
    azr_strbuf_append(w->out, &quote, 1);
    return puts_checked(w, "");
}

static azr_exec__written write_bytes(value_writer *w, PyObject *value)
{
    size_t n = (size_t)PyBytes_GET_SIZE(value);
    if (n + 3 > w->end - w->out->size)
        return AZR_EXEC__WRITTEN_TOO_LARGE;
    azr_literal__print_bytes(w->out, PyBytes_AS_STRING(value), n);
    return puts_checked(w, "");
}

static azr_exec__written write_sequence(value_writer *w, PyObject *value)
{
    bool is_list = PyList_CheckExact(value);
    Py_ssize_t n = is_list ? PyList_GET_SIZE(value) : PyTuple_GET_SIZE(value);
    azr_exec__written written = puts_checked(w, is_list ? "[" : "(");
    for (Py_ssize_t i = 0; i < n && written == AZR_EXEC__WRITTEN; i++) {
        if (i > 0)
            azr_strbuf_puts(w->out, ", ");
        written = write_value(w, is_list ? PyList_GET_ITEM(value, i) : PyTuple_GET_ITEM(value, i));
    }
    if (written != AZR_EXEC__WRITTEN)
        return written;
    return puts_checked(w, is_list ? "]" : n == 1 ? ",)" : ")");
}

static azr_exec__written write_dict(value_writer *w, PyObject *value)
{
    Py_ssize_t at = 0;
    PyObject *key, *member;
    azr_exec__written written = puts_checked(w, "{");
    for (bool first = true; written == AZR_EXEC__WRITTEN && PyDict_Next(value, &at, &key, &member);
         first = false) {
        if (!first)
            azr_strbuf_puts(w->out, ", ");
        written = write_value(w, key);
        if (written == AZR_EXEC__WRITTEN)
            written = puts_checked(w, ": ");
        if (written == AZR_EXEC__WRITTEN)
            written = write_value(w, member);
    }
    return written == AZR_EXEC__WRITTEN ? puts_checked(w, "}") : written;
}

static azr_exec__written write_set(value_writer *w, PyObject *value)
{
    bool frozen = PyFrozenSet_CheckExact(value);
    if (PySet_GET_SIZE(value) == 0)
        return puts_checked(w, frozen ? "frozenset()" : "set()");
    Py_ssize_t at = 0;
    PyObject *member;
    Py_hash_t hash;
    azr_exec__written written = puts_checked(w, frozen ? "frozenset({" : "{");
    w->depth += frozen ? 1 : 0;
    for (bool first = true;
         written == AZR_EXEC__WRITTEN && _PySet_NextEntry(value, &at, &member, &hash);
         first = false) {
        if (!first)
            azr_strbuf_puts(w->out, ", ");
        written = write_value(w, member);
    }
    w->depth -= frozen ? 1 : 0;
    return written == AZR_EXEC__WRITTEN ? puts_checked(w, frozen ? "})" : "}") : written;
}

static azr_exec__written write_container(value_writer *w, PyObject *value)
{
    azr_exec__written written;
    if (++w->depth > AZR_LITERAL_MAX_DEPTH)
        return AZR_EXEC__WRITTEN_TOO_LARGE;
    if (PyList_CheckExact(value) || PyTuple_CheckExact(value))
        written = write_sequence(w, value);
    else if (PyDict_CheckExact(value))
        written = write_dict(w, value);
    else
        written = write_set(w, value);
    w->depth--;
    return written;
}

static azr_exec__written write_value(value_writer *w, PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    if (value == Py_None)
        return puts_checked(w, "None");
    if (type == &PyBool_Type)
        return puts_checked(w, value == Py_True ? "True" : "False");
    if (type == &PyLong_Type)
        return write_int(w, value);
    if (type == &PyFloat_Type) {
        azr_literal__print_float(w->out, PyFloat_AS_DOUBLE(value));
        return puts_checked(w, "");
    }
    if (type == &PyComplex_Type) {
        azr_literal__print_complex(w->out, PyComplex_RealAsDouble(value),
                                   PyComplex_ImagAsDouble(value));
        return puts_checked(w, "");
    }
    if (type == &PyUnicode_Type)
        return write_str(w, value);
    if (type == &PyBytes_Type)
        return write_bytes(w, value);
    if (type == &PyList_Type || type == &PyTuple_Type || type == &PyDict_Type ||
        type == &PySet_Type || type == &PyFrozenSet_Type)
        return write_container(w, value);
    w->foreign = type;
    return AZR_EXEC__WRITTEN_NOT_LITERAL;
}

azr_exec__written azr_exec__value_write(PyObject *value, size_t max_bytes, azr_strbuf *out,
                                        PyTypeObject **out_type)
{
    value_writer w = {.out = out, .end = out->size + max_bytes, .foreign = Py_TYPE(value)};
    azr_exec__written written = write_value(&w, value);
    *out_type = w.foreign;
    return written;
}

/* --- arguments -------------------------------------------------------------------------------- */

typedef struct argument_reader {
    const char *bytes;
    size_t left;
} argument_reader;

static bool take(argument_reader *r, void *out, size_t size)
{
    if (r->left < size)
        return false;
    memcpy(out, r->bytes, size);
    r->bytes += size;
    r->left -= size;
    return true;
}

/* A size and that many bytes, which stay where they are. */
static const char *take_text(argument_reader *r, uint32_t *out_size)
{
    if (!take(r, out_size, sizeof *out_size) || *out_size > r->left)
        return NULL;
    const char *text = r->bytes;
    r->bytes += *out_size;
    r->left -= *out_size;
    return text;
}

static PyObject *read_value(argument_reader *r);

static PyObject *read_int(argument_reader *r)
{
    char digits[AZR_LITERAL_MAX_DIGITS + 2];
    uint32_t size;
    if (!take(r, digits, 1))
        return NULL;
    const char *text = take_text(r, &size);
    if (text == NULL || size > AZR_LITERAL_MAX_DIGITS)
        return NULL;
    memcpy(digits + 1, text, size);
    digits[size + 1] = '\0';
    return PyLong_FromString(digits, NULL, 10);
}

static PyObject *read_text(argument_reader *r, azr_literal_kind kind)
{
    uint32_t size;
    const char *text = take_text(r, &size);
    if (text == NULL)
        return NULL;
    return kind == AZR_LITERAL_STR ? PyUnicode_DecodeUTF8(text, size, "surrogatepass")
                                   : PyBytes_FromStringAndSize(text, size);
}

static PyObject *read_number(argument_reader *r, azr_literal_kind kind)
{
    double parts[2] = {0};
    if (!take(r, parts, kind == AZR_LITERAL_FLOAT ? sizeof parts[0] : sizeof parts))
        return NULL;
    return kind == AZR_LITERAL_FLOAT ? PyFloat_FromDouble(parts[0])
                                     : PyComplex_FromDoubles(parts[0], parts[1]);
}

static PyObject *read_sequence(argument_reader *r, azr_literal_kind kind)
{
    uint32_t n;
    if (!take(r, &n, sizeof n) || n > r->left)
        return NULL;
    PyObject *sequence =
        kind == AZR_LITERAL_LIST ? PyList_New((Py_ssize_t)n) : PyTuple_New((Py_ssize_t)n);
    for (uint32_t i = 0; sequence != NULL && i < n; i++) {
        PyObject *item = read_value(r);
        if (item == NULL)
            Py_CLEAR(sequence);
        else if (kind == AZR_LITERAL_LIST)
            PyList_SET_ITEM(sequence, (Py_ssize_t)i, item);
        else
            PyTuple_SET_ITEM(sequence, (Py_ssize_t)i, item);
    }
    return sequence;
}

static PyObject *read_set(argument_reader *r, azr_literal_kind kind)
{
    uint32_t n;
    if (!take(r, &n, sizeof n))
        return NULL;
    PyObject *set = kind == AZR_LITERAL_SET ? PySet_New(NULL) : PyFrozenSet_New(NULL);
    for (uint32_t i = 0; set != NULL && i < n; i++) {
        PyObject *item = read_value(r);
        if (item == NULL || PySet_Add(set, item) != 0)
            Py_CLEAR(set);
        Py_XDECREF(item);
    }
    return set;
}

static PyObject *read_dict(argument_reader *r)
{
    uint32_t n;
    if (!take(r, &n, sizeof n))
        return NULL;
    PyObject *dict = PyDict_New();
    for (uint32_t i = 0; dict != NULL && i < n; i++) {
        PyObject *key = read_value(r), *value = key != NULL ? read_value(r) : NULL;
        if (value == NULL || PyDict_SetItem(dict, key, value) != 0)
            Py_CLEAR(dict);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return dict;
}

static PyObject *read_value(argument_reader *r)
{
    char tag, digit;
    if (!take(r, &tag, 1))
        return NULL;
    switch ((azr_literal_kind)tag) {
    case AZR_LITERAL_NONE:
        return Py_NewRef(Py_None);
    case AZR_LITERAL_BOOL:
        return take(r, &digit, 1) ? PyBool_FromLong(digit == '1') : NULL;
    case AZR_LITERAL_INT:
        return read_int(r);
    case AZR_LITERAL_FLOAT:
    case AZR_LITERAL_COMPLEX:
        return read_number(r, (azr_literal_kind)tag);
    case AZR_LITERAL_STR:
    case AZR_LITERAL_BYTES:
        return read_text(r, (azr_literal_kind)tag);
    case AZR_LITERAL_LIST:
    case AZR_LITERAL_TUPLE:
        return read_sequence(r, (azr_literal_kind)tag);
    case AZR_LITERAL_SET:
    case AZR_LITERAL_FROZENSET:
        return read_set(r, (azr_literal_kind)tag);
    case AZR_LITERAL_DICT:
        return read_dict(r);
    case AZR_LITERAL_ARGUMENTS:
        break;
    }
    return NULL;
}

bool azr_exec__arguments_decode(const char *bytes, size_t size, PyObject **out_positional,
                                PyObject **out_keywords)
{
    argument_reader r = {bytes, size};
    char tag;
    *out_positional = *out_keywords = NULL;
    if (!take(&r, &tag, 1) || tag != AZR_LITERAL_ARGUMENTS)
        return false;
    *out_positional = read_sequence(&r, AZR_LITERAL_TUPLE);
    if (*out_positional != NULL)
        *out_keywords = read_dict(&r);
    return *out_keywords != NULL && r.left == 0;
}

PyObject *azr_exec__value_decode(const char *bytes, size_t size)
{
    argument_reader r = {bytes, size};
    PyObject *value = read_value(&r);
    if (value != NULL && r.left > 0)
        Py_CLEAR(value);
    return value;
}
