/*
 * A server with threads, as small as it can be: starts a thread-safe PHP once, then runs requests on several threads
 * at the same time, which begin and end.
 *
 *   host SCRIPT LANES THREADS REQUESTS [NAME=VALUE...]
 *
 * Each of LANES lanes starts THREADS threads one after the other, and each thread runs REQUESTS requests one after the
 * other. The script finds its lane, thread and request as $_GET['lane'], $_GET['thread'] and $_GET['request'], all
 * counted from 0. NAME=VALUE are ini settings. A script that calls vanish() makes its thread end
 * right there, with no end of the request: PHP only gets to destroy the thread's globals.
 *
 * Exit status: 0, unless PHP did not start or a request failed to run.
 */

#include "php.h"
#include "SAPI.h"
#include "php_main.h"
#include "php_variables.h"
#include "sapi/embed/php_embed.h"

#include <pthread.h>
#include <stdatomic.h>

#define MOST_LANES 64

static const char *script;
static int threads;
static int requests;
static atomic_int failures;

struct place {
	int lane;
	int thread;
};

/* Each thread's own, and not PHP's: a thread that vanishes has no globals of PHP any more. */
static _Thread_local bool vanishing;

ZEND_BEGIN_ARG_INFO_EX(arginfo_vanish, 0, 0, 0)
ZEND_END_ARG_INFO()

static ZEND_FUNCTION(vanish)
{
	ZEND_PARSE_PARAMETERS_NONE();
	vanishing = true;
	zend_bailout();
}

static const zend_function_entry functions[] = {
	ZEND_FE(vanish, arginfo_vanish)
	ZEND_FE_END
};

static void run_request(const struct place *place, int request)
{
	char query[80];
	zend_file_handle file;

	snprintf(query, sizeof(query), "lane=%d&thread=%d&request=%d", place->lane, place->thread, request);
	SG(request_info).query_string = query;
	SG(request_info).request_method = "GET";
	SG(request_info).path_translated = (char *) script;
	SG(request_info).no_headers = 1;
	if (php_request_startup() == FAILURE) {
		fprintf(stderr, "host: a request cannot be started\n");
		failures++;
		return;
	}
	zend_first_try {
		zend_stream_init_filename(&file, script);
		php_execute_script(&file);
		zend_destroy_file_handle(&file);
	} zend_end_try();
	if (vanishing) {
		return;
	}
	if (EG(exit_status) != 0) {
		failures++;
	}
	php_request_shutdown(NULL);
}

static void *serve(void *argument)
{
	const struct place *place = argument;

	(void) ts_resource(0);
	for (int request = 0; request < requests && !vanishing; request++) {
		run_request(place, request);
	}
	ts_free_thread();
	return NULL;
}

/* Starts the threads of a lane. It does not use PHP itself. */
static void *run_lane(void *argument)
{
	struct place *place = argument;
	pthread_t handle;

	for (place->thread = 0; place->thread < threads && failures == 0; place->thread++) {
		if (pthread_create(&handle, NULL, serve, place) != 0) {
			fprintf(stderr, "host: a thread cannot be started\n");
			failures++;
			break;
		}
		pthread_join(handle, NULL);
	}
	return NULL;
}

/* The settings as lines of an ini file, in memory that lasts. */
static char *ini_lines(int count, char **settings)
{
	static const char always[] = "display_errors=1\nlog_errors=0\nhtml_errors=0\nimplicit_flush=1\nzend.assertions=1\n";
	size_t size = sizeof(always);
	char *lines;

	for (int i = 0; i < count; i++) {
		size += strlen(settings[i]) + 1;
	}
	lines = malloc(size);
	if (lines == NULL) {
		abort();
	}
	strcpy(lines, always);
	for (int i = 0; i < count; i++) {
		strcat(strcat(lines, settings[i]), "\n");
	}
	return lines;
}

int main(int argc, char **argv)
{
	pthread_t handles[MOST_LANES];
	struct place places[MOST_LANES];
	int lanes;

	if (argc < 5) {
		fprintf(stderr, "usage: host SCRIPT LANES THREADS REQUESTS [NAME=VALUE...]\n");
		return 2;
	}
	script = argv[1];
	lanes = atoi(argv[2]);
	threads = atoi(argv[3]);
	requests = atoi(argv[4]);
	if (lanes < 1 || lanes > MOST_LANES || threads < 1 || requests < 1) {
		fprintf(stderr, "host: one to %d lanes, at least one thread and one request\n", MOST_LANES);
		return 2;
	}

	php_tsrm_startup();
	zend_signal_startup();
	sapi_startup(&php_embed_module);
	php_embed_module.ini_entries = ini_lines(argc - 5, argv + 5);
	php_embed_module.php_ini_ignore = 1;
	php_embed_module.executable_location = argv[0];
	php_embed_module.additional_functions = functions;
	if (php_embed_module.startup(&php_embed_module) == FAILURE) {
		fprintf(stderr, "host: PHP does not start\n");
		return 1;
	}
	SG(options) |= SAPI_OPTION_NO_CHDIR;

	for (int lane = 0; lane < lanes; lane++) {
		places[lane] = (struct place) { lane, 0 };
		if (pthread_create(&handles[lane], NULL, run_lane, &places[lane]) != 0) {
			fprintf(stderr, "host: a lane cannot be started\n");
			/* The others use what is on this function's stack, so nothing is left but to end. */
			exit(1);
		}
	}
	for (int lane = 0; lane < lanes; lane++) {
		pthread_join(handles[lane], NULL);
	}

	php_module_shutdown();
	sapi_shutdown();
	tsrm_shutdown();
	return failures == 0 ? 0 : 1;
}
