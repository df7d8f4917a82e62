#include "tests/unit/capture.h"

#include <unistd.h>

void
capture_begin(struct capture *c)
{
	c->file = tmpfile();
	c->real_stderr = dup(STDERR_FILENO);
	dup2(fileno(c->file), STDERR_FILENO);
}

void
capture_end(struct capture *c)
{
	dup2(c->real_stderr, STDERR_FILENO);
	close(c->real_stderr);
	fclose(c->file);
}

const char *
capture_text(struct capture *c)
{
	rewind(c->file);
	c->text[fread(c->text, 1, sizeof c->text - 1, c->file)] = '\0';
	return c->text;
}
