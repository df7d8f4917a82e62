#include "notifier/options.h"

#include <string.h>

#include "notifier/access.h"

#ifndef CONSOLE_DIR
#define CONSOLE_DIR "/usr/share/orderbell/console"
#endif

const char *const options_auths[] = {"none", "jwt", "terminal", "any", NULL};
static const char *const levels[] = {"err", "warn", "info", "debug", NULL}; /* enum log_level */
static const char *const formats[] = {"text", "json", NULL};                /* enum log_format */

#define AT(member) offsetof(struct options, member)

const struct setting options_table[] = {
    {"database", SETTING_TEXT, AT(database), "dbname=orderbell", 1, 1000, NULL,
	"How to reach PostgreSQL: a libpq connection string; several hosts are tried in turn."},
    {"listen", SETTING_TEXT, AT(listen), "127.0.0.1:8790", 1, 200, NULL,
	"Address and port of the HTTP door, or several with commas."
	" TLS ends in the web server in front."},
    {"console_dir", SETTING_TEXT, AT(console_dir), CONSOLE_DIR, 1, 1000, NULL,
	"Directory of the merchant's page, served under /console/."},
    {"auth", SETTING_CHOICE, AT(auth), "jwt", 0, 0, options_auths,
	"Who may connect: none (this machine alone, for trying out), holders of a jwt, of the"
	" token of a terminal (orderbell.terminal_add), or of any of the two."},
    {"jwt_secret_file", SETTING_SECRET_FILE, AT(jwt_secret), NULL, 16, 1024, NULL,
	"File with the secret that signs the terminals' tokens (HS256, claim merchant)."},
    {"jwt_kid", SETTING_TEXT, AT(jwt_kid), NULL, 1, 100, NULL,
	"Key id (kid) of the tokens signed with jwt_secret_file; not set: of those without one."},
    {"jwt_secret_file_2", SETTING_SECRET_FILE, AT(jwt_secret_2), NULL, 16, 1024, NULL,
	"A second secret, while tokens move from one to the other."},
    {"jwt_kid_2", SETTING_TEXT, AT(jwt_kid_2), NULL, 1, 100, NULL,
	"Key id (kid) of the tokens signed with jwt_secret_file_2."},
    {"allow_origin", SETTING_TEXT, AT(allow_origin), "", 0, 2000, NULL,
	"Origins whose pages may connect, with spaces between; * is any,"
	" and the page's own host always may."},
    {"trusted_proxy", SETTING_TEXT, AT(trusted_proxy), "127.0.0.1 ::1", 0, 2000, NULL,
	"Addresses of the web servers in front, with spaces between, whose X-Forwarded-For is"
	" believed."},
    {"token_in_query", SETTING_YES_NO, AT(token_in_query), "no", 0, 0, NULL,
	"Whether ?token= is looked at too; it ends up in the web server's log."},
    {"broadcast", SETTING_YES_NO, AT(broadcast), "no", 0, 0, NULL,
	"Whether a NOTIFY typed by hand that names no merchant goes to all terminals."},
    {"plain_escape_html", SETTING_YES_NO, AT(plain_escape_html), "yes", 0, 0, NULL,
	"Whether plain clients get the content with HTML's special characters escaped."},
    {"max_connections", SETTING_INT, AT(max_connections), "0", 0, 1000000, NULL,
	"Terminals at most; 0 is as many as the limit of open files allows."},
    {"max_per_address", SETTING_INT, AT(max_per_address), "200", 0, 1000000, NULL,
	"Terminals of one client address (IPv6: of one /64) at most; 0 is no bound,"
	" and loopback has none."},
    {"max_rate_per_address", SETTING_INT, AT(max_rate_per_address), "100", 0, 100000, NULL,
	"Requests a second of one client address (IPv6: of one /64) at most, ten seconds' worth of"
	" them at once; 0 is no bound, and loopback and trusted proxies have none."},
    {"max_per_merchant", SETTING_INT, AT(max_per_merchant), "1000", 0, 1000000, NULL,
	"Terminals of one merchant at most; 0 is no bound, and auth = none has none."},
    {"max_pending", SETTING_INT, AT(max_pending), "4096", 16, 100000, NULL,
	"Sockets whose request has not wholly arrived at most; beyond, the oldest is dropped."},
    {"max_unproven", SETTING_INT, AT(max_unproven), "4096", 64, 100000, NULL,
	"Terminals that have not proved yet who they are at most; beyond, the oldest is closed."},
    {"heartbeat_s", SETTING_INT, AT(heartbeat_s), "25", 2, 3600, NULL,
	"Seconds between two pings of a terminal; one that misses two is gone."},
    {"slow_s", SETTING_INT, AT(slow_s), "30", 1, 3600, NULL,
	"Seconds after which a terminal that takes nothing is closed."},
    {"hello_s", SETTING_INT, AT(hello_s), "10", 1, 600, NULL,
	"Seconds that a terminal has for its hello."},
    {"drain_s", SETTING_INT, AT(drain_s), "10", 0, 600, NULL,
	"Seconds over which the terminals are told to go when the program is stopped."},
    {"escalate_s", SETTING_INT, AT(escalate_s), "60", 0, 604800, NULL,
	"Seconds after which an event that nobody has acked raises an alert; 0 is never,"
	" and a merchant may have a time of his own."},
    {"carrier_loops", SETTING_INT, AT(carrier_loops), "2", 1, 64, NULL,
	"Threads that carry the terminals' connections."},
    {"door_threads", SETTING_INT, AT(door_threads), "8", 2, 64, NULL,
	"Threads that answer HTTP requests and handshakes."},
    {"log_level", SETTING_CHOICE, AT(log_level), "info", 0, 0, levels,
	"The least important lines that are logged."},
    {"log_format", SETTING_CHOICE, AT(log_format), "text", 0, 0, formats,
	"How lines are logged: text, as key=value, or json, an object a line."},
    {NULL, SETTING_TEXT, 0, NULL, 0, 0, NULL, NULL},
};

