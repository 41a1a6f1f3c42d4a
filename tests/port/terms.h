/* Terms in a short notation of their own, so that a test shows what it sends and what it expects:
 *   ok  nil  Elixir.Date   atoms          12  -3  1.5   numbers       'text'   a binary
 *   {1, 2}  [1, 2]  #{a => 1}   tuples, lists and maps
 * In a format, what comes from C is named as printf does: %s a binary, %a an atom (both const char *), %d an integer
 * (long long), %b a binary (const void *, size_t), %t a term (struct span). */
#ifndef PYTHONX_TESTS_TERMS_H
#define PYTHONX_TESTS_TERMS_H

#include <stdarg.h>

#include "wire/message.h"
#include "wire/span.h"

/* Appends the term that the format describes; a format that cannot be read fails the test. */
void terms_put(struct message *message, const char *format, ...);
void terms_put_list(struct message *message, const char *format, va_list arguments);

/* Returns the term at the span's position in the notation, and then what follows it, if anything; the caller must free
 * it. A term without a notation is shown as its kind, such as <pid>. */
char *terms_show(struct span span);

#endif
