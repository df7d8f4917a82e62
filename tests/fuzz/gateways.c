/* gateways - what is not signed pays nothing, what is signed pays what it says, and whatever comes
 * gets a proper answer.  Every row of gateways[] is driven alike.
 * Input: a line of options (a digit: which gateway; t: every signature is taken for a good one),
 * then lines of headers, as "Name: value", or of CGI variables, as "=NAME=value", an empty line,
 * and the body.  #N# stands for the base64 of N bytes, [[text]] for that of the text and 16 bytes
 * more, $7 and the like for tokens (tokens.h). */
#include <assert.h>
#include <ctype.h>
#include <dlfcn.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fcgi-order/gateway.h"
#include "fcgi-order/handlers.h"
#include "shared/log.h"
#include "tests/fuzz/by_the_book.h"
#include "tests/fuzz/tokens.h"

enum { TEXT_SIZE = 1 << 16, ENV_MAX = 64, LEVELS = 8, ORDER_ID = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* --- signatures that are all good, and seals that seal nothing --- */

static bool is_trusting;

/* The program's own functions go before the library's.  Nothing else in this process lives by
 * them. */
int
CRYPTO_memcmp(const void *a, const void *b, size_t n)
{
	return is_trusting ? 0 : memcmp(a, b, n);
}

int
EVP_DigestVerifyFinal(EVP_MD_CTX *md, const unsigned char *signature, size_t len)
{
	static int (*next)(EVP_MD_CTX *, const unsigned char *, size_t);

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "EVP_DigestVerifyFinal");
	return is_trusting ? 1 : next(md, signature, len);
}

int
EVP_DigestVerify(EVP_MD_CTX *md, const unsigned char *signature, size_t len,
    const unsigned char *bytes, size_t n)
{
	static int (*next)(
	    EVP_MD_CTX *, const unsigned char *, size_t, const unsigned char *, size_t);

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "EVP_DigestVerify");
	return is_trusting ? 1 : next(md, signature, len, bytes, n);
}

int
EVP_DecryptUpdate(
    EVP_CIPHER_CTX *ctx, unsigned char *out, int *out_len, const unsigned char *in, int in_len)
{
	static int (*next)(EVP_CIPHER_CTX *, unsigned char *, int *, const unsigned char *, int);

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "EVP_DecryptUpdate");
	if (!is_trusting)
		return next(ctx, out, out_len, in, in_len);
	if (out != NULL)
		memcpy(out, in, (size_t)in_len);
	*out_len = in_len;
	return 1;
}

int
EVP_DecryptFinal_ex(EVP_CIPHER_CTX *ctx, unsigned char *out, int *out_len)
{
	static int (*next)(EVP_CIPHER_CTX *, unsigned char *, int *);

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "EVP_DecryptFinal_ex");
	return is_trusting ? 1 : next(ctx, out, out_len);
}

/* --- what the gateways and the handlers work with --- */

static char webhook_secret[160], api_v3_key[33], key_path[] = "/tmp/fuzz-gateways.XXXXXX";
static char mchid[] = "1900000001", appid[] = "wx8888888888888888", app_id[] = "2021";
static char seller_id[] = "2088", currency[] = "CNY";
static struct options options = {.webhook_secret = webhook_secret,
    .wechatpay_mchid = mchid,
    .wechatpay_appid = appid,
    .wechatpay_keys = key_path,
    .wechatpay_api_v3_key = api_v3_key,
    .alipay_app_id = app_id,
    .alipay_seller_id = seller_id,
    .alipay_keys = key_path,
    .currency = currency,
    .sandbox_payment = 1};
static struct gateway_keys keys;

static void
random_text(char *text, size_t n)
{
	unsigned char bytes[64];

	assert(RAND_bytes(bytes, (int)n) == 1);
	for (size_t i = 0; i < n; i++)
		text[i] = (char)('a' + bytes[i] % 26);
}

