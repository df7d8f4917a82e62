#include "fcgi-order/options.h"

#include <stdlib.h>
#include <string.h>

#include "shared/pghosts.h"

static const char *const levels[] = {"err", "warn", "info", "debug", NULL}; /* enum log_level */
static const char *const formats[] = {"text", "json", NULL};                /* enum log_format */

static const char *const socket_modes[] = {"0600", "0660", "0666", NULL};

#define AT(member) offsetof(struct options, member)

const struct setting options_table[] = {
    {"database", SETTING_TEXT, AT(database), "dbname=orderbell", 1, 1000, NULL,
	"How to reach PostgreSQL: a libpq connection string; several hosts are tried in turn."},
    {"socket", SETTING_TEXT, AT(socket), "", 0, 107, NULL,
	"Path of the FastCGI socket to make, or :PORT for one on 127.0.0.1; empty: the one the web"
	" server hands over."},
    {"socket_mode", SETTING_CHOICE, AT(socket_mode), "0660", 0, 0, socket_modes,
	"Who may connect to a socket made at a path: the web server must be this user, of this"
	" group, or anybody."},
    {"threads", SETTING_INT, AT(threads), "8", 1, 256, NULL,
	"Requests handled at the same time; each thread has a database connection of its own."},
    {"webhook_secret_file", SETTING_SECRET_FILE, AT(webhook_secret), NULL, 16, 4096, NULL,
	"File with the keys of /notify/webhook (Standard Webhooks), one in a line: whsec_ and"
	" base64, or plain text, is a shared secret, whpk_ and base64 an ed25519 public key."},
    {"wechatpay_mchid", SETTING_TEXT, AT(wechatpay_mchid), NULL, 1, 32, NULL,
	"Merchant number that WeChat Pay knows the shop by."},
    {"wechatpay_appid", SETTING_TEXT, AT(wechatpay_appid), NULL, 1, 1000, NULL,
	"App ids that orders are paid in by WeChat Pay, with spaces between."},
    {"wechatpay_keys", SETTING_TEXT, AT(wechatpay_keys), NULL, 1, 1000, NULL,
	"File, or folder of files, with all platform certificates and public keys of WeChat Pay, in"
	" PEM; a public key's id is a line PUB_KEY_ID_... before it, or the file's name."},
    {"wechatpay_api_v3_key_file", SETTING_SECRET_FILE, AT(wechatpay_api_v3_key), NULL, 1, 200, NULL,
	"File with the API v3 key, of exactly 32 bytes; up to four, one in a line."},
    {"alipay_app_id", SETTING_TEXT, AT(alipay_app_id), NULL, 1, 1000, NULL,
	"App ids that orders are paid in by Alipay, with spaces between."},
    {"alipay_seller_id", SETTING_TEXT, AT(alipay_seller_id), NULL, 1, 1000, NULL,
	"Seller ids (2088...) that Alipay pays to, with spaces between."},
    {"alipay_keys", SETTING_TEXT, AT(alipay_keys), NULL, 1, 1000, NULL,
	"File, or folder of files, with up to eight public keys or certificates of Alipay: PEM, or"
	" the base64 that its pages show."},
    {"jwt_secret_file", SETTING_SECRET_FILE, AT(jwt_secret), NULL, 16, 1024, NULL,
	"File with the secret that signs the customers' tokens (HS256, claim userId)."},
    {"sandbox_payment", SETTING_YES_NO, AT(sandbox_payment), "no", 0, 0, NULL,
	"Whether PUT /user/order/payment pays an order without any money: for trying out."},
    {"currency", SETTING_TEXT, AT(currency), "CNY", 3, 3, NULL,
	"Currency of the orders' amounts (ISO 4217)."},
    {"body_max", SETTING_INT, AT(body_max), "65536", 1024, 1048576, NULL,
	"Bytes of a request's body at most."},
    {"statement_timeout_ms", SETTING_INT, AT(statement_timeout_ms), "2500", 100, 2700, NULL,
	"Milliseconds a statement may take; gateways wait 5 s for an answer."},
    {"log_level", SETTING_CHOICE, AT(log_level), "info", 0, 0, levels,
	"The least important lines that are logged."},
    {"log_format", SETTING_CHOICE, AT(log_format), "text", 0, 0, formats,
	"How lines are logged: text, as key=value, or json, an object a line."},
    {NULL, SETTING_TEXT, 0, NULL, 0, 0, NULL, NULL},
};

const char *const options_changeable[] = {
    "webhook_secret_file",
    "wechatpay_mchid",
    "wechatpay_appid",
    "wechatpay_keys",
    "wechatpay_api_v3_key_file",
    "alipay_app_id",
    "alipay_seller_id",
    "alipay_keys",
    "jwt_secret_file",
    "sandbox_payment",
    "body_max",
    "log_level",
    "log_format",
    NULL,
};

const char *
options_conflict(const struct options *o)
{
	if (o->sandbox_payment && o->jwt_secret == NULL)
		return "sandbox_payment = yes needs jwt_secret_file: only the order's own user may "
		       "pay";
	if (strspn(o->currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
		return "currency: must be three capital letters, as CNY";
	if (!pghosts_understands(o->database))
		return "database: must be a libpq connection string, as host=/run/postgresql "
		       "dbname=orderbell";
	return NULL;
}

mode_t
options_socket_mode(const struct options *o)
{
	return (mode_t)strtol(socket_modes[o->socket_mode], NULL, 8);
}
