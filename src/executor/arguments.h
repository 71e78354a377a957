/* arguments.h: an argument list as bytes, from the parser in azr's process to the interpreter that
 * rebuilds it as objects. Never as text that is evaluated.
 *
 * A value is a tag byte (azr_literal_kind), then: INT a sign byte and its digits; FLOAT one double,
 * COMPLEX two; STR (UTF-8, surrogates in three bytes) and BYTES a size and bytes; the others a
 * count and their members (a dict's by turns key and value). ARGUMENTS: count and positional ones,
 * then count of keywords, name and value by turns. Sizes and counts are uint32_t. */
#ifndef AZR_EXECUTOR_ARGUMENTS_H
#define AZR_EXECUTOR_ARGUMENTS_H

#include "azr/literal.h"
#include "base/strbuf.h"

void azr_exec__arguments_encode(const azr_literal *arguments, azr_strbuf *out);

#endif
