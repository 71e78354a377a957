#include "train/analysis.h"

#include "base/memory.h"
#include "base/strbuf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the program that looks at programs ------------------------------------------------------- */

/* Runs in the sandbox, on the other program's text: nothing of that text is run. Cognitive
 * complexity after G. A. Campbell ("Cognitive Complexity", SonarSource 2018), cyclomatic complexity
 * after T. J. McCabe (1976), effort and volume after M. H. Halstead (1977), operators and operands
 * counted as the radon package counts them: those of arithmetic, logic and comparisons. The tree is
 * all of ast's fields as JSON, indented by one. The answer is one text: four numbers, a line feed,
 * the tree. */
static const char analyser[] =
    "import dataclasses, json, math\n"
    "ast = dataclasses.inspect.ast\n"
    "FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)\n"
    "LOOPS = (ast.For, ast.AsyncFor, ast.While)\n"
    "COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)\n"
    "def many(nodes, depth):\n"
    "    return sum(cognitive(node, depth) for node in nodes)\n"
    "def branch(node, depth, cost):\n"
    "    total = cost + cognitive(node.test, depth) + many(node.body, depth + 1)\n"
    "    if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):\n"
    "        return total + branch(node.orelse[0], depth, 1)\n"
    "    return total + (1 + many(node.orelse, depth + 1) if node.orelse else 0)\n"
    "def cognitive(node, depth):\n"
    "    if isinstance(node, ast.If):\n"
    "        return branch(node, depth, 1 + depth)\n"
    "    if isinstance(node, LOOPS):\n"
    "        head = node.test if isinstance(node, ast.While) else node.iter\n"
    "        other = 1 + many(node.orelse, depth + 1) if node.orelse else 0\n"
    "        return 1 + depth + cognitive(head, depth) + many(node.body, depth + 1) + other\n"
    "    if isinstance(node, ast.ExceptHandler):\n"
    "        return 1 + depth + many(node.body, depth + 1)\n"
    "    if isinstance(node, ast.IfExp):\n"
    "        return 1 + depth + many(ast.iter_child_nodes(node), depth + 1)\n"
    "    if isinstance(node, ast.match_case):\n"
    "        return many(node.body, depth + 1)\n"
    "    if isinstance(node, ast.Match):\n"
    "        return 1 + depth + many(ast.iter_child_nodes(node), depth)\n"
    "    own = 1 if isinstance(node, ast.BoolOp) else 0\n"
    "    deeper = isinstance(node, FUNCTIONS + (ast.Lambda,)) and depth >= 0\n"
    "    return own + many(ast.iter_child_nodes(node), depth + deeper)\n"
    "def cyclomatic(node):\n"
    "    total = 0\n"
    "    for child in ast.walk(node):\n"
    "        if isinstance(child, (ast.If, ast.IfExp, ast.Assert, ast.ExceptHandler, ast.Lambda,\n"
    "                              ast.match_case)):\n"
    "            total += 1\n"
    "        elif isinstance(child, LOOPS):\n"
    "            total += 1 + bool(child.orelse)\n"
    "        elif isinstance(child, ast.BoolOp):\n"
    "            total += len(child.values) - 1\n"
    "        elif isinstance(child, COMPREHENSIONS):\n"
    "            total += sum(1 + len(part.ifs) for part in child.generators)\n"
    "    return total + 1\n"
    "def halstead(tree):\n"
    "    operators, operands = [], []\n"
    "    for node in ast.walk(tree):\n"
    "        if isinstance(node, ast.UnaryOp):\n"
    "            found, used = [node.op], [node.operand]\n"
    "        elif isinstance(node, ast.BinOp):\n"
    "            found, used = [node.op], [node.left, node.right]\n"
    "        elif isinstance(node, ast.BoolOp):\n"
    "            found, used = [node.op], node.values\n"
    "        elif isinstance(node, ast.AugAssign):\n"
    "            found, used = [node.op], [node.target, node.value]\n"
    "        elif isinstance(node, ast.Compare):\n"
    "            found, used = node.ops, [node.left] + node.comparators\n"
    "        else:\n"
    "            continue\n"
    "        operators += [type(operator).__name__ for operator in found]\n"
    "        operands += [ast.dump(operand) for operand in used]\n"
    "    if not operands:\n"
    "        return 0.0, 0.0\n"
    "    distinct = len(set(operators)) + len(set(operands))\n"
    "    volume = (len(operators) + len(operands)) * math.log2(distinct)\n"
    "    difficulty = len(set(operators)) * len(operands) / (2 * len(set(operands)))\n"
    "    return difficulty * volume, volume\n"
    "def plain(node):\n"
    "    if isinstance(node, ast.AST):\n"
    "        return {'type': type(node).__name__,\n"
    "                **{name: plain(value) for name, value in ast.iter_fields(node)}}\n"
    "    if isinstance(node, list):\n"
    "        return [plain(item) for item in node]\n"
    "    return node if isinstance(node, (bool, type(None))) else repr(node)\n"
    "def f(text, size):\n"
    "    tree = ast.parse(text)\n"
    "    functions = [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]\n"
    "    cyclomatics = max([cyclomatic(node) for node in functions], default=0)\n"
    "    total = sum(many(node.body, 0) for node in tree.body if isinstance(node, FUNCTIONS))\n"
    "    total += many([node for node in tree.body if not isinstance(node, FUNCTIONS)], 0)\n"
    "    effort, volume = halstead(tree)\n"
    "    dump = json.dumps(plain(tree), indent=1)[:size]\n"
    "    return f'{total} {cyclomatics} {effort!r} {volume!r}\\n{dump}'\n";