const char *const options_changeable[] = {
    "jwt_secret_file",
    "jwt_kid",
    "jwt_secret_file_2",
    "jwt_kid_2",
    "allow_origin",
    "trusted_proxy",
    "token_in_query",
    "broadcast",
    "plain_escape_html",
    "max_connections",
    "max_per_address",
    "max_per_merchant",
    "max_pending",
    "max_unproven",
    "max_rate_per_address",
    "heartbeat_s",
    "slow_s",
    "hello_s",
    "drain_s",
    "escalate_s",
    "log_level",
    "log_format",
    NULL,
};

/* civetweb would read a letter behind a port as "with TLS" or "redirect to TLS". */
static int
ends_in_ports(const char *listen)
{
	for (;;) {
		size_t n = strcspn(listen, ",");

		if (n == 0 || listen[n - 1] < '0' || listen[n - 1] > '9')
			return 0;
		if (listen[n] == '\0')
			return 1;
		listen += n + 1;
	}
}

const char *
options_conflict(const struct options *o)
{
	if (!ends_in_ports(o->listen) || strchr(o->listen, '+') != NULL)
		return "listen: address and port, and no letter behind it: TLS is not spoken here"
		       " (Debian's civetweb 1.15 crashes on its first TLS handshake with"
		       " OpenSSL 3): let Apache, lighttpd, nginx or HAProxy end it";
	if ((o->auth == ACCESS_JWT || o->auth == ACCESS_ANY) && o->jwt_secret == NULL)
		return "auth = jwt and auth = any need jwt_secret_file";
	if (o->auth == ACCESS_NONE && strncmp(o->listen, "127.", 4) != 0 &&
	    strncmp(o->listen, "[::1]:", 6) != 0)
		return "auth = none listens on loopback only: listen must begin with 127. or "
		       "[::1]:";
	if (o->auth == ACCESS_NONE && strchr(o->listen, ',') != NULL)
		return "auth = none listens on one loopback address";
	if (o->jwt_kid_2 != NULL && o->jwt_secret_2 == NULL)
		return "jwt_kid_2 needs jwt_secret_file_2";
	return NULL;
}
