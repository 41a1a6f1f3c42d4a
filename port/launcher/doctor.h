/* `pythonx_port doctor`: what is found, and what is wrong, in words. */
#ifndef PYTHONX_DOCTOR_H
#define PYTHONX_DOCTOR_H

#include <stdio.h>

#include "launcher/options.h"

/* Prints its findings; exit status 0 where a session would start, 1 where not. */
int doctor_run(const struct options *options, FILE *out);

#endif
