/* facts.h - what the program was built of and runs with, for --version. */
#ifndef SHARED_FACTS_H
#define SHARED_FACTS_H

#include <stdio.h>

/* "name: value" a line. */
void facts_write(FILE *out);

#endif
