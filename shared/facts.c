#include "shared/facts.h"

#include <json-c/json.h>
#include <libpq-fe.h>
#include <openssl/crypto.h>

#ifdef HAVE_LIBSYSTEMD
#define SYSTEMD "told how it goes"
#else
#define SYSTEMD "not told (built without libsystemd)"
#endif

#ifdef __clang__
#define COMPILER /* its version names it */
#else
#define COMPILER "gcc "
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZER "address"
#elif defined(__SANITIZE_THREAD__)
#define SANITIZER "thread"
#else
#define SANITIZER "none"
#endif

void
facts_write(FILE *out)
{
	int libpq = PQlibVersion();

	fprintf(out, "compiler: %s\n", COMPILER __VERSION__);
	fprintf(out, "sanitizer: %s\n", SANITIZER);
	fprintf(out, "libpq: %d.%d\n", libpq / 10000, libpq % 10000);
	fprintf(out, "json-c: %s\n", json_c_version());
	fprintf(out, "libcrypto: %s\n", OpenSSL_version(OPENSSL_VERSION));
	fprintf(out, "systemd: %s\n", SYSTEMD);
}
