/* forest.c: token sequences to a forest of segments in which equal beginnings are one segment: a
 * radix tree, written out parents first. */
#include "azr/rl.h"

#include "base/check.h"
#include "base/memory.h"

/* Where a sequence ends: at the end of a segment. */
struct azr_forest_path {
    int32_t segment;
    size_t n_tokens;
};

typedef struct node {
    int32_t parent, first_child, last_child, next_sibling; /* -1: none */
    const int32_t *tokens;
    size_t n_tokens;
} node;

typedef struct tree {
    node *nodes; /* node 0 is the empty root of roots */
    int32_t n_nodes;
    size_t capacity;
} tree;

static int32_t add_node(tree *t, const int32_t *tokens, size_t n_tokens)
{
    if ((size_t)t->n_nodes == t->capacity) {
        t->capacity = t->capacity > 0 ? t->capacity * 2 : 64;
        t->nodes = azr_realloc(t->nodes, t->capacity, sizeof *t->nodes);
    }
    t->nodes[t->n_nodes] = (node){.parent = -1,
                                  .first_child = -1,
                                  .last_child = -1,
                                  .next_sibling = -1,
                                  .tokens = tokens,
                                  .n_tokens = n_tokens};
    return t->n_nodes++;
}

static void append_child(tree *t, int32_t parent, int32_t child)
{
    node *p = &t->nodes[parent];
    t->nodes[child].parent = parent;
    if (p->last_child < 0)
        p->first_child = child;
    else
        t->nodes[p->last_child].next_sibling = child;
    p->last_child = child;
}

/* Cuts a node after its first n tokens: a new node takes its place above it. */
static int32_t split_node(tree *t, int32_t lower, size_t n)
{
    int32_t upper = add_node(t, t->nodes[lower].tokens, n);
    node *l = &t->nodes[lower], *u = &t->nodes[upper], *p = &t->nodes[l->parent];
    u->parent = l->parent;
    u->next_sibling = l->next_sibling;
    if (p->last_child == lower)
        p->last_child = upper;
    if (p->first_child == lower) {
        p->first_child = upper;
    } else {
        int32_t before = p->first_child;
        while (t->nodes[before].next_sibling != lower)
            before = t->nodes[before].next_sibling;
        t->nodes[before].next_sibling = upper;
    }
    l->next_sibling = -1;
    l->tokens += n;
    l->n_tokens -= n;
    append_child(t, upper, lower);
    return upper;
}

static size_t common_length(const node *n, const int32_t *tokens, size_t n_tokens)
{
    size_t limit = n->n_tokens < n_tokens ? n->n_tokens : n_tokens, i = 0;
    while (i < limit && n->tokens[i] == tokens[i])
        i++;
    return i;
}

/* The node at whose end the sequence ends, made where it is missing. */
static int32_t insert(tree *t, const azr_sequence *sequence)
{
    int32_t at = 0;
    const int32_t *tokens = sequence->tokens;
    size_t left = sequence->n_tokens;
    while (left > 0) {
        int32_t child = t->nodes[at].first_child;
        while (child >= 0 && t->nodes[child].tokens[0] != tokens[0])
            child = t->nodes[child].next_sibling;
        if (child < 0) {
            child = add_node(t, tokens, left);
            append_child(t, at, child);
            return child;
        }
        size_t n = common_length(&t->nodes[child], tokens, left);
        at = n < t->nodes[child].n_tokens ? split_node(t, child, n) : child;
        tokens += n;
        left -= n;
    }
    return at;
}

/* Next node of a walk that visits parents first, -1 at the end. */
static int32_t next_node(const tree *t, int32_t at)
{
    if (t->nodes[at].first_child >= 0)
        return t->nodes[at].first_child;
    while (at >= 0 && t->nodes[at].next_sibling < 0)
        at = t->nodes[at].parent;
    return at >= 0 ? t->nodes[at].next_sibling : -1;
}

void azr_forest_build(const azr_sequence *sequences, size_t n, azr_forest *out_forest)
{
    tree t = {0};
    int32_t *ends = azr_alloc(n, sizeof *ends);
    add_node(&t, NULL, 0);
    for (size_t s = 0; s < n; s++) {
        AZR_CHECK(sequences[s].n_tokens > 0);
        ends[s] = insert(&t, &sequences[s]);
    }
    int32_t *segment_of = azr_alloc((size_t)t.n_nodes, sizeof *segment_of);
    azr_forest forest = {.n_sequences = n};
    forest.segments = azr_alloc((size_t)t.n_nodes, sizeof *forest.segments);
    forest.paths = azr_alloc(n, sizeof *forest.paths);
    segment_of[0] = -1;
    for (int32_t at = next_node(&t, 0); at >= 0; at = next_node(&t, at)) {
        const node *from = &t.nodes[at];
        segment_of[at] = (int32_t)forest.n_segments;
        forest.segments[forest.n_segments++] = (azr_segment){
            .parent = segment_of[from->parent],
            .n_tokens = (int32_t)from->n_tokens,
            .tokens = from->tokens,
        };
        forest.n_tokens += (int64_t)from->n_tokens;
    }
    for (size_t s = 0; s < n; s++)
        forest.paths[s] = (struct azr_forest_path){segment_of[ends[s]], sequences[s].n_tokens};
    azr_free(segment_of);
    azr_free(ends);
    azr_free(t.nodes);
    *out_forest = forest;
}

azr_target azr_forest_find(const azr_forest *forest, size_t sequence, size_t index)
{
    AZR_CHECK(sequence < forest->n_sequences && index < forest->paths[sequence].n_tokens);
    int32_t segment = forest->paths[sequence].segment;
    size_t start = forest->paths[sequence].n_tokens - (size_t)forest->segments[segment].n_tokens;
    while (index < start) {
        segment = forest->segments[segment].parent;
        start -= (size_t)forest->segments[segment].n_tokens;
    }
    return (azr_target){.segment = segment, .index = (int32_t)(index - start)};
}

void azr_forest_deinit(azr_forest *forest)
{
    azr_free(forest->segments);
    azr_free(forest->paths);
    *forest = (azr_forest){0};
}
