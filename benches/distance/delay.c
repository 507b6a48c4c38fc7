/*
 * A server that is far away: forwards connections to a Unix socket and holds back what passes, in each direction, for
 * the time given.
 *
 *   delay SOCKET MICROSECONDS      listens on a free port of 127.0.0.1, prints it in a line, runs until it is killed
 *
 * Two threads a connection. What arrives while a piece is held back waits for it, which a dialogue of requests and
 * replies never notices.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct way {
	int from;
	int to;
};

static const char *target;
static long delay_ns;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void hold_back(void)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += delay_ns;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
	}
}

/* Until either end closes; the other direction then ends as well. The descriptors are closed by forward_both(). */
static void *forward(void *argument)
{
	const struct way *way = argument;
	char piece[65536];
	ssize_t length;

	while ((length = read(way->from, piece, sizeof piece)) > 0) {
		hold_back();
		for (ssize_t sent = 0; sent < length;) {
			ssize_t wrote = write(way->to, piece + sent, (size_t) (length - sent));
			if (wrote <= 0) {
				goto end;
			}
			sent += wrote;
		}
	}
end:
	shutdown(way->to, SHUT_RDWR);
	shutdown(way->from, SHUT_RDWR);
	return NULL;
}

static void *forward_both(void *argument)
{
	struct way there = {(int) (long) argument, -1}, back;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	pthread_t thread;
	int on = 1;

	setsockopt(there.from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	strncpy(address.sun_path, target, sizeof address.sun_path - 1);
	there.to = socket(AF_UNIX, SOCK_STREAM, 0);
	if (there.to < 0 || connect(there.to, (struct sockaddr *) &address, sizeof address) != 0) {
		die(target);
	}
	back = (struct way) {there.to, there.from};
	if (pthread_create(&thread, NULL, forward, &back) != 0) {
		die("thread");
	}
	forward(&there);
	pthread_join(thread, NULL);
	close(there.from);
	close(there.to);
	return NULL;
}

int main(int count, char **arguments)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (count != 3 || strlen(arguments[1]) >= sizeof ((struct sockaddr_un *) 0)->sun_path) {
		fprintf(stderr, "usage: delay SOCKET MICROSECONDS\n");
		return 2;
	}
	target = arguments[1];
	delay_ns = 1000 * atol(arguments[2]);
	if (listener < 0 || bind(listener, (struct sockaddr *) &address, size) != 0 || listen(listener, 64) != 0 ||
		getsockname(listener, (struct sockaddr *) &address, &size) != 0) {
		die("listen");
	}
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	for (;;) {
		pthread_t thread;
		int client = accept(listener, NULL, NULL);
		if (client >= 0 && pthread_create(&thread, NULL, forward_both, (void *) (long) client) == 0) {
			pthread_detach(thread);
		}
	}
}
