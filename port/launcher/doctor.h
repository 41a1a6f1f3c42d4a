/* Reports what a session would find, and what is wrong with it: `pythonx_port doctor`. */
#ifndef PYTHONX_DOCTOR_H
#define PYTHONX_DOCTOR_H

#include <stdio.h>

#include "launcher/options.h"

/* Prints its findings. Returns the exit status: 0 if a session would start, else 1. */
int doctor_run(const struct options *options, FILE *out);

#endif
