/*
 * A lock that is one futex word and nothing else, in memory that several processes share.
 */
#ifndef HANDOVER_FUTEX_H
#define HANDOVER_FUTEX_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FREE, HELD, HELD_AND_AWAITED };

static void take(_Atomic uint32_t *word)
{
	uint32_t expected = FREE;

	if (atomic_compare_exchange_strong(word, &expected, HELD)) {
		return;
	}
	while (atomic_exchange(word, HELD_AND_AWAITED) != FREE) {
		syscall(SYS_futex, word, FUTEX_WAIT, HELD_AND_AWAITED, NULL, NULL, 0);
	}
}

static void release(_Atomic uint32_t *word)
{
	if (atomic_exchange(word, FREE) == HELD_AND_AWAITED) {
		syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
}

#endif
