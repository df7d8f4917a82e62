/* settings.h - a program's settings, described by one table.
 * The table is the only source: parser, --help, the sample file and the man page's list all come
 * from it.
 *
 * File format (orderbell.conf(5)): one `key = value` per line, `#` starts a comment line, blank
 * lines are ignored, surrounding white space is dropped.  A key may stand once.  Environment
 * ORDERBELL_<KEY in capitals> overrides the file (for hosts that pass nothing but an environment).
 *
 * Secrets come from files: a key of type SETTING_SECRET_FILE names a file whose content, less
 * trailing newlines, is the secret.  The file must be readable by us and by no "other" (mode & 007
 * == 0). */
#ifndef SHARED_SETTINGS_H
#define SHARED_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum setting_type {
	SETTING_TEXT,        /* char *: min and max bound its length */
	SETTING_INT,         /* int64_t: min..max */
	SETTING_YES_NO,      /* int: 1 or 0 */
	SETTING_CHOICE,      /* int: index into `choices` */
	SETTING_SECRET_FILE, /* char *: the file's content; min and max bound its length; NULL when
	                        not set */
};

struct setting {
	const char *key;
	enum setting_type type;
	size_t offset;             /* offsetof() into the program's own struct of settings */
	const char *default_value; /* as it would stand in the file; NULL: not set */
	int64_t min, max;
	const char *const *choices; /* NULL-terminated; SETTING_CHOICE only */
	const char *help;           /* one sentence, with the unit */
};

/* Fills `into` (a zeroed struct of the program) from defaults, the file at `path` (NULL: none) and
 * the environment. 0, or -1 with a message in `error` ("file:line: what is wrong, and what is
 * allowed"). Strings in `into` are owned by it: settings_fini() frees them, also after a failure.
 */
int settings_load(
    const struct setting *table, void *into, const char *path, char *error, size_t error_size);
void settings_fini(const struct setting *table, void *into);

/* Whether a setting's value in `a` is another one than in `b`. */
bool settings_differ(const struct setting *s, const void *a, const void *b);
/* Gives `to` the value that the setting has in `from`.  False: out of memory, nothing has changed.
 */
bool settings_copy(const struct setting *s, void *to, const void *from);

/* Writes a complete sample file: each key with its help, its bounds and its default, commented out.
 */
void settings_write_sample(const struct setting *table, FILE *out);

#endif