/* Text as a Python literal; what is no printable ASCII as it is but for what must be escaped. */
static void quote(const char *text, azr_strbuf *out)
{
    azr_strbuf_puts(out, "\"");
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            azr_strbuf_printf(out, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f)
            azr_strbuf_printf(out, "\\x%02x", *p);
        else
            azr_strbuf_append(out, (const char *)p, 1);
    }
    azr_strbuf_puts(out, "\"");
}

/* The bytes that a canonical text literal of printable ASCII and line feeds stands for. */
static void unquote(const char *literal, azr_strbuf *out)
{
    size_t size = strlen(literal);
    for (size_t i = 1; i + 1 < size; i++) {
        char byte = literal[i];
        if (byte == '\\' && i + 2 < size) {
            i++;
            byte = literal[i] == 'n' ? '\n' : literal[i];
        }
        azr_strbuf_append(out, &byte, 1);
    }
}

static void read_answer(const char *value, azr_program_shape *shape)
{
    azr_strbuf text = {0};
    unquote(value, &text);
    const char *answer = azr_strbuf_text(&text);
    int at = 0;
    if (sscanf(answer, "%lf %lf %lf %lf%n", &shape->cognitive, &shape->cyclomatic, &shape->effort,
               &shape->volume, &at) == 4 &&
        answer[at] == '\n') {
        shape->tree_bytes = text.size - (size_t)at - 1;
        shape->tree = azr_copy_text(answer + at + 1, shape->tree_bytes);
    }
    azr_strbuf_deinit(&text);
}

/* --- many programs ---------------------------------------------------------------------------- */

