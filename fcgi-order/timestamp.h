/* timestamp.h - when a callback was signed, as its header says.  Pure. */
#ifndef FCGI_ORDER_TIMESTAMP_H
#define FCGI_ORDER_TIMESTAMP_H

#include <stdint.h>

/* Unix seconds written with 1 to 12 digits alone; -1: anything else, NULL too. */
int64_t timestamp_read(const char *text);

#endif
