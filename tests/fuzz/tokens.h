/* tokens.h - tokens for the fuzz targets.  The keys are random, of this process: no input can hold
 * a token that one of them has signed, unless the target put it there. */
#ifndef TESTS_FUZZ_TOKENS_H
#define TESTS_FUZZ_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/token.h"

#define TOKENS_KID "new"

enum {
	TOKENS_NOW = 1700000000, /* the time it is, always */
	TOKENS_EXP = TOKENS_NOW + 60,
	TOKENS_N_KEYS = 2, /* the first of tokens without kid, the second of kid TOKENS_KID */
	TOKENS_FOREIGN = TOKENS_N_KEYS, /* number of a key that nobody accepts */
	TOKENS_TERMINAL = 17,
};

/* The keys; valid for ever. */
const struct token_key *tokens_keys(void);

/* Writes "header.payload.signature", signed (HS256) with a key by its number, into `out`.  Gives
 * its length, 0 when it does not fit. */
size_t tokens_sign(unsigned key, const char *header, size_t header_len, const char *payload,
    size_t payload_len, char *out, size_t size);

/* What the database would have of the terminal TOKENS_TERMINAL: the hash of its token. */
const char *tokens_terminal_hash(void);

/* Copies `text` and puts tokens in: $7 and $8 of those merchants (and users), $k of merchant 7 by
 * the second key, $s of merchant 7 with its end sooner, $x expired, $e not yet valid, $f by a
 * foreign key. Gives the length, always with a NUL behind; what does not fit is left out. */
size_t tokens_put_in(const char *text, size_t len, char *out, size_t size);

#endif
