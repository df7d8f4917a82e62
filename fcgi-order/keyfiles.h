/* keyfiles.h - fills a keyring from disk: at start, and when settings are read again. */
#ifndef FCGI_ORDER_KEYFILES_H
#define FCGI_ORDER_KEYFILES_H

#include "fcgi-order/keyring.h"

/* Gives a keyring with all keys of the file at `path`, or of every file in the folder at `path`
 * whose name does not begin with a dot.  There is at least one.  NULL: `error` names the file, says
 * what is wrong, and what is allowed.
 * Keys are no secret, but who may write them may sign: a file or folder that "other" may write is
 * refused. */
struct keyring *keyfiles_load(const char *path, char *error, size_t error_size);

#endif
