/* Terms of the External Term Format as Erlang text on one line, as io:format("~0tp") shows them where all of Unicode
 * is printable (`erl +pc unicode`). Pids, ports and references of another node than nonode@nohost carry its name:
 * #Pid<a@host.85.0>. */
#ifndef PYTHONX_TEXT_PRINT_H
#define PYTHONX_TEXT_PRINT_H

#include <stdio.h>

#include "span.h"

enum text_print_status {
    TEXT_PRINT_OK,
    TEXT_PRINT_TRUNCATED,
    TEXT_PRINT_COMPRESSED,
    TEXT_PRINT_UNKNOWN,
    TEXT_PRINT_MALFORMED,
    TEXT_PRINT_TOO_DEEP, /* more than 10,000 terms inside of each other */
    TEXT_PRINT_NO_MEMORY,
};

/* Prints the term at the span's position and moves past it. On failure some of it may be printed, and the position
 * is that of the tag at fault. Whether `out` took it is for the caller to ask with ferror. */
enum text_print_status text_print(FILE *out, struct span *term);

const char *text_print_status_text(enum text_print_status status);

#endif
