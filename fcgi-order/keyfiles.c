#include "fcgi-order/keyfiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 65536 }; /* bytes of one */

/* What is being filled, and where an error is told. */
struct load {
	struct keyring *ring;
	char *error;
	size_t error_size;
};

static bool
fail(const struct load *l, const char *path, const char *why)
{
	snprintf(l->error, l->error_size, "\"%s\": %s", path, why);
	return false;
}

/* Reads a whole file into `text`, a NUL behind it; its length, or -1 with errno. */
static ssize_t
read_text(int fd, char text[FILE_MAX + 1])
{
	size_t n = 0;

	while (n <= FILE_MAX) {
		ssize_t got = read(fd, text + n, FILE_MAX + 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0) {
			text[n] = '\0';
			return (ssize_t)n;
		}
		n += (size_t)got;
	}
	errno = EFBIG;
	return -1;
}

/* The name of a file without folder and ending: "PUB_KEY_ID_01" of "/etc/x/PUB_KEY_ID_01.pem". */
static void
stem(const char *path, char out[NAME_MAX + 1])
{
	const char *slash = strrchr(path, '/');
	char *dot;

	snprintf(out, NAME_MAX + 1, "%s", slash == NULL ? path : slash + 1);
	dot = strrchr(out, '.');
	if (dot != NULL && dot != out)
		*dot = '\0';
}

/* Takes the descriptor. */
static bool
load_file(const struct load *l, const char *path, int fd)
{
	char text[FILE_MAX + 1], name[NAME_MAX + 1], why[256];
	ssize_t n = read_text(fd, text);

	close(fd);
	if (n < 0)
		return fail(l, path, strerror(errno));
	if (strlen(text) != (size_t)n)
		return fail(l, path, "a NUL byte is in it; allowed is text: PEM, not DER");
	stem(path, name);
	return keyring_add(l->ring, name, text, why, sizeof why) || fail(l, path, why);
}

static int
is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool load_path(const struct load *l, const char *path, bool is_inside);

static bool
load_folder(const struct load *l, const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, is_visible, alphasort);
	bool ok = n >= 0 || fail(l, path, strerror(errno));

	for (int i = 0; i < n; i++) {
		char inner[PATH_MAX];

		if (ok && (size_t)snprintf(inner, sizeof inner, "%s/%s", path, names[i]->d_name) >=
			      sizeof inner)
			ok = fail(l, path, "a name in it is too long");
		ok = ok && load_path(l, inner, true);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return ok;
}

static bool
load_path(const struct load *l, const char *path, bool is_inside)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat about;

	if (fd < 0)
		return fail(l, path, strerror(errno));
	if (fstat(fd, &about) != 0)
		fail(l, path, strerror(errno));
	else if ((about.st_mode & S_IWOTH) != 0)
		fail(l, path, "can be written by everybody: chmod o-w it");
	else if (S_ISREG(about.st_mode))
		return load_file(l, path, fd);
	else if (is_inside || !S_ISDIR(about.st_mode))
		fail(l, path,
		    is_inside ? "is no file; a folder of keys has files only"
			      : "is neither a file nor a folder");
	else {
		close(fd);
		return load_folder(l, path);
	}
	close(fd);
	return false;
}

struct keyring *
keyfiles_load(const char *path, char *error, size_t error_size)
{
	struct load l = {keyring_new(), error, error_size};

	if (l.ring == NULL) {
		fail(&l, path, "out of memory");
		return NULL;
	}
	if (load_path(&l, path, false) &&
	    (keyring_count(l.ring) > 0 || fail(&l, path, "no key is in it")))
		return l.ring;
	keyring_free(l.ring);
	return NULL;
}
