/* plus_test.c: the test of a HumanEval+ or MBPP+ item as a Python program for the sandbox's tests.
 * It runs beside the program, never with it in one process: inputs are restored from JSON as the
 * benchmark means them, the benchmark's own solution says what is expected, and values are compared
 * as EvalPlus 0.3.1 compares them. */
#include "eval/suite.h"

#include "base/memory.h"

#include <string.h>

/* Before this stand ITEM (id, dataset, entry, atol), SOLUTION, BASE and PLUS as JSON texts. */
static const char restore[] =
    "import json, math, cmath\n"
    "from copy import deepcopy\n"
    "\n"
    "def deep_tuple(x):\n"
    "    return tuple(deep_tuple(y) for y in x) if isinstance(x, list) else x\n"
    "\n"
    "def tuples(x, depth):\n"
    "    # Lists this many levels down become tuples.\n"
    "    return tuple(x) if depth == 0 else [tuples(y, depth - 1) for y in x]\n"
    "\n"
    "# MBPP's arguments that JSON has no notation for, by the number of the task.\n"
    "ARGUMENTS = {}\n"
    "def restored(numbers, way):\n"
    "    for number in numbers:\n"
    "        ARGUMENTS[number] = way\n"
    "restored([2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616,\n"
    "          630, 726, 740, 744, 809], lambda a: tuples(a, 1))\n"
    "restored([63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780],\n"
    "         lambda a: tuples(a, 2))\n"
    "restored([75, 413, 444, 753], lambda a: [tuples(a[0], 1), a[1]])\n"
    "restored([106, 750], lambda a: [a[0], tuple(a[1])])\n"
    "restored([115], lambda a: [[set(x) if isinstance(x, list) and len(x) else {} for x in "
    "a[0]]])\n"
    "restored([124], lambda a: [float(a[0]), complex(a[1])])\n"
    "restored([250, 405, 446, 617, 720, 763, 808], lambda a: [tuple(a[0]), a[1]])\n"
    "restored([259, 401, 445], lambda a: [tuple(x) for x in tuples(a, 2)])\n"
    "restored([278], lambda a: [tuple(tuple(x) if isinstance(x, list) else x for x in a[0])])\n"
    "restored([307], lambda a: [tuple(a[0]), a[1], a[2]])\n"
    "restored([722], lambda a: [{k: tuple(v) for k, v in a[0].items()}] + a[1:])\n"
    "restored([252], lambda a: [complex(a[0])])\n"
    "restored([580, 615, 791], deep_tuple)\n";

/* Special cases by name, as EvalPlus has them: roots are judged by being roots; some lists are
 * compared as sets; where any object will do, only None is told from it; three tasks of MBPP have
 * a second right answer, and one has no wrong one. */
