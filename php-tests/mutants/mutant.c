/*
 * Breaks the save handler "cloakroom" on purpose, to see whether the tests notice.
 *
 * Loaded after the extension, this one replaces functions of its handler by broken ones that call the real ones. The
 * environment variable CLOAKROOM_MUTANT names what is broken; each kind is a function below with what it does wrong.
 */
#include "php.h"
#include "ext/session/php_session.h"

#include <sys/mman.h>
#include <unistd.h>

/* The handler as it was. */
static ps_module real;

static zend_result destroy_does_nothing(PS_DESTROY_ARGS)
{
	return SUCCESS;
}

/* What the handler sees when PHP destroys a session whose decoding threw, or was ended by a fatal error. */
static zend_result destroy_ignores_how_decoding_ended(PS_DESTROY_ARGS)
{
	zend_object *exception = EG(exception);
	bool unclean = CG(unclean_shutdown);
	EG(exception) = NULL;
	CG(unclean_shutdown) = 0;
	zend_result destroyed = real.s_destroy(mod_data, key);
	EG(exception) = exception;
	CG(unclean_shutdown) = unclean;
	return destroyed;
}

/* The handler opens as if sessions were to be migrated from nowhere. */
static zend_result migrate_in_does_nothing(PS_OPEN_ARGS)
{
	zend_string *name = zend_string_init(ZEND_STRL("cloakroom.migrate_from"), 0);
	zend_alter_ini_entry_chars(name, "", 0, PHP_INI_SYSTEM, PHP_INI_STAGE_ACTIVATE);
	zend_string_release(name);
	return real.s_open(mod_data, save_path, session_name);
}

static zend_long gc_does_nothing(PS_GC_ARGS)
{
	return *nrdels = 0;
}

static zend_long gc_does_not_count(PS_GC_ARGS)
{
	zend_long answer = real.s_gc(mod_data, maxlifetime, nrdels);
	*nrdels = -1;
	return answer;
}

static zend_result touch_does_nothing(PS_UPDATE_TIMESTAMP_ARGS)
{
	return SUCCESS;
}

static zend_result touch_rewrites(PS_UPDATE_TIMESTAMP_ARGS)
{
	return real.s_write(mod_data, key, val, maxlifetime);
}

static zend_result write_is_dropped(PS_WRITE_ARGS)
{
	return SUCCESS;
}

static zend_result write_ignores_exceptions(PS_WRITE_ARGS)
{
	zend_object *exception = EG(exception);
	EG(exception) = NULL;
	zend_result written = real.s_write(mod_data, key, val, maxlifetime);
	EG(exception) = exception;
	return written;
}

/* An encoding that failed is an empty payload; so is one of nothing. */
static zend_result write_believes_every_encoding(PS_WRITE_ARGS)
{
	const ps_serializer *serializer = PS(serializer);
	PS(serializer) = NULL;
	zend_result written = real.s_write(mod_data, key, val, maxlifetime);
	PS(serializer) = serializer;
	return written;
}

static zend_result cut(zend_result read, zend_string **val, size_t length)
{
	if (read == SUCCESS && length < ZSTR_LEN(*val)) {
		zend_string *shorter = zend_string_init(ZSTR_VAL(*val), length, 0);
		zend_string_release(*val);
		*val = shorter;
	}
	return read;
}

static zend_result read_ends_at_nul(PS_READ_ARGS)
{
	zend_result read = real.s_read(mod_data, key, val, maxlifetime);
	return cut(read, val, read == SUCCESS ? strlen(ZSTR_VAL(*val)) : 0);
}

static zend_result read_ends_at_4_kb(PS_READ_ARGS)
{
	return cut(real.s_read(mod_data, key, val, maxlifetime), val, 4096);
}

static zend_result read_extends_the_lifetime(PS_READ_ARGS)
{
	zend_result read = real.s_read(mod_data, key, val, maxlifetime);
	if (read == SUCCESS) {
		real.s_update_timestamp(mod_data, key, *val, maxlifetime);
		zend_string_release(*val);
		read = real.s_read(mod_data, key, val, maxlifetime);
	}
	return read;
}

