/* maths.c: compares two mathematical answers: same text, same words, same structure, same value.
 * See maths.h for what counts as equal. */
#include "eval/maths.h"

#include "eval/maths_tree.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>

typedef azr_maths_node node;
typedef azr_maths_field field;
typedef azr_maths_quotient quotient;
typedef azr_maths_verdict verdict;

/* Pairs looked at before azr gives up: sets of sets of sets cost a power of their depth. */
enum { N_POINTS = 3, MAX_PAIRS = 4096 };

static verdict compare(field *f, const node *a, const node *b);

/* --- scalars ---------------------------------------------------------------------------------- */

/* DIFFERENT when the values differ at some point by more than rounding explains. */
static verdict compare_samples(const node *a, const node *b)
{
    for (int i = 0; i < N_POINTS; i++) {
        long double complex x, y;
        if (!azr_maths__sample(a, i, &x) || !azr_maths__sample(b, i, &y))
            return AZR_MATHS_UNDECIDED;
        long double scale = fmaxl(1, fmaxl(cabsl(x), cabsl(y)));
        if (cabsl(x - y) > 1e-9L * scale)
            return AZR_MATHS_DIFFERENT;
    }
    return AZR_MATHS_UNDECIDED;
}

/* Every comparison has its own table of atoms. */
static field fresh(const field *f)
{
    return (field){.arena = f->arena};
}

static verdict compare_scalars(const field *f, const node *a, const node *b)
{
    field own = fresh(f);
    quotient x, y;
    if (azr_maths__evaluate(&own, a, &x) && azr_maths__evaluate(&own, b, &y)) {
        bool same = azr_maths__same(&own, x, y);
        if (same)
            return AZR_MATHS_EQUAL;
        if (!own.failed && !own.used_opaque)
            return AZR_MATHS_DIFFERENT;
    }
    return compare_samples(a, b);
}

/* --- structures ------------------------------------------------------------------------------- */

/* The worst of several: different parts make the whole different. */
static verdict both(verdict a, verdict b)
{
    if (a == AZR_MATHS_DIFFERENT || b == AZR_MATHS_DIFFERENT)
        return AZR_MATHS_DIFFERENT;
    return a == AZR_MATHS_EQUAL && b == AZR_MATHS_EQUAL ? AZR_MATHS_EQUAL : AZR_MATHS_UNDECIDED;
}

static verdict compare_ordered(field *f, const node *a, const node *b)
{
    if (a->n_items != b->n_items)
        return AZR_MATHS_DIFFERENT;
    verdict all = AZR_MATHS_EQUAL;
    for (int i = 0; i < a->n_items && all != AZR_MATHS_DIFFERENT; i++)
        all = both(all, compare(f, a->items[i], b->items[i]));
    return all;
}

/* Is every item of a equal to one of b? DIFFERENT when one differs from all of them. */
static verdict covered(field *f, const node *a, const node *b)
{
    verdict all = AZR_MATHS_EQUAL;
    for (int i = 0; i < a->n_items && all != AZR_MATHS_DIFFERENT; i++) {
        verdict found = AZR_MATHS_DIFFERENT;
        for (int k = 0; k < b->n_items && found != AZR_MATHS_EQUAL; k++) {
            verdict one = compare(f, a->items[i], b->items[k]);
            if (one != AZR_MATHS_DIFFERENT)
                found = one;
        }
        all = both(all, found);
    }
    return all;
}

/* As sets: repeats count once. */
static verdict compare_unordered(field *f, const node *a, const node *b)
{
    if (a->n_items > 32 || b->n_items > 32)
        return AZR_MATHS_UNDECIDED;
    return both(covered(f, a, b), covered(f, b, a));
}

/* --- one notation for what says the same ------------------------------------------------------ */

static node *copy(field *f, const node *n)
{
    node *made = azr_arena_alloc(f->arena, 1, sizeof *made);
    *made = *n;
    if (n->n_items > 0) {
        made->items = azr_maths__items(f->arena, n->n_items);
        for (int i = 0; i < n->n_items; i++)
            made->items[i] = n->items[i];
    }
    return made;
}

