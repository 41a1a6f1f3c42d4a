/* Binaries and bitstrings as text: <<1, 2:4, "text"/utf8, -1:16/little>>. Binaries inside of binaries are not read. */
#ifndef PYTHONX_TEXT_BITS_H
#define PYTHONX_TEXT_BITS_H

#include "message.h"
#include "text_scan.h"

/* Reads on after "<<", ">>" included, and appends the term. False with the scanner's error filled in. */
bool text_bits_read(struct text_scanner *scanner, struct message *message);

#endif
