#include "notifier/partoptions.h"

#include <inttypes.h>

#include "shared/log.h"

struct census_bounds
partoptions_bounds(const struct options *o, int64_t n_descriptors)
{
	int64_t most = n_descriptors - DESCRIPTORS_RESERVED;
	struct census_bounds bounds = {
	    .in_all = o->max_connections,
	    .per_address = o->max_per_address,
	    .per_merchant = o->auth == ACCESS_NONE ? 0 : o->max_per_merchant,
	};

	if (o->max_connections == 0 || o->max_connections > most)
		bounds.in_all = most;
	if (o->max_connections > most)
		log_warn("max_connections is more than the limit of open files allows: "
			 "max_connections=%" PRId64 " open_files=%" PRId64,
		    o->max_connections, n_descriptors);
	return bounds;
}

struct access *
partoptions_access(const struct options *o)
{
	struct access a = {
	    .auth = (enum access_auth)o->auth,
	    .token_in_query = o->token_in_query,
	    .allow_origin = o->allow_origin,
	    .trusted_proxy = o->trusted_proxy,
	};

	if (o->jwt_secret != NULL)
		a.keys[a.n_keys++] = (struct token_key){o->jwt_kid, o->jwt_secret};
	if (o->jwt_secret_2 != NULL)
		a.keys[a.n_keys++] = (struct token_key){o->jwt_kid_2, o->jwt_secret_2};
	return access_new(&a);
}

struct listener_options
partoptions_listener(const struct options *o, struct pulse *pulse)
{
	return (struct listener_options){
	    .conninfo = o->database,
	    .broadcast = o->broadcast,
	    .plain_escape_html = o->plain_escape_html,
	    .pulse = pulse,
	};
}

struct ledger_options
partoptions_ledger(const struct options *o, struct pulse *pulse)
{
	return (struct ledger_options){
	    .conninfo = o->database,
	    .plain_escape_html = o->plain_escape_html,
	    .pulse = pulse,
	};
}

struct clerk_options
partoptions_clerk(const struct options *o, int64_t n_descriptors)
{
	return (struct clerk_options){
	    .conninfo = o->database,
	    .name = o->listen,
	    .escalate_s = o->escalate_s,
	    .max_presences = (size_t)n_descriptors,
	};
}

struct carrier_options
partoptions_carrier(const struct options *o, struct pulse *pulse)
{
	return (struct carrier_options){
	    .n_loops = (int)o->carrier_loops,
	    .heartbeat_s = (int)o->heartbeat_s,
	    .slow_s = (int)o->slow_s,
	    .hello_s = (int)o->hello_s,
	    .max_unproven = (int)o->max_unproven,
	    .pulse = pulse,
	};
}

struct door_options
partoptions_door(const struct options *o, int64_t n_descriptors, struct pulse *pulse)
{
	return (struct door_options){
	    .listen = o->listen,
	    .console_dir = o->console_dir,
	    .n_threads = (int)o->door_threads,
	    .gate = {.max_pending = (int)o->max_pending,
		.max_descriptors = (int)n_descriptors,
		.pulse = pulse},
	};
}