/* The tree with every +- replaced by one sign; *found says whether there was one. */
static const node *choose_sign(field *f, const node *n, bool minus, bool *found)
{
    if (n->n_items == 0)
        return n;
    node *made = copy(f, n);
    for (int i = 0; i < n->n_items; i++)
        made->items[i] = choose_sign(f, n->items[i], minus, found);
    if (n->kind == AZR_MATHS_PLUS_MINUS) {
        *found = true;
        made->kind = AZR_MATHS_SUM;
        if (minus) {
            node *negative = copy(f, made);
            negative->kind = AZR_MATHS_NEGATIVE;
            negative->items[0] = made->items[1];
            negative->n_items = 1;
            made->items[1] = negative;
        }
    }
    return made;
}

static bool is_symbol(const node *n)
{
    return n->kind == AZR_MATHS_NAME && strcmp(n->text, "infinity") != 0 &&
           strcmp(n->text, "pi") != 0 && strcmp(n->text, "e") != 0 && strcmp(n->text, "i") != 0;
}

static const node *infinity_node(field *f, bool negative)
{
    node *made = azr_arena_alloc(f->arena, 1, sizeof *made);
    *made = (node){.kind = AZR_MATHS_NAME, .text = "infinity"};
    if (!negative)
        return made;
    node *minus = azr_arena_alloc(f->arena, 1, sizeof *minus);
    *minus = (node){.kind = AZR_MATHS_NEGATIVE, .n_items = 1};
    minus->items = azr_maths__items(f->arena, 1);
    minus->items[0] = made;
    return minus;
}

static const node *interval(field *f, const node *low, const node *high, char open, char close)
{
    node *made = azr_arena_alloc(f->arena, 1, sizeof *made);
    *made = (node){.kind = AZR_MATHS_TUPLE, .open = open, .close = close, .n_items = 2};
    made->items = azr_maths__items(f->arena, 2);
    made->items[0] = low;
    made->items[1] = high;
    return made;
}

/* x > 5 and 1 <= x < 2 as intervals; others as they are. */
static const node *as_interval(field *f, const node *n)
{
    const char *signs = n->text;
    bool less = signs[0] == '<' || signs[0] == 'L', greater = signs[0] == '>' || signs[0] == 'G';
    if (n->n_items == 2 && (less || greater)) {
        bool closed = signs[0] == 'L' || signs[0] == 'G';
        bool symbol_first = is_symbol(n->items[0]);
        if (!symbol_first && !is_symbol(n->items[1]))
            return n;
        const node *bound = n->items[symbol_first ? 1 : 0];
        if (greater == symbol_first)
            return interval(f, bound, infinity_node(f, false), closed ? '[' : '(', ')');
        return interval(f, infinity_node(f, true), bound, '(', closed ? ']' : ')');
    }
    if (n->n_items == 3 && is_symbol(n->items[1]) && strspn(signs, "<L") == 2)
        return interval(f, n->items[0], n->items[2], signs[0] == 'L' ? '[' : '(',
                        signs[1] == 'L' ? ']' : ')');
    if (n->n_items == 3 && is_symbol(n->items[1]) && strspn(signs, ">G") == 2)
        return interval(f, n->items[2], n->items[0], signs[1] == 'G' ? '[' : '(',
                        signs[0] == 'G' ? ']' : ')');
    return n;
}

/* Is n what an equation may have on its left to name the answer: x, f(x), (x, y), words? */
static bool is_label(const node *n)
{
    if (n->kind == AZR_MATHS_TUPLE) {
        for (int i = 0; i < n->n_items; i++)
            if (!is_symbol(n->items[i]))
                return false;
        return true;
    }
    return is_symbol(n) || n->kind == AZR_MATHS_WORDS || n->kind == AZR_MATHS_UNIT ||
           (n->kind == AZR_MATHS_PRODUCT && n->n_items == 2 && is_symbol(n->items[0]) &&
            (is_symbol(n->items[1]) || n->items[1]->kind == AZR_MATHS_TUPLE));
}