/* Without the frame of session_start() the handler cannot know that the session is only read. */
static zend_result reader_takes_the_lock(PS_READ_ARGS)
{
	zend_execute_data *frame = EG(current_execute_data);
	EG(current_execute_data) = NULL;
	zend_result read = real.s_read(mod_data, key, val, maxlifetime);
	EG(current_execute_data) = frame;
	return read;
}

static zend_result lock_is_not_held(PS_READ_ARGS)
{
	zend_result read = real.s_read(mod_data, key, val, maxlifetime);
	if (read == SUCCESS) {
		real.s_close(mod_data);
		real.s_open(mod_data, PS(save_path), PS(session_name));
	}
	return read;
}

static zend_result close_does_not_unlock(PS_CLOSE_ARGS)
{
	PS_SET_MOD_DATA(NULL);
	return SUCCESS;
}

static zend_result close_fails(PS_CLOSE_ARGS)
{
	real.s_close(mod_data);
	return FAILURE;
}

/* Takes the lock again right after the write gave it back. */
static zend_result write_does_not_unlock(PS_WRITE_ARGS)
{
	zend_string *again;
	zend_result written = real.s_write(mod_data, key, val, maxlifetime);
	if (real.s_read(mod_data, key, &again, maxlifetime) == SUCCESS) {
		zend_string_release(again);
	}
	return written;
}

static zend_result every_id_is_valid(PS_VALIDATE_SID_ARGS)
{
	return SUCCESS;
}

static zend_result no_id_is_valid(PS_VALIDATE_SID_ARGS)
{
	return FAILURE;
}

static zend_string *ids_are_all_the_same(PS_CREATE_SID_ARGS)
{
	return zend_string_init(ZEND_STRL("00000000000000000000000000000000"), 0);
}

static zend_string *ids_have_a_fixed_length(PS_CREATE_SID_ARGS)
{
	zend_string *id = real.s_create_sid(mod_data);
	zend_string *fixed = zend_string_alloc(32, 0);
	for (size_t i = 0; i < 32; i++) {
		ZSTR_VAL(fixed)[i] = ZSTR_VAL(id)[i % ZSTR_LEN(id)];
	}
	ZSTR_VAL(fixed)[32] = 0;
	zend_string_release(id);
	return fixed;
}

/* session_reset() opens again without a close. */
static bool is_open;

static zend_result opens_once(PS_OPEN_ARGS)
{
	if (is_open) {
		return FAILURE;
	}
	return is_open = real.s_open(mod_data, save_path, session_name) == SUCCESS, is_open ? SUCCESS : FAILURE;
}

static zend_result closes_what_opened_once(PS_CLOSE_ARGS)
{
	is_open = false;
	return real.s_close(mod_data);
}

static zend_result every_path_is_the_first(PS_OPEN_ARGS)
{
	static char first[MAXPATHLEN];
	if (first[0] == '\0') {
		snprintf(first, sizeof first, "%s", save_path);
	}
	return real.s_open(mod_data, first, session_name);
}

#define FOR_EVER 100000000

static zend_result nothing_expires_read(PS_READ_ARGS)
{
	return real.s_read(mod_data, key, val, FOR_EVER);
}

static zend_result nothing_expires_write(PS_WRITE_ARGS)
{
	return real.s_write(mod_data, key, val, FOR_EVER);
}

static zend_result nothing_expires_touch(PS_UPDATE_TIMESTAMP_ARGS)
{
	return real.s_update_timestamp(mod_data, key, val, FOR_EVER);
}

