/* service.h - what a program tells the manager that runs it: systemd, or whoever set NOTIFY_SOCKET.
 * Without one, or built without libsystemd, all of it does nothing.  Any thread. */
#ifndef SHARED_SERVICE_H
#define SHARED_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

/* True when somebody listens. */
bool service_is_managed(void);

/* How often service_feed() is wanted, in ms: a quarter of the time after which the watchdog bites,
 * so that one who looks before he feeds may find something amiss twice.  0: there is no watchdog.
 */
int64_t service_feed_ms(void);
void service_feed(void);

/* The work begins, or goes on after service_reloading(). */
void service_ready(void);
void service_reloading(void);
/* The end begins, and may take so long. */
void service_stopping(int64_t within_ms);

/* One line for a person: `systemctl status` shows it. */
void service_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
