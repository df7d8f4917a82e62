#include "notifier/control.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "shared/json.h"

static bool
read_acked(const json_object *message, struct control *c)
{
	json_object *acked = json_object_object_get(message, "acked");
	size_t n =
	    json_object_is_type(acked, json_type_array) ? json_object_array_length(acked) : 0;

	for (size_t i = 0; i < n && i < CONTROL_SEQS_MAX; i++) {
		json_object *seq = json_object_array_get_idx(acked, i);

		if (!json_object_is_type(seq, json_type_int) || json_object_get_int64(seq) <= 0)
			return false;
		c->seqs[c->n_seqs++] = json_object_get_int64(seq);
	}
	return c->merchant > 0 && json_object_is_type(acked, json_type_array);
}

static bool
read_revoked(const json_object *message, struct control *c)
{
	int64_t terminal;

	return c->merchant > 0 && json_get_int(message, "revoked", &terminal);
}

static bool
read_new_epoch(const json_object *message, struct control *c)
{
	(void)c;
	return json_object_is_type(json_object_object_get(message, "new_epoch"), json_type_boolean);
}

static bool
read_probe(const json_object *message, struct control *c)
{
	const char *nonce;

	if (!json_get_text(message, "probe", &nonce) || strlen(nonce) > CONTROL_NONCE_MAX)
		return false;
	snprintf(c->nonce, sizeof c->nonce, "%s", nonce);
	if (!json_get_int(message, "call", &c->call))
		c->call = 0;
	return true;
}

static const struct {
	const char *key;
	enum control_kind kind;
	bool (*read)(const json_object *message, struct control *c);
} kinds[] = {
    {"acked", CONTROL_ACKED, read_acked},
    {"revoked", CONTROL_REVOKED, read_revoked},
    {"new_epoch", CONTROL_NEW_EPOCH, read_new_epoch},
    {"probe", CONTROL_PROBE, read_probe},
};

static void
read_message(const json_object *message, struct control *c)
{
	if (json_has(message, "merchant") &&
	    (!json_get_int(message, "merchant", &c->merchant) || c->merchant <= 0))
		return;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (!json_has(message, kinds[i].key))
			continue;
		if (kinds[i].read(message, c))
			c->kind = kinds[i].kind;
		return;
	}
}

void
control_parse(const char *payload, struct control *c)
{
	json_object *message = json_read_object(payload, strlen(payload));

	c->kind = CONTROL_UNKNOWN;
	c->merchant = c->call = 0;
	c->nonce[0] = '\0';
	c->n_seqs = 0;
	if (message != NULL)
		read_message(message, c);
	json_object_put(message);
}