static const char compare[] =
    "\n"
    "def is_floats(x):\n"
    "    return isinstance(x, float) or (isinstance(x, (list, tuple)) and len(x) > 0 and\n"
    "                                    all(isinstance(y, float) for y in x))\n"
    "\n"
    "def is_close(a, b, atol):\n"
    "    if isinstance(b, (list, tuple)):\n"
    "        return (isinstance(a, (list, tuple)) and len(a) == len(b) and\n"
    "                all(is_close(x, y, atol) for x, y in zip(a, b)))\n"
    "    if not isinstance(a, (int, float, complex)) or not isinstance(b, (int, float, complex)):\n"
    "        return False\n"
    "    if a == b:\n"
    "        return True\n"
    "    if not cmath.isfinite(a) or not cmath.isfinite(b):\n"
    "        return False\n"
    "    return abs(a - b) <= atol + 1e-7 * abs(b)\n"
    "\n"
    "def pyramid(base_edge, height):\n"
    "    slant = math.sqrt((base_edge / 2) ** 2 + height ** 2)\n"
    "    return round(base_edge ** 2 + 2 * (base_edge * slant))\n"
    "\n"
    "def digit_distance(a, b):\n"
    "    a, b = str(a), str(b)\n"
    "    n = max(len(a), len(b))\n"
    "    return sum(abs(int(x) - int(y)) for x, y in zip(a.zfill(n), b.zfill(n)))\n"
    "\n"
    "AS_SETS = ('similar_elements', 'find_char_long', 'common_in_nested_lists', 'extract_singly',\n"
    "           'larg_nnum', 'intersection_array', 'find_dissimilar', 'Diff')\n"
    "NOT_NONE = ('check_str', 'text_match_three', 'text_starta_endb')\n"
    "\n"
    "def agree(out, expected, arguments, atol):\n"
    "    same = out == expected\n"
    "    if ITEM['dataset'] == 'mbpp':\n"
    "        entry = ITEM['entry']\n"
    "        if entry == 'are_equivalent':\n"
    "            same = True\n"
    "        elif entry == 'sum_div':\n"
    "            same = same or out == 0\n"
    "        elif entry == 'surface_Area':\n"
    "            same = same or abs(out - pyramid(*arguments)) <= atol\n"
    "        elif entry == 'digit_distance_nums':\n"
    "            same = same or out == digit_distance(*arguments)\n"
    "        elif entry in AS_SETS:\n"
    "            same = set(out) == set(expected)\n"
    "        elif entry in NOT_NONE:\n"
    "            same = out == expected if isinstance(out, bool) else expected == (out is not "
    "None)\n"
    "    if same or atol == 0:\n"
    "        return bool(same)\n"
    "    return type(out) is type(expected) and is_close(out, expected, atol)\n"
    "\n"
    "def short(value):\n"
    "    text = repr(value)\n"
    "    return text if len(text) <= 80 else text[:77] + '...'\n"
    "\n"
    "def check(candidate):\n"
    "    space = {}\n"
    "    exec(SOLUTION, space)\n"
    "    own = space[ITEM['entry']]\n"
    "    mbpp = ITEM['dataset'] == 'mbpp'\n"
    "    way = ARGUMENTS.get(int(ITEM['id'].split('/')[-1])) if mbpp else None\n"
    "    for name, texts in (('base', BASE), ('plus', PLUS)):\n"
    "        atol = ITEM['atol']\n"
    "        for number, arguments in enumerate(json.loads(texts)):\n"
    "            where = name + ' input ' + str(number)\n"
    "            if way is not None:\n"
    "                arguments = way(arguments)\n"
    "            if not mbpp and ITEM['entry'] == 'find_zero':\n"
    "                root = candidate(*deepcopy(arguments))\n"
    "                value = sum(c * math.pow(root, i) for i, c in enumerate(arguments[0]))\n"
    "                assert abs(value) <= atol, where + ': ' + short(root) + ' is no root'\n"
    "                continue\n"
    "            expected = own(*deepcopy(arguments))\n"
    "            if mbpp and ITEM['entry'] in NOT_NONE:\n"
    "                expected = expected is not None\n"
    "            out = candidate(*deepcopy(arguments))\n"
    "            if atol == 0 and is_floats(expected):\n"
    "                atol = 1e-6\n"
    "            assert agree(out, expected, arguments, atol), (\n"
    "                where + ': ' + short(out) + ' is not ' + short(expected))\n";

/* NAME = '<raw JSON of the field>'. */
static azr_status put_raw(const azr_eval_line *line, const char *field, const char *name,
                          azr_strbuf *out, azr_error *error)
{
    size_t size = 0;
    const char *raw = azr_eval__field(line, field, &size);
    if (raw == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "%s, line %zu: its field %s is missing",
                             line->path, line->number, field);
    azr_strbuf_printf(out, "%s = ", name);
    azr_eval__python_text(raw, size, out);
    azr_strbuf_puts(out, "\n");
    return AZR_OK;
}

/* SOLUTION = JSON texts of question and solution, put together by the test. */
azr_status azr_eval__plus_test(const azr_eval_line *line, const char *dataset, azr_strbuf *out,
                               azr_error *error)
{
    static const char *const fields[][2] = {
        {"task_id", "ID"},      {"entry_point", "ENTRY"},      {"atol", "ATOL"},
        {"prompt", "PROMPT"},   {"canonical_solution", "OWN"}, {"base_input", "BASE"},
        {"plus_input", "PLUS"},
    };
    azr_status status = AZR_OK;
    for (size_t i = 0; status == AZR_OK && i < sizeof fields / sizeof fields[0]; i++)
        status = put_raw(line, fields[i][0], fields[i][1], out, error);
    azr_strbuf_puts(out, restore);
    azr_strbuf_printf(out,
                      "ITEM = {'id': json.loads(ID), 'entry': json.loads(ENTRY),\n"
                      "        'atol': json.loads(ATOL), 'dataset': '%s'}\n"
                      "SOLUTION = json.loads(PROMPT) + json.loads(OWN)\n",
                      dataset);
    azr_strbuf_puts(out, compare);
    return status;
}