/* The public key of PUB_KEY_ID_1, in a file. */
static void
write_public_key(void)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	int fd = mkstemp(key_path);
	FILE *file = fdopen(fd, "w");

	assert(key != NULL && file != NULL && fputs("PUB_KEY_ID_1\n", file) != EOF);
	assert(PEM_write_PUBKEY(file, key) == 1);
	assert(fclose(file) == 0);
	EVP_PKEY_free(key);
}

/* A shared secret and the public key of a pair. */
static void
write_webhook_keys(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	unsigned char bytes[32];
	size_t len = sizeof bytes;
	char *to;

	random_text(webhook_secret, 40);
	to = stpcpy(webhook_secret + 40, "\nwhpk_");
	assert(EVP_PKEY_get_raw_public_key(key, bytes, &len) == 1);
	EVP_EncodeBlock((unsigned char *)to, bytes, (int)len);
	EVP_PKEY_free(key);
}

/* Keys are random, of this process: nothing in any input is signed with them. */
static void
make_keys(void)
{
	char error[500] = "";

	if (webhook_secret[0] != '\0')
		return;
	log_set_level(LOG_LEVEL_ERR);
	write_webhook_keys();
	random_text(api_v3_key, sizeof api_v3_key - 1);
	write_public_key();
	options.jwt_secret = (char *)(uintptr_t)tokens_keys()[0].secret;
	if (!gateways_open(&keys, &options, error, sizeof error)) {
		fprintf(stderr, "%s\n", error);
		abort();
	}
	unlink(key_path);
	/* A gateway that is not fuzzed has no keys here yet. */
	for (size_t i = 0; i < n_gateways; i++)
		assert(keys.of[i] != NULL);
}

/* What the store was asked for. */
struct calls {
	int n_pay, n_own, n_note;
	enum store_status status;
};

static void
check_payment(const struct payment *p)
{
	const char *digits = "0123456789";
	size_t whole = strspn(p->amount, digits);
	const char *fraction = p->amount + whole + (p->amount[whole] == '.');

	assert(strlen(p->number) >= 1 && strlen(p->number) <= PAYMENT_NUMBER_MAX);
	assert(whole >= 1 && strlen(p->amount) <= PAYMENT_AMOUNT_MAX);
	assert(strspn(fraction, digits) == strlen(fraction) && strlen(fraction) <= 2);
	assert(strlen(p->currency) == 3);
	for (int i = 0; i < 3; i++)
		assert(p->currency[i] >= 'A' && p->currency[i] <= 'Z');
	for (const char *c = p->transaction_id; *c != '\0'; c++)
		assert(*c >= ' ' && *c <= '~');
	assert(p->transaction_id[0] != '\0');
}

static void
check_printable(const char *text, size_t max)
{
	assert(strlen(text) <= max);
	for (const char *c = text; *c != '\0'; c++)
		assert(*c >= ' ' && *c <= '~');
}

static enum store_status
pay(void *arg, const char *gateway, int pay_method, const struct callback *callback,
    int64_t *order_id)
{
	struct calls *calls = arg;

	assert(gateway != NULL && pay_method >= 0 && pay_method <= 2);
	check_payment(&callback->payment);
	assert(callback->id[0] != '\0' && callback->state[0] != '\0');
	*order_id = ORDER_ID;
	calls->n_pay++;
	return calls->status;
}

static enum store_status
note(void *arg, const char *gateway, const struct callback *callback, const char *verdict)
{
	struct calls *calls = arg;

	assert(gateway != NULL && *callback->reason != '\0');
	assert(strcmp(verdict, "ignored") == 0 || strcmp(verdict, "malformed") == 0 ||
	       strcmp(verdict, "sealed") == 0);
	check_printable(callback->id, CALLBACK_ID_MAX);
	check_printable(callback->state, CALLBACK_STATE_MAX);
	check_printable(callback->payment.number, PAYMENT_NUMBER_MAX);
	check_printable(callback->payment.transaction_id, PAYMENT_TRANSACTION_MAX);
	calls->n_note++;
	return calls->status == STORE_DOWN ? STORE_DOWN : STORE_OK;
}

