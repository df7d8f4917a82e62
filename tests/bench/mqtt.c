#include "tests/bench/mqtt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	CONNECT = 0x10,
	SUBSCRIBE = 0x82,
	CLEAN_SESSION = 0x02,
	LEN_MAX = 127, /* of what we send: lengths of one byte are enough */
	LEN_BYTES_MAX = 4,
};

static uint8_t *
put_text(uint8_t *out, const char *text)
{
	size_t len = strlen(text);

	*out++ = (uint8_t)(len >> 8);
	*out++ = (uint8_t)len;
	memcpy(out, text, len);
	return out + len;
}

/* Puts a packet around what is written behind its two bytes of header. */
static uint8_t *
put_header(uint8_t *packet, uint8_t type, const uint8_t *end)
{
	packet[0] = type;
	packet[1] = (uint8_t)(end - packet - 2);
	return packet + 2 + packet[1];
}

size_t
mqtt_hello(uint8_t *out, size_t size, const char *topic, int64_t number)
{
	/* protocol MQTT, level 4, clean session, no keep-alive */
	static const uint8_t connect[] = {0, 4, 'M', 'Q', 'T', 'T', 4, CLEAN_SESSION, 0, 0};
	char name[32];
	uint8_t *packet = out, *at;

	snprintf(name, sizeof name, "till-%" PRId64, number);
	if (strlen(topic) > LEN_MAX - 5 || size < sizeof connect + 2 * LEN_MAX)
		return 0;
	memcpy(packet + 2, connect, sizeof connect);
	at = put_text(packet + 2 + sizeof connect, name);
	packet = put_header(packet, CONNECT, at);
	at = packet + 2;
	*at++ = 0;
	*at++ = 1; /* the packet's number */
	at = put_text(at, topic);
	*at++ = 0; /* QoS */
	return (size_t)(put_header(packet, SUBSCRIBE, at) - out);
}

size_t
mqtt_packet(const uint8_t *bytes, size_t n, unsigned *type)
{
	size_t len = 0;

	for (size_t i = 1; i < n && i <= LEN_BYTES_MAX; i++) {
		len |= (size_t)(bytes[i] & 0x7f) << (7 * (i - 1));
		if ((bytes[i] & 0x80) != 0)
			continue;
		*type = bytes[0] >> 4;
		return n - i - 1 >= len ? i + 1 + len : 0;
	}
	return 0;
}
