#include "tests/bench/stamps.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int64_t *
stamps_map(const char *path)
{
	const size_t size = STAMPS_MAX * sizeof(int64_t);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *stamps = MAP_FAILED;

	if (fd < 0)
		return NULL;
	if (ftruncate(fd, (off_t)size) == 0)
		stamps = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return stamps == MAP_FAILED ? NULL : stamps;
}
