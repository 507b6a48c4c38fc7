/*
 * The yardstick of the hand-over: two processes, a futex, and nothing else. No handler can hand over faster, because a
 * waiter has to be put to sleep and woken in any case.
 *
 * Usage: futex FILE. FILE is the memory that both processes share. The protocol is that of contender.php: "take" takes
 * the lock and answers when it was called for, when the process before released it, when it was got (nanoseconds of
 * CLOCK_MONOTONIC, which is what PHP's hrtime() reads), and for which time anybody has it; "release" releases it.
 */
#define _GNU_SOURCE
#include "futex.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct shared {
	_Atomic uint32_t word;
	/* Written by the holder only. */
	uint64_t released;
	uint64_t times;
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t) time.tv_sec * 1000000000 + (uint64_t) time.tv_nsec;
}

int main(int count, char **arguments)
{
	char line[16];
	struct shared *shared;
	int file = count == 2 ? open(arguments[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (file < 0 || ftruncate(file, sizeof(struct shared)) != 0) {
		fputs("futex: needs a file that it can write\n", stderr);
		return 2;
	}
	shared = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (shared == MAP_FAILED) {
		perror("futex: mmap");
		return 2;
	}
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (strcmp(line, "release\n") == 0) {
			shared->released = now();
			release(&shared->word);
		} else {
			uint64_t called = now(), got;

			take(&shared->word);
			got = now();
			shared->times++;
			printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", called, shared->released, got, shared->times);
			fflush(stdout);
		}
	}
	return 0;
}