/* Where the program stands, or would stand. */
static size_t place_of(const azr_analysis *analysis, const char *program)
{
    size_t low = 0, high = analysis->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(analysis->shapes[middle].program, program) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const azr_program_shape *azr_analysis_find(const azr_analysis *analysis, const char *program)
{
    size_t i = place_of(analysis, program);
    bool found = i < analysis->n && strcmp(analysis->shapes[i].program, program) == 0;
    return found ? &analysis->shapes[i] : NULL;
}

static void add(azr_analysis *analysis, const char *program)
{
    size_t i = place_of(analysis, program);
    if (i < analysis->n && strcmp(analysis->shapes[i].program, program) == 0)
        return;
    if (analysis->n == analysis->capacity) {
        analysis->capacity = analysis->capacity > 0 ? 2 * analysis->capacity : 64;
        analysis->shapes =
            azr_realloc(analysis->shapes, analysis->capacity, sizeof *analysis->shapes);
    }
    memmove(&analysis->shapes[i + 1], &analysis->shapes[i],
            (analysis->n - i) * sizeof *analysis->shapes);
    analysis->shapes[i] =
        (azr_program_shape){.program = azr_copy_text(program, strlen(program)), .cognitive = -1.0};
    analysis->n++;
}

/* The programs that are new in this call have no numbers yet. */
static bool is_new(const azr_program_shape *shape)
{
    return shape->cognitive < 0.0;
}

static azr_status submit(azr_executor *executor, const char *program, uint64_t *out_ticket,
                         azr_error *error)
{
    azr_strbuf arguments = {0};
    quote(program, &arguments);
    azr_strbuf_printf(&arguments, ", %d", AZR_ANALYSIS_TREE_BYTES);
    const char *const inputs[] = {arguments.data};
    const azr_exec_job job = {.program = analyser,
                              .inputs = inputs,
                              .n_inputs = 1,
                              .limits = {.cpu_ms = 5000,
                                         .wall_ms = 300000, /* the machine may be busy */
                                         .memory_mb = 256,
                                         .result_bytes = 4 * AZR_ANALYSIS_TREE_BYTES}};
    azr_status status = azr_executor_submit(executor, &job, out_ticket, error);
    azr_strbuf_deinit(&arguments);
    return status;
}

static azr_status take(azr_executor *executor, uint64_t ticket, azr_program_shape *shape,
                       azr_error *error)
{
    azr_exec_reply reply = {0};
    azr_status status = azr_executor_wait(executor, ticket, &reply, error);
    if (status == AZR_OK && (reply.n_runs != 1 || reply.runs[0].status == AZR_EXEC_INTERNAL))
        status = azr_error_set(error, AZR_ERROR_INTERNAL, "the sandbox failed on an analysis");
    shape->cognitive = 0.0;
    if (status == AZR_OK && reply.runs[0].status == AZR_EXEC_OK)
        read_answer(reply.runs[0].value, shape);
    azr_exec_reply_deinit(&reply);
    return status;
}

azr_status azr_analysis_run(azr_analysis *analysis, azr_executor *executor,
                            const char *const *programs, size_t n, azr_error *error)
{
    for (size_t i = 0; i < n; i++)
        add(analysis, programs[i]);
    uint64_t *tickets = azr_alloc(analysis->n, sizeof *tickets);
    size_t n_submitted = 0;
    azr_status status = AZR_OK;
    for (; status == AZR_OK && n_submitted < analysis->n; n_submitted++)
        if (is_new(&analysis->shapes[n_submitted]))
            status = submit(executor, analysis->shapes[n_submitted].program, &tickets[n_submitted],
                            error);
    for (size_t i = 0; status == AZR_OK && i < n_submitted; i++)
        if (is_new(&analysis->shapes[i]))
            status = take(executor, tickets[i], &analysis->shapes[i], error);
    azr_free(tickets);
    return status;
}

void azr_analysis_deinit(azr_analysis *analysis)
{
    for (size_t i = 0; i < analysis->n; i++) {
        azr_free(analysis->shapes[i].program);
        azr_free(analysis->shapes[i].tree);
    }
    azr_free(analysis->shapes);
    *analysis = (azr_analysis){0};
}

/* --- values ----------------------------------------------------------------------------------- */

double azr_shape_distance(const azr_program_shape *a, const azr_program_shape *b)
{
    if (a->tree == NULL || b->tree == NULL)
        return 0.0;
    return 1.0 - azr_text_similarity(a->tree, a->tree_bytes, b->tree, b->tree_bytes);
}

double azr_shape_halstead(const azr_program_shape *shape)
{
    double value = 0.5 * fmin(shape->effort / 10000.0, 1.0) +
                   0.3 * fmin(shape->cyclomatic / 10.0, 1.0) +
                   0.2 * fmin(shape->volume / 500.0, 1.0);
    return round(value * 1000.0) / 1000.0;
}