static bool is_equation(const node *n)
{
    return n->kind == AZR_MATHS_RELATION && n->n_items == 2 && n->text[0] == '=';
}

/* x = 5 beside 5. */
static const node *without_label(const node *n)
{
    return is_equation(n) && is_label(n->items[0]) ? n->items[1] : n;
}

static const node *normal(field *f, const node *n)
{
    bool found = false;
    const node *plus = choose_sign(f, n, false, &found);
    if (found && n->kind != AZR_MATHS_LIST && !(n->kind == AZR_MATHS_RELATION)) {
        node *list = azr_arena_alloc(f->arena, 1, sizeof *list);
        *list = (node){.kind = AZR_MATHS_LIST, .n_items = 2};
        list->items = azr_maths__items(f->arena, 2);
        list->items[0] = plus;
        list->items[1] = choose_sign(f, n, true, &found);
        return list;
    }
    if (n->kind == AZR_MATHS_RELATION)
        return as_interval(f, n);
    if (n->kind == AZR_MATHS_FRACTION && n->items[0]->kind == AZR_MATHS_UNIT) {
        /* 5 km / h */
        return n->items[0];
    }
    return n;
}

/* --- equations, units, bases, words ----------------------------------------------------------- */

/* lhs - rhs of both, up to a factor. */
static verdict compare_equations(const field *f, const node *a, const node *b)
{
    field own = fresh(f);
    quotient sides[4];
    const node *nodes[4] = {a->items[0], a->items[1], b->items[0], b->items[1]};
    for (int i = 0; i < 4; i++)
        if (!azr_maths__evaluate(&own, nodes[i], &sides[i]))
            return AZR_MATHS_UNDECIDED;
    quotient minus = azr_maths__integer(&own, -1);
    quotient x = azr_maths__add(&own, sides[0], azr_maths__multiply(&own, sides[1], minus));
    quotient y = azr_maths__add(&own, sides[2], azr_maths__multiply(&own, sides[3], minus));
    if (azr_maths__proportional(&own, x, y))
        return AZR_MATHS_EQUAL;
    return own.failed || own.used_opaque ? AZR_MATHS_UNDECIDED : AZR_MATHS_DIFFERENT;
}

static verdict compare_relations(field *f, const node *a, const node *b)
{
    if (is_equation(a) && is_equation(b)) {
        if (is_label(a->items[0]) && is_label(b->items[0]) &&
            compare(f, a->items[0], b->items[0]) == AZR_MATHS_EQUAL)
            return compare(f, a->items[1], b->items[1]);
        return compare_equations(f, a, b);
    }
    if (strcmp(a->text, b->text) == 0)
        return compare_ordered(f, a, b) == AZR_MATHS_EQUAL ? AZR_MATHS_EQUAL : AZR_MATHS_UNDECIDED;
    return AZR_MATHS_UNDECIDED;
}

/* A unit may be left out; two units must be the same. 50% is 50 or 1/2. */
static verdict compare_units(field *f, const node *a, const node *b)
{
    if (a->kind == AZR_MATHS_UNIT && b->kind == AZR_MATHS_UNIT) {
        verdict values = compare(f, a->items[0], b->items[0]);
        bool same = strcasecmp(a->text, b->text) == 0;
        return same || values == AZR_MATHS_DIFFERENT ? values : AZR_MATHS_UNDECIDED;
    }
    const node *with = a->kind == AZR_MATHS_UNIT ? a : b, *without = with == a ? b : a;
    verdict values = compare(f, with->items[0], without);
    if (values == AZR_MATHS_DIFFERENT && strcmp(with->text, "%") == 0) {
        node hundred = {.kind = AZR_MATHS_NUMBER, .value = {100, 1}};
        node *fraction = copy(f, with);
        fraction->kind = AZR_MATHS_FRACTION;
        fraction->items = azr_maths__items(f->arena, 2);
        fraction->items[0] = with->items[0];
        fraction->items[1] = copy(f, &hundred);
        fraction->n_items = 2;
        return compare(f, fraction, without);
    }
    return values;
}