static enum store_status
pay_own(void *arg, const char *number, int64_t user_id, int pay_method, int64_t *order_id)
{
	struct calls *calls = arg;

	assert((user_id == 7 || user_id == 8) && pay_method >= 1 && pay_method <= 2);
	assert(strlen(number) >= 1 && strlen(number) <= PAYMENT_NUMBER_MAX);
	*order_id = ORDER_ID;
	calls->n_own++;
	return calls->status;
}

static enum store_status
remind(void *arg, int64_t order_id, int64_t user_id)
{
	struct calls *calls = arg;

	assert(order_id >= 0 && (user_id == 7 || user_id == 8));
	calls->n_own++;
	return calls->status;
}

static bool
is_up(void *arg)
{
	return ((const struct calls *)arg)->status != STORE_DOWN;
}

/* --- from the input to a request --- */

struct delivery {
	char text[TEXT_SIZE];
	char *env[ENV_MAX + 3]; /* with two of ours behind the input's */
	size_t n_env;
	char *body;
	struct request request;
};

/* Writes the base64 of `n` bytes; gives its length, 0 when it does not fit. */
static size_t
put_base64(char *out, size_t room, const char *text, size_t text_len, size_t n)
{
	char *bytes;
	size_t len;

	if ((n + 2) / 3 * 4 + 1 > room)
		return 0;
	bytes = calloc(1, n + 1);
	memcpy(bytes, text, text_len);
	len = (size_t)EVP_EncodeBlock((unsigned char *)out, (unsigned char *)bytes, (int)n);
	free(bytes);
	return len;
}

/* Copies the text with what its marks stand for. */
static size_t
expand(const char *in, size_t n, char *out, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < n && len + 1 < size;) {
		const char *end = NULL;
		size_t more = 0, times = 0;

		if (in[i] == '#')
			end = memchr(in + i + 1, '#', n - i - 1);
		for (const char *c = in + i + 1; end != NULL && c < end; c++)
			times = isdigit((unsigned char)*c) && times < 1000
			            ? times * 10 + (size_t)(*c - '0')
			            : 10000;
		if (end != NULL && times > 0 && times <= 1000)
			more = put_base64(out + len, size - len, "", 0, times);
		if (n - i > 4 && memcmp(in + i, "[[", 2) == 0 &&
		    (end = memmem(in + i, n - i, "]]", 2)) != NULL) {
			times = (size_t)(end - in) - i - 2;
			more = put_base64(out + len, size - len, in + i + 2, times, times + 16);
			end++;
		}
		if (more > 0) {
			len += more;
			i = (size_t)(end - in) + 1;
		} else {
			out[len++] = in[i++];
		}
	}
	return len;
}

