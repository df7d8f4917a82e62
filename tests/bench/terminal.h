/* terminal.h - one socket of the load: a terminal that listens, one that is stuck, one that says
 * nothing, or one that comes and goes.  Never blocks; knows nothing of epoll.  One owner. */
#ifndef BENCH_TERMINAL_H
#define BENCH_TERMINAL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/backoff.h"
#include "tests/bench/follower.h"
#include "tests/bench/tally.h"

enum terminal_kind {
	TERMINAL_SILENT,   /* connects and sends nothing */
	TERMINAL_ONE_BYTE, /* sends the first byte of a request */
	TERMINAL_DRIP,     /* sends a byte a second */
	TERMINAL_STUCK,  /* a terminal in good order that reads nothing any more once it is live */
	TERMINAL_READER, /* a terminal in good order */
	TERMINAL_CYCLE,  /* connects, shakes hands and goes */
	TERMINAL_KINDS,
};

/* How a TERMINAL_CYCLE goes. */
enum terminal_goodbye {
	GOODBYE_CLOSE, /* with a close frame, and waits for the answer */
	GOODBYE_FIN,   /* ends the connection without a word */
	GOODBYE_RESET,
	GOODBYE_EARLY, /* with the request half sent, or sent and not answered */
	GOODBYE_COUNT,
};

enum terminal_state {
	TERMINAL_GONE, /* no socket */
	TERMINAL_CONNECTING,
	TERMINAL_ASKED,   /* the request is sent */
	TERMINAL_GREETED, /* v1: hello is sent */
	TERMINAL_LIVE,    /* hears events; a silent one: connected */
	TERMINAL_LEAVING, /* the close frame is sent */
};

/* What all of them share. */
struct terminal_target {
	struct sockaddr_in address;
	const char *host;    /* of the Host header */
	const char *path;    /* {i} becomes the terminal's number, {m} its merchant's */
	const char *headers; /* more header lines, each with its CRLF */
	const char *hello;   /* NULL: plain clients */
	int n_sources;       /* connect from 127.0.0.2 and so many following; 0: leave it open */
	int64_t n_merchants;
	int receive_buffer; /* bytes, of the stuck ones; 0: the system's */
	bool resumes;       /* v1 readers come back with their cursors */
	const char *topic;  /* speak MQTT and subscribe to this; NULL: events as they are */
	const int64_t
	    *stamps; /* when event N was rung (stamps.h); NULL: events say it themselves */
};

struct terminal {
	int fd;
	uint8_t kind, state, goodbye;
	bool is_ending;    /* the peer has ended its side: read on until nothing is left */
	bool said_close;   /* its end is counted */
	bool was_live;     /* once, on whichever connection */
	bool is_refused;   /* the server said that a person must act */
	uint32_t rest_len; /* bytes of a frame that is not whole */
	uint8_t *rest;
	int64_t number;
	int64_t start_ns;
	int64_t live_ns; /* since when it is live on this connection */
	int64_t
	    lost_ns; /* since when it has been waiting to be live again; 0: it is, or never was */
	int64_t back_ms;  /* kept by its owner: when it comes back; 0: not */
	int64_t n_events; /* received live, or after it had come back */
	struct follower follower;
	struct backoff backoff;
};

/* Connects.  False: the system refused (it is counted, and the state is TERMINAL_GONE). */
bool terminal_open(struct terminal *t, const struct terminal_target *target, struct tally *tally);

/* Goes on after the socket became readable or writable, to the point where it would have to wait;
 * `buffer` is shared by all of one owner.  At TERMINAL_GONE the socket is closed. */
void terminal_go_on(struct terminal *t, const struct terminal_target *target, struct tally *tally,
    uint8_t *buffer, size_t size);

/* TERMINAL_DRIP: sends its next byte. */
void terminal_drip(struct terminal *t);

/* TERMINAL_STUCK, at the very end: reads what is there, to learn whether it was told to go. */
void terminal_drain(struct terminal *t, const struct terminal_target *target, struct tally *tally,
    uint8_t *buffer, size_t size);

void terminal_close(struct terminal *t);

/* At TERMINAL_GONE, of one that resumes: how many ms it waits before it comes back (full jitter, as
 * orderbell-protocol has it); -1: it must not. */
int terminal_wait_ms(struct terminal *t);

#endif
