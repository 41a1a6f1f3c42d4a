/* `pythonx_port encode` and `pythonx_port decode`: terms as text to frames, and back. Both return the exit status:
 * 1 where anything was refused, after all the rest was done. What went wrong is said on stderr. */
#ifndef PYTHONX_TEXT_H
#define PYTHONX_TEXT_H

#include <stdio.h>

/* A frame leaves as soon as the character after its term's full stop is there. */
int text_encode(FILE *in, int out_fd);

/* One line for each frame. Both end quietly where nobody reads what they write. */
int text_decode(int in_fd, FILE *out);

#endif