/* "Webhook-Id: x" to "HTTP_WEBHOOK_ID=x", in a string of its own; NULL: it is no header. */
static char *
variable_of(const char *line)
{
	const char *colon = strchr(line, ':');
	char *variable;
	int n;

	if (line[0] == '=')
		return strchr(line + 1, '=') != NULL ? strdup(line + 1) : NULL;
	if (colon == NULL)
		return NULL;
	n = asprintf(&variable, "HTTP_%.*s=%s", (int)(colon - line), line,
	    colon + 1 + strspn(colon + 1, " "));
	assert(n > 0);
	for (char *c = variable; *c != '='; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	return variable;
}

static void
add_variable(struct delivery *c, char *variable)
{
	if (variable != NULL && c->n_env < ENV_MAX)
		c->env[c->n_env++] = variable;
	else
		free(variable);
}

static void
read_delivery(struct delivery *c, const struct gateway *g, const char *in, size_t n)
{
	static char marked[TEXT_SIZE];
	size_t len = tokens_put_in(in, n, marked, sizeof marked);
	char *line = c->text, *end, *newline, *path;

	len = expand(marked, len, c->text, sizeof c->text);
	end = c->text + len;
	*end = '\0';
	c->n_env = 0;
	while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL && newline != line) {
		*newline = '\0';
		add_variable(c, variable_of(line));
		line = newline + 1;
	}
	line += newline == line;
	if (asprintf(&path, "SCRIPT_NAME=%s", g->path) < 0)
		abort();
	c->env[c->n_env++] = path;
	c->env[c->n_env++] = strdup("REQUEST_METHOD=POST");
	c->env[c->n_env] = NULL;
	len = (size_t)(end - line);
	c->body = malloc(len + 1); /* of that size: what is read behind its end is found */
	memcpy(c->body, line, len + 1);
	c->request = (struct request){.env = c->env, .body = c->body, .body_len = len};
}

static void
free_delivery(struct delivery *c)
{
	for (size_t i = 0; i < c->n_env; i++)
		free(c->env[i]);
	free(c->body);
}

/* --- what must hold --- */

static bool
is_zero(const void *bytes, size_t n)
{
	const char *c = bytes;

	return n == 0 || (c[0] == 0 && memcmp(c, c + 1, n - 1) == 0);
}

static void
check_verdict(size_t gateway, const struct request *r)
{
	struct callback said = {0};
	enum gateway_verdict verdict =
	    gateways[gateway].read(keys.of[gateway], r, TOKENS_NOW, &said);

	assert(verdict == GATEWAY_PAYMENT || (said.reason != NULL && *said.reason != '\0'));
	if (verdict == GATEWAY_PAYMENT)
		check_payment(&said.payment);
	if (!is_trusting)
		assert((verdict == GATEWAY_NOT_SIGNED || verdict == GATEWAY_STALE ||
			   verdict == GATEWAY_UNKNOWN_KEY) &&
		       is_zero(&said.payment, sizeof said.payment));
}

static void
check_reply(const struct reply *reply)
{
	static const int statuses[] = {
	    200, 204, 400, 401, 403, 404, 405, 409, 413, 415, 500, 503, 0};
	const int *status = statuses;

	while (*status != 0 && *status != reply->status)
		status++;
	assert(*status != 0 && reply->status != 500);
	if (reply->content_type != NULL && strcmp(reply->content_type, "application/json") == 0)
		assert(by_the_book_object(reply->body, strlen(reply->body), LEVELS));
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static struct delivery c;
	const char *text = (const char *)input,
		   *rest = size == 0 ? NULL : memchr(input, '\n', size);
	struct calls calls = {0};
	struct counters counters = {0};
	const struct order_store store = {&calls, pay, note, pay_own, remind, is_up};
	const struct context context = {
	    &options, &keys, &store, &counters, TOKENS_NOW, "192.0.2.1"};
	struct reply reply = {0};
	size_t gateway;
	bool has_token;

	if (rest == NULL)
		return 0;
	rest++;
	make_keys();
	gateway = (unsigned char)text[0] % 16 % n_gateways;
	is_trusting = memchr(text, 't', (size_t)(rest - text)) != NULL;
	calls.status = (enum store_status)(size % (STORE_DOWN + 1));
	read_delivery(&c, &gateways[gateway], rest, size - (size_t)(rest - text));
	check_verdict(gateway, &c.request);
	handle_request(&context, &c.request, &reply);
	check_reply(&reply);
	has_token = memchr(text, '$', size) != NULL;
	assert(is_trusting || calls.n_pay + calls.n_note == 0);
	assert(has_token || calls.n_own == 0);
	assert(calls.n_pay + calls.n_own + calls.n_note <= 1);
	reply_fini(&reply);
	free_delivery(&c);
	return 0;
}