/* 101_2 beside 101_2, or beside the digits alone. */
static verdict compare_based(field *f, const node *a, const node *b)
{
    if (a->kind == AZR_MATHS_BASED && b->kind == AZR_MATHS_BASED) {
        if (strcmp(a->text, b->text) == 0)
            return compare(f, a->items[0], b->items[0]);
        return compare(f, a->items[0], b->items[0]) == AZR_MATHS_EQUAL ? AZR_MATHS_DIFFERENT
                                                                       : AZR_MATHS_UNDECIDED;
    }
    const node *based = a->kind == AZR_MATHS_BASED ? a : b, *plain = based == a ? b : a;
    if (plain->kind == AZR_MATHS_NUMBER && plain->text != NULL &&
        strcmp(plain->text, based->text) == 0)
        return AZR_MATHS_EQUAL;
    return AZR_MATHS_UNDECIDED;
}

/* Letters and digits only, in lower case: "(A)" and "a", "No." and "no". */
static void strip_words(const char *text, char *out, size_t capacity)
{
    size_t n = 0;
    for (; *text != '\0' && n + 1 < capacity; text++)
        if (isalnum((unsigned char)*text) || (*text & 0x80) != 0)
            out[n++] = (char)tolower((unsigned char)*text);
    out[n] = '\0';
}

/* Two wordings of one thing cannot be told from two things: only the same words are equal. */
static verdict compare_words(const node *a, const node *b)
{
    if (a->text == NULL || b->text == NULL || a->kind == AZR_MATHS_RELATION ||
        b->kind == AZR_MATHS_RELATION)
        return AZR_MATHS_UNDECIDED;
    char x[AZR_MATHS_MAX_BYTES], y[AZR_MATHS_MAX_BYTES];
    strip_words(a->text, x, sizeof x);
    strip_words(b->text, y, sizeof y);
    if (x[0] != '\0' && strcmp(x, y) == 0)
        return AZR_MATHS_EQUAL;
    bool inside = strstr(x, y) != NULL || strstr(y, x) != NULL;
    return inside ? AZR_MATHS_UNDECIDED : AZR_MATHS_DIFFERENT;
}

/* --- trees ------------------------------------------------------------------------------------ */

static bool is_scalar(const node *n)
{
    return n->kind <= AZR_MATHS_FUNCTION;
}

/* -1 and 1 for the infinities, 0 for others. */
static int infinite_sign(const node *n)
{
    if (n->kind == AZR_MATHS_NEGATIVE)
        return -infinite_sign(n->items[0]);
    return n->kind == AZR_MATHS_NAME && strcmp(n->text, "infinity") == 0;
}

static verdict compare_same_kind(field *f, const node *a, const node *b)
{
    switch (a->kind) {
    case AZR_MATHS_TUPLE:
        if (a->open != b->open || a->close != b->close)
            return AZR_MATHS_DIFFERENT;
        return compare_ordered(f, a, b);
    case AZR_MATHS_MATRIX:
        return a->n_columns == b->n_columns ? compare_ordered(f, a, b) : AZR_MATHS_DIFFERENT;
    case AZR_MATHS_RELATION:
        return compare_relations(f, a, b);
    case AZR_MATHS_SET:
    case AZR_MATHS_LIST:
        return compare_unordered(f, a, b);
    case AZR_MATHS_UNION: /* other pieces may make the same union */
        return compare_unordered(f, a, b) == AZR_MATHS_EQUAL ? AZR_MATHS_EQUAL
                                                             : AZR_MATHS_UNDECIDED;
    default:
        return AZR_MATHS_UNDECIDED;
    }
}

/* A list without brackets may stand for a set. */
static bool is_list_or_set(const node *n)
{
    return n->kind == AZR_MATHS_LIST || n->kind == AZR_MATHS_SET;
}

/* One value beside a list: as a list of one. */
static verdict compare_one_to_list(field *f, const node *one, const node *list)
{
    node single = {.kind = AZR_MATHS_LIST, .items = &one, .n_items = 1};
    return list->n_items == 0 ? AZR_MATHS_DIFFERENT : compare_unordered(f, &single, list);
}

