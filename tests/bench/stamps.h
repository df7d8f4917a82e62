/* stamps.h - a file that two programs share: when the bell of event N was rung.  The one that rings
 * writes it there just before, those that hear it subtract. */
#ifndef BENCH_STAMPS_H
#define BENCH_STAMPS_H

#include <stdint.h>

enum { STAMPS_MAX = 1 << 17 };

/* Gives STAMPS_MAX times in ns (clock_ns), 0 where there is none yet; the file is made where it is
 * not there.  NULL: it cannot be had, and errno says why.  They stay until the program ends. */
int64_t *stamps_map(const char *path);

#endif
