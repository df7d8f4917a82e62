/* mqtt.h - as much of MQTT 3.1.1 as a load client needs: to subscribe to one topic, and to know
 * what comes back.  Pure. */
#ifndef BENCH_MQTT_H
#define BENCH_MQTT_H

#include <stddef.h>
#include <stdint.h>

enum {
	MQTT_PUBLISH = 3, /* packet types */
	MQTT_SUBACK = 9,
};

/* Writes CONNECT (as client `number`) and SUBSCRIBE (QoS 0); gives their length, or 0 when they do
 * not fit. */
size_t mqtt_hello(uint8_t *out, size_t size, const char *topic, int64_t number);

/* The length of the packet in front, and its type in *type; 0: it is not whole. */
size_t mqtt_packet(const uint8_t *bytes, size_t n, unsigned *type);

#endif
