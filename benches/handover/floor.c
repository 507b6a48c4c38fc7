/*
 * The floor of the hand-over: a session save handler that keeps one session in memory that the processes share, under a
 * lock that is a bare futex. What it takes longer than futex.c is the time PHP itself needs to encode, to decode and to
 * call a handler. It is a measuring device and nothing else: there is one session, whatever its id, it never expires,
 * and the death of a holder is not noticed. session.save_path is the file.
 */
#define _GNU_SOURCE
#include "futex.h"

#include "php.h"
#include "ext/session/php_session.h"

#include <fcntl.h>
#include <sys/mman.h>

#define ROOM 4096

static struct shared {
	_Atomic uint32_t word;
	uint32_t length;
	char payload[ROOM];
} *shared;

static bool holding;

PS_FUNCS_UPDATE_TIMESTAMP(handover_floor);

PS_OPEN_FUNC(handover_floor)
{
	if (shared == NULL) {
		int file = open(save_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		void *mapped;

		if (file < 0 || ftruncate(file, sizeof(struct shared)) != 0) {
			return FAILURE;
		}
		mapped = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
		if (mapped == MAP_FAILED) {
			return FAILURE;
		}
		shared = mapped;
	}
	/* Anything but NULL: PHP skips write and close where it is NULL. */
	PS_SET_MOD_DATA(shared);
	return SUCCESS;
}

PS_CLOSE_FUNC(handover_floor)
{
	if (holding) {
		holding = false;
		release(&shared->word);
	}
	PS_SET_MOD_DATA(NULL);
	return SUCCESS;
}

PS_READ_FUNC(handover_floor)
{
	if (!holding) {
		take(&shared->word);
		holding = true;
	}
	*val = zend_string_init(shared->payload, shared->length, 0);
	return SUCCESS;
}

PS_WRITE_FUNC(handover_floor)
{
	if (ZSTR_LEN(val) > ROOM) {
		return FAILURE;
	}
	memcpy(shared->payload, ZSTR_VAL(val), ZSTR_LEN(val));
	shared->length = (uint32_t) ZSTR_LEN(val);
	return SUCCESS;
}

PS_DESTROY_FUNC(handover_floor)
{
	shared->length = 0;
	return SUCCESS;
}

PS_GC_FUNC(handover_floor)
{
	/* Nothing expires here, so nothing is ever removed. */
	*nrdels = 0;
	return *nrdels;
}

PS_CREATE_SID_FUNC(handover_floor)
{
	return php_session_create_id(mod_data);
}

PS_VALIDATE_SID_FUNC(handover_floor)
{
	return SUCCESS;
}

PS_UPDATE_TIMESTAMP_FUNC(handover_floor)
{
	return SUCCESS;
}

static const ps_module ps_mod_handover_floor = { PS_MOD_UPDATE_TIMESTAMP(handover_floor) };

static PHP_MINIT_FUNCTION(handover_floor)
{
	return php_session_register_module(&ps_mod_handover_floor);
}

static const zend_module_dep handover_floor_deps[] = {
	ZEND_MOD_REQUIRED("session")
	ZEND_MOD_END
};

zend_module_entry handover_floor_module_entry = {
	STANDARD_MODULE_HEADER_EX, NULL, handover_floor_deps,
	"handover_floor",
	NULL,
	PHP_MINIT(handover_floor),
	NULL,
	NULL,
	NULL,
	NULL,
	"1",
	STANDARD_MODULE_PROPERTIES
};

ZEND_GET_MODULE(handover_floor)
