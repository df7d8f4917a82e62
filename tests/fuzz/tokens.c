#include "tests/fuzz/tokens.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_LEN = 40, MAC_LEN = 32, TOKEN_SIZE = 400 };

static char secrets[TOKENS_N_KEYS + 1][SECRET_LEN + 1];

const struct token_key *
tokens_keys(void)
{
	static const struct token_key keys[TOKENS_N_KEYS] = {
	    {NULL, secrets[0]}, {TOKENS_KID, secrets[1]}};
	unsigned char random[SECRET_LEN / 2];

	for (int i = 0; i <= TOKENS_N_KEYS && secrets[i][0] == '\0'; i++) {
		if (RAND_bytes(random, sizeof random) != 1)
			abort();
		for (size_t k = 0; k < sizeof random; k++)
			snprintf(secrets[i] + 2 * k, 3, "%02x", random[k]);
	}
	return keys;
}

/* Gives the length, 0 when it does not fit. */
static size_t
put_base64url(char *out, size_t size, const void *bytes, size_t n)
{
	size_t len;

	if ((n + 2) / 3 * 4 + 1 > size)
		return 0;
	len = (size_t)EVP_EncodeBlock((unsigned char *)out, bytes, (int)n);
	while (len > 0 && out[len - 1] == '=')
		len--;
	out[len] = '\0';
	for (char *c = out; *c != '\0'; c++)
		*c = (char)(*c == '+' ? '-' : *c == '/' ? '_' : *c);
	return len;
}

size_t
tokens_sign(unsigned key, const char *header, size_t header_len, const char *payload,
    size_t payload_len, char *out, size_t size)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_len;
	size_t n;

	tokens_keys();
	n = put_base64url(out, size, header, header_len);
	if (n + 2 > size)
		return 0;
	out[n++] = '.';
	n += put_base64url(out + n, size - n, payload, payload_len);
	if (n + 2 > size || HMAC(EVP_sha256(), secrets[key], SECRET_LEN, (unsigned char *)out, n,
				mac, &mac_len) == NULL)
		return 0;
	out[n++] = '.';
	mac_len = (unsigned)put_base64url(out + n, size - n, mac, MAC_LEN);
	return mac_len == 0 ? 0 : n + mac_len;
}

/* What the letter behind a $ stands for. */
static const struct ready {
	char letter;
	unsigned key;
	int merchant;
	int64_t exp, nbf; /* nbf 0: none */
} readies[] = {
    {'7', 0, 7, TOKENS_EXP, 0},
    {'8', 0, 8, TOKENS_EXP, 0},
    {'k', 1, 7, TOKENS_EXP, 0},
    {'s', 0, 7, TOKENS_NOW + 1, 0},
    {'x', 0, 7, TOKENS_NOW, 0},
    {'e', 0, 7, TOKENS_EXP, TOKENS_NOW + 1},
    {'f', TOKENS_FOREIGN, 7, TOKENS_EXP, 0},
};
enum { N_READIES = sizeof readies / sizeof *readies };

static void
make(const struct ready *r, char token[TOKEN_SIZE])
{
	static const char *const headers[] = {"{\"alg\":\"HS256\"}",
	    "{\"alg\":\"HS256\",\"kid\":\"" TOKENS_KID "\"}", "{\"alg\":\"HS256\"}"};
	char payload[120], nbf[40] = "";
	int n;

	if (r->nbf != 0)
		snprintf(nbf, sizeof nbf, ",\"nbf\":%lld", (long long)r->nbf);
	n = snprintf(payload, sizeof payload, "{\"merchant\":%d,\"userId\":%d,\"exp\":%lld%s}",
	    r->merchant, r->merchant, (long long)r->exp, nbf);
	if (tokens_sign(r->key, headers[r->key], strlen(headers[r->key]), payload, (size_t)n, token,
		TOKEN_SIZE) == 0)
		abort();
}

/* A terminal's token: its secret is as random as the keys. */
static const char *
terminal_token(bool is_good)
{
	static char tokens[2][TOKEN_SIZE];

	tokens_keys();
	snprintf(tokens[is_good], TOKEN_SIZE, "obt_%d_%s", TOKENS_TERMINAL,
	    secrets[is_good ? TOKENS_FOREIGN : 0]);
	return tokens[is_good];
}

const char *
tokens_terminal_hash(void)
{
	static char hex[2 * EVP_MAX_MD_SIZE + 1];
	unsigned char hash[EVP_MAX_MD_SIZE];
	const char *token = terminal_token(true);
	unsigned len;

	if (hex[0] != '\0')
		return hex;
	if (EVP_Digest(token, strlen(token), hash, &len, EVP_sha256(), NULL) != 1)
		abort();
	for (unsigned i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	return hex;
}

/* The token of a letter, or NULL. */
static const char *
ready_token(char letter)
{
	static char tokens[N_READIES][TOKEN_SIZE];

	if (letter == 't' || letter == 'u')
		return terminal_token(letter == 't');
	for (int i = 0; i < N_READIES; i++) {
		if (readies[i].letter != letter)
			continue;
		if (tokens[i][0] == '\0')
			make(&readies[i], tokens[i]);
		return tokens[i];
	}
	return NULL;
}

size_t
tokens_put_in(const char *text, size_t len, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < size; i++) {
		const char *token = text[i] == '$' && i + 1 < len ? ready_token(text[i + 1]) : NULL;
		size_t token_len = token == NULL ? 0 : strlen(token);

		if (token != NULL && n + token_len < size) {
			memcpy(out + n, token, token_len);
			n += token_len;
			i++;
		} else {
			out[n++] = text[i];
		}
	}
	out[n] = '\0';
	return n;
}