/* The handler with the functions of that kind put in; false for an unknown kind. */
static bool broken(const char *kind, ps_module *handler)
{
#define KIND(name, ...) if (strcmp(kind, name) == 0) { __VA_ARGS__; return true; }
	KIND("none", (void) 0)
	KIND("destroy-does-nothing", handler->s_destroy = destroy_does_nothing)
	KIND("destroy-ignores-how-decoding-ended", handler->s_destroy = destroy_ignores_how_decoding_ended)
	KIND("migrate-in-does-nothing", handler->s_open = migrate_in_does_nothing)
	KIND("gc-does-nothing", handler->s_gc = gc_does_nothing)
	KIND("gc-does-not-count", handler->s_gc = gc_does_not_count)
	KIND("touch-does-nothing", handler->s_update_timestamp = touch_does_nothing)
	KIND("touch-rewrites", handler->s_update_timestamp = touch_rewrites)
	KIND("write-is-dropped", handler->s_write = write_is_dropped)
	KIND("write-ignores-exceptions", handler->s_write = write_ignores_exceptions)
	KIND("write-believes-every-encoding", handler->s_write = write_believes_every_encoding)
	KIND("read-ends-at-nul", handler->s_read = read_ends_at_nul)
	KIND("read-ends-at-4-kb", handler->s_read = read_ends_at_4_kb)
	KIND("read-extends-the-lifetime", handler->s_read = read_extends_the_lifetime)
	KIND("reader-takes-the-lock", handler->s_read = reader_takes_the_lock)
	KIND("lock-is-not-held", handler->s_read = lock_is_not_held)
	KIND("close-does-not-unlock", handler->s_close = close_does_not_unlock)
	KIND("close-fails", handler->s_close = close_fails)
	KIND("write-does-not-unlock", handler->s_write = write_does_not_unlock; handler->s_close = close_does_not_unlock)
	KIND("every-id-is-valid", handler->s_validate_sid = every_id_is_valid)
	KIND("no-id-is-valid", handler->s_validate_sid = no_id_is_valid)
	KIND("ids-are-all-the-same", handler->s_create_sid = ids_are_all_the_same)
	KIND("ids-have-a-fixed-length", handler->s_create_sid = ids_have_a_fixed_length)
	KIND("every-path-is-the-first", handler->s_open = every_path_is_the_first)
	KIND("opens-once", handler->s_open = opens_once; handler->s_close = closes_what_opened_once)
	KIND("nothing-expires",
		handler->s_read = nothing_expires_read;
		handler->s_write = nothing_expires_write;
		handler->s_update_timestamp = nothing_expires_touch)
#undef KIND
	return false;
}

static PHP_MINIT_FUNCTION(mutant)
{
	const char *kind = getenv("CLOAKROOM_MUTANT");
	ps_module *handler = (ps_module *) _php_find_ps_module("cloakroom");
	if (!kind || !handler) {
		zend_error(E_CORE_ERROR, "mutant: set CLOAKROOM_MUTANT and load cloakroom");
		return FAILURE;
	}
	real = *handler;

	/* The table lies in memory that was made read-only after relocation. */
	size_t page = (size_t) sysconf(_SC_PAGESIZE);
	uintptr_t start = (uintptr_t) handler & ~(page - 1);
	size_t length = (uintptr_t) handler + sizeof *handler - start;
	if (mprotect((void *) start, length, PROT_READ | PROT_WRITE) != 0) {
		zend_error(E_CORE_ERROR, "mutant: the handler cannot be changed");
		return FAILURE;
	}
	if (!broken(kind, handler)) {
		zend_error(E_CORE_ERROR, "mutant: nothing is called \"%s\"", kind);
		return FAILURE;
	}
	return SUCCESS;
}

static const zend_module_dep mutant_deps[] = {
	ZEND_MOD_REQUIRED("cloakroom")
	ZEND_MOD_END
};

zend_module_entry mutant_module_entry = {
	STANDARD_MODULE_HEADER_EX, NULL, mutant_deps,
	"mutant", NULL, PHP_MINIT(mutant), NULL, NULL, NULL, NULL, "1", STANDARD_MODULE_PROPERTIES
};

ZEND_GET_MODULE(mutant)
