/* metrics.h - the counters as Prometheus reads them (text format 0.0.4), and as JSON.  Any thread.
 * They are those of one process: it has to stay, as FastCGI, for them to say anything. */
#ifndef FCGI_ORDER_METRICS_H
#define FCGI_ORDER_METRICS_H

#include <json-c/json.h>

#include "fcgi-order/counters.h"

/* The text, each metric with its help; NULL: out of memory.  The caller frees it. */
char *metrics_text(const struct counters *c);

/* {"paid":3,…}: callbacks of all gateways by outcome, and the other counters.  The caller puts it.
 */
json_object *metrics_json(const struct counters *c);

#endif
