#include "shared/service.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/clock.h"

#ifdef HAVE_LIBSYSTEMD
#include <systemd/sd-daemon.h>
#endif

enum { STATUS_MAX = 256 };

bool
service_is_managed(void)
{
#ifdef HAVE_LIBSYSTEMD
	return getenv("NOTIFY_SOCKET") != NULL;
#else
	return false;
#endif
}

int64_t
service_feed_ms(void)
{
#ifdef HAVE_LIBSYSTEMD
	uint64_t usec = 0;

	if (service_is_managed() && sd_watchdog_enabled(0, &usec) > 0)
		return usec < 4000 ? 1 : (int64_t)(usec / 4000);
#endif
	return 0;
}

/* A manager that does not listen any more is no concern of ours. */
static void
tell(const char *state)
{
#ifdef HAVE_LIBSYSTEMD
	(void)sd_notify(0, state);
#else
	(void)state;
#endif
}

void
service_feed(void)
{
	tell("WATCHDOG=1");
}

void
service_ready(void)
{
	tell("READY=1");
}

void
service_reloading(void)
{
	char state[64];

	/* The time is what Type=notify-reload wants (systemd 253 and newer). */
	snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_ns() / 1000);
	tell(state);
}

void
service_stopping(int64_t within_ms)
{
	char state[64];

	snprintf(state, sizeof state, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64, within_ms * 1000);
	tell(state);
}

void
service_status(const char *format, ...)
{
	char status[STATUS_MAX], state[sizeof status + 8];
	va_list args;

	va_start(args, format);
	vsnprintf(status, sizeof status, format, args);
	va_end(args);
	snprintf(state, sizeof state, "STATUS=%s", status);
	tell(state);
}