static verdict compare_scalar(field *f, const node *a, const node *b)
{
    if (b->kind == AZR_MATHS_TUPLE)
        return AZR_MATHS_DIFFERENT;
    if (is_list_or_set(b))
        return compare_one_to_list(f, a, b);
    if (!is_scalar(b))
        return AZR_MATHS_UNDECIDED;
    if (infinite_sign(a) != 0 || infinite_sign(b) != 0)
        return infinite_sign(a) == infinite_sign(b) ? AZR_MATHS_EQUAL : AZR_MATHS_DIFFERENT;
    return compare_scalars(f, a, b);
}

static bool one_is(azr_maths_kind kind, const node *a, const node *b)
{
    return a->kind == kind || b->kind == kind;
}

static verdict compare(field *f, const node *a, const node *b)
{
    if (++f->work > MAX_PAIRS)
        return AZR_MATHS_UNDECIDED;
    a = normal(f, a);
    b = normal(f, b);
    if (is_equation(a) != is_equation(b)) {
        a = normal(f, without_label(a));
        b = normal(f, without_label(b));
    }
    if (one_is(AZR_MATHS_UNIT, a, b))
        return compare_units(f, a, b);
    if (one_is(AZR_MATHS_WORDS, a, b))
        return compare_words(a, b);
    if (one_is(AZR_MATHS_BASED, a, b))
        return compare_based(f, a, b);
    if (is_scalar(a))
        return compare_scalar(f, a, b);
    if (is_scalar(b))
        return compare_scalar(f, b, a);
    if (is_list_or_set(a) && is_list_or_set(b))
        return compare_unordered(f, a, b);
    return a->kind == b->kind ? compare_same_kind(f, a, b) : AZR_MATHS_UNDECIDED;
}

/* --- texts ------------------------------------------------------------------------------------ */

static bool same_tokens(const azr_maths_token *a, int n_a, const azr_maths_token *b, int n_b)
{
    if (n_a != n_b)
        return false;
    for (int i = 0; i < n_a; i++)
        if (a[i].kind != b[i].kind || strcmp(a[i].text, b[i].text) != 0)
            return false;
    return n_a > 0;
}

static verdict compare_reading(azr_arena *arena, const char *answer, const char *reference,
                               azr_maths_commas commas)
{
    field f = {.arena = arena};
    azr_maths_token *a, *b;
    int n_a, n_b;
    if (!azr_maths__lex(arena, answer, commas, &a, &n_a) ||
        !azr_maths__lex(arena, reference, commas, &b, &n_b))
        return AZR_MATHS_UNDECIDED;
    if (same_tokens(a, n_a, b, n_b))
        return AZR_MATHS_EQUAL;
    const node *x = azr_maths__parse(&f, a);
    const node *y = azr_maths__parse(&f, b);
    if (x == NULL || y == NULL || f.failed)
        return AZR_MATHS_UNDECIDED;
    return compare(&f, x, y);
}

verdict azr_maths_compare(const char *answer, const char *reference)
{
    azr_arena *arena = azr_arena_create();
    verdict result = compare_reading(arena, answer, reference, AZR_MATHS_THOUSANDS);
    if (result != AZR_MATHS_EQUAL &&
        (strchr(answer, ',') != NULL || strchr(reference, ',') != NULL)) {
        verdict other = compare_reading(arena, answer, reference, AZR_MATHS_SEPARATORS);
        if (other == AZR_MATHS_EQUAL || result == AZR_MATHS_UNDECIDED)
            result = other;
    }
    /* A choice written (A) or A. */
    char a[16], b[16];
    strip_words(answer, a, sizeof a);
    strip_words(reference, b, sizeof b);
    if (result != AZR_MATHS_EQUAL && strlen(a) == 1 && isalpha((unsigned char)a[0]) &&
        strcmp(a, b) == 0 && strlen(answer) <= 4 && strlen(reference) <= 4)
        result = AZR_MATHS_EQUAL;
    azr_arena_destroy(arena);
    return result;
}
