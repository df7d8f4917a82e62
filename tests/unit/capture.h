/* capture.h - for tests: standard error goes into a file for a while. */
#ifndef TESTS_UNIT_CAPTURE_H
#define TESTS_UNIT_CAPTURE_H

#include <stdio.h>

struct capture {
	FILE *file;
	int real_stderr;
	char text[20000];
};

void capture_begin(struct capture *c);
void capture_end(struct capture *c);

/* What was written up to now; holds until the next call. */
const char *capture_text(struct capture *c);

#endif
