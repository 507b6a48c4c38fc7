/*
 * What only C can reach of PHP: macros, the session module's globals (their place depends on version and thread
 * safety), and the call frames of the engine. Nothing here decides anything; src/zend/php.rs gives each function a
 * Rust signature.
 *
 * The static asserts hold the mirror of `ps_module` in src/zend/ps_module.rs to the header it was made from.
 */

#include "php.h"
#include "SAPI.h"
#include "php_ini.h"
#include "php_main.h"
#include "php_open_temporary_file.h"
#include "session_module.h"
#include "zend_exceptions.h"

#include <stddef.h>

/* The class Cloakroom\SessionHandler; src/handlers/class.c sets it. */
zend_class_entry *cloakroom_class_entry;

#define POINTERS(n) ((n) * sizeof(void *))

_Static_assert(sizeof(ps_module) == POINTERS(10), "ps_module has other fields than src/zend/ps_module.rs");
_Static_assert(offsetof(ps_module, s_name) == POINTERS(0), "s_name moved");
_Static_assert(offsetof(ps_module, s_open) == POINTERS(1), "s_open moved");
_Static_assert(offsetof(ps_module, s_close) == POINTERS(2), "s_close moved");
_Static_assert(offsetof(ps_module, s_read) == POINTERS(3), "s_read moved");
_Static_assert(offsetof(ps_module, s_write) == POINTERS(4), "s_write moved");
_Static_assert(offsetof(ps_module, s_destroy) == POINTERS(5), "s_destroy moved");
_Static_assert(offsetof(ps_module, s_gc) == POINTERS(6), "s_gc moved");
_Static_assert(offsetof(ps_module, s_create_sid) == POINTERS(7), "s_create_sid moved");
_Static_assert(offsetof(ps_module, s_validate_sid) == POINTERS(8), "s_validate_sid moved");
_Static_assert(offsetof(ps_module, s_update_timestamp) == POINTERS(9), "s_update_timestamp moved");
_Static_assert(sizeof(zend_result) == sizeof(int), "zend_result is no int");
_Static_assert(SUCCESS == 0 && FAILURE == -1, "zend_result has other values than src/zend/ps_module.rs");

/* The callbacks take what the mirror says they take. */
#define HAS_TYPE(field, ...) \
	_Static_assert(__builtin_types_compatible_p(__typeof__(((ps_module *) 0)->field), __VA_ARGS__), \
		#field " has another type than in src/zend/ps_module.rs")

HAS_TYPE(s_open, zend_result (*)(void **, const char *, const char *));
HAS_TYPE(s_close, zend_result (*)(void **));
HAS_TYPE(s_read, zend_result (*)(void **, zend_string *, zend_string **, zend_long));
HAS_TYPE(s_write, zend_result (*)(void **, zend_string *, zend_string *, zend_long));
HAS_TYPE(s_destroy, zend_result (*)(void **, zend_string *));
HAS_TYPE(s_gc, zend_long (*)(void **, zend_long, zend_long *));
HAS_TYPE(s_create_sid, zend_string *(*)(void **));
HAS_TYPE(s_validate_sid, zend_result (*)(void **, zend_string *));
HAS_TYPE(s_update_timestamp, zend_result (*)(void **, zend_string *, zend_string *, zend_long));

/* ---- strings ---- */

/* A string of PHP's request memory with room for `length` bytes. Does not return where memory_limit is reached. */
zend_string *cloakroom_string_alloc(size_t length)
{
	zend_string *string = zend_string_alloc(length, 0);
	ZSTR_VAL(string)[length] = '\0';
	return string;
}

zend_string *cloakroom_string_empty(void)
{
	return ZSTR_EMPTY_ALLOC();
}

/* ---- the session module ---- */

/* Whether there is one. See session_module.h. */
bool cloakroom_has_session_module(void)
{
	return php_session_register_module != NULL;
}

bool cloakroom_register_save_handler(const void *module)
{
	return php_session_register_module(module) == SUCCESS;
}

void cloakroom_id_shape(zend_long *length, zend_long *bits)
{
	*length = PS(sid_length);
	*bits = PS(sid_bits_per_character);
}

/*
 * The payload as PHP got it from this module's read, which it keeps to see whether a session was changed; NULL where it
 * does not. A handler of the script between the two may have changed it.
 */
zend_string *cloakroom_kept_payload(const void *module)
{
	return PS(mod) == module && PS(lazy_write) ? PS(session_vars) : NULL;
}

/* Whether PHP will keep what this module reads now. */
bool cloakroom_keeps_payload(const void *module)
{
	return PS(mod) == module && PS(lazy_write);
}

/* The name of the serialize handler. */
const char *cloakroom_serializer(void)
{
	return PS(serializer) ? PS(serializer)->name : "";
}

/* The PHP that this was built for. */
const char *cloakroom_build(void)
{
	return "PHP " PHP_VERSION
#ifdef ZTS
		", thread-safe"
#endif
#if ZEND_DEBUG
		", debug"
#endif
		;
}

/* The value of a setting as scripts see it now; NULL where there is none of that name. */
const char *cloakroom_setting(const char *name, size_t length)
{
	bool exists = false;
	const char *value = zend_ini_string_ex(name, length, 0, &exists);
	return exists ? (value ? value : "") : NULL;
}

const char *cloakroom_save_path(void)
{
	return PS(save_path) ? PS(save_path) : "";
}

zend_long cloakroom_gc_maxlifetime(void)
{
	return PS(gc_maxlifetime);
}

/* ---- session_regenerate_id() ---- */

/* Same values as `Rotation` in src/zend/php.rs. */
enum { ROTATION_IS_FREE, ROTATION_CHANGES_NOTHING, ROTATION_FAILS };

static zif_handler regenerate_id;
static int (*decide_rotation)(const char *id, size_t length);
static bool (*was_overtaken)(void);

/*
 * session_regenerate_id(), which first asks whether a rotation of this session may begin. Where it may not, the call changes
 * nothing and says true, as for a session that has another id already. PHP's own function does everything else, errors included.
 */
static ZEND_NAMED_FUNCTION(regenerate_id_if_free)
{
	if (PS(session_status) == php_session_active && !SG(headers_sent) && PS(id) != NULL) {
		bool deletes = false;
		int rotation;

		/* Before anything is waited for. */
		ZEND_PARSE_PARAMETERS_START(0, 1)
			Z_PARAM_OPTIONAL
			Z_PARAM_BOOL(deletes)
		ZEND_PARSE_PARAMETERS_END();
		(void) deletes;
		rotation = decide_rotation(ZSTR_VAL(PS(id)), ZSTR_LEN(PS(id)));
		if (rotation == ROTATION_FAILS) {
			/* As where PHP's function cannot end the old session: nothing that the script goes on to do is stored under its id. */
			PS(mod)->s_close(&PS(mod_data));
			PS(session_status) = php_session_none;
		}
		if (rotation != ROTATION_IS_FREE) {
			RETURN_BOOL(rotation == ROTATION_CHANGES_NOTHING);
		}
	}
	regenerate_id(INTERNAL_FUNCTION_PARAM_PASSTHRU);
	/* PHP throws where the new id cannot be read. Here another request was faster, of which PHP has been warned. */
	if (EG(exception) != NULL && EG(exception)->ce == zend_ce_error && was_overtaken()) {
		zend_clear_exception();
		RETVAL_FALSE;
	}
}

/* Puts regenerate_id_if_free() before PHP's function, or takes it away again (NULL). False where there is no such function. */
bool cloakroom_precede_regenerate_id(int (*decide)(const char *id, size_t length), bool (*overtaken)(void))
{
	zend_function *function = zend_hash_str_find_ptr(CG(function_table), ZEND_STRL("session_regenerate_id"));

	if (function == NULL || function->type != ZEND_INTERNAL_FUNCTION) {
		return false;
	}
	if (decide == NULL) {
		/* Another extension may have put its own function before this one meanwhile; that one goes on calling this. */
		if (function->internal_function.handler == regenerate_id_if_free) {
			function->internal_function.handler = regenerate_id;
		}
	} else if (function->internal_function.handler != regenerate_id_if_free) {
		decide_rotation = decide;
		was_overtaken = overtaken;
		regenerate_id = function->internal_function.handler;
		function->internal_function.handler = regenerate_id_if_free;
	}
	return true;
}

/* ---- the request ---- */

/* An id, for `sets_cookie`. */
typedef struct {
	const char *bytes;
	size_t length;
} session_id;

/* Whether a header sets a cookie with an id as its value. */
static int sets_cookie(void *data, void *sought)
{
	const sapi_header_struct *header = data;
	const session_id *id = sought;
	const char *value;
	size_t rest;

	if (header->header_len < sizeof("Set-Cookie:") - 1 || strncasecmp(header->header, ZEND_STRL("Set-Cookie:")) != 0) {
		return 0;
	}
	value = memchr(header->header, '=', header->header_len);
	if (value == NULL) {
		return 0;
	}
	value++;
	rest = header->header_len - (value - header->header);
	return rest >= id->length && memcmp(value, id->bytes, id->length) == 0
		&& (rest == id->length || value[id->length] == ';');
}

/* Takes the cookies with this id from the headers that are still to be sent. */
void cloakroom_withdraw_cookie(const char *bytes, size_t length)
{
	session_id id = { bytes, length };
	size_t count;

	do {
		count = zend_llist_count(&SG(sapi_headers).headers);
		zend_llist_del_element(&SG(sapi_headers).headers, &id, sets_cookie);
	} while (zend_llist_count(&SG(sapi_headers).headers) < count);
}

/* The script as the server names it, or NULL. */
const char *cloakroom_script(void)
{
	return SG(request_info).path_translated;
}

/* PHP's temporary directory, or NULL where open_basedir forbids it (PHP has then warned). */
const char *cloakroom_temporary_directory(void)
{
	const char *directory = php_get_temporary_directory();
	return php_check_open_basedir(directory) ? NULL : directory;
}

/* Whether open_basedir lets the script use `path`. PHP warns where it does not. */
bool cloakroom_may_open(const char *path)
{
	return php_check_open_basedir(path) == 0;
}

/* Makes `path` absolute, relative to the directory this request works in. `out` has room for MAXPATHLEN bytes. */
bool cloakroom_expand_path(const char *path, char *out)
{
	return expand_filepath(path, out) != NULL;
}

const size_t cloakroom_max_path = MAXPATHLEN;

/*
 * Releases that differ in nothing but their patch level, which load each other's extensions, have this function or lack
 * it. Bound weakly, it is NULL in those that lack it, and with it the field that it looks at, the last of EG().
 */
#ifdef ZEND_HAS_OOM
# pragma weak zend_handle_delayed_oom
#endif

/*
 * Whether memory_limit was reached inside the function of PHP that runs now. Some releases of PHP let such a function
 * go on and raise the fatal error when it returns; what it decodes or encodes until then may be incomplete. In the
 * others it is ended by a jump, and nobody can ask.
 */
bool cloakroom_out_of_memory(void)
{
#ifdef ZEND_HAS_OOM
	return zend_handle_delayed_oom != NULL && EG(delayed_oom).state == ZEND_OOM_STATE_PENDING;
#else
	return false;
#endif
}

/*
 * Raises the fatal error that such a release holds back, where no function is left that it would be raised in: at the end
 * of the request it would never be seen, nor any warning. Then it does not return.
 */
void cloakroom_raise_out_of_memory(void)
{
#ifdef ZEND_HAS_OOM
	if (zend_handle_delayed_oom != NULL && EG(current_execute_data) == NULL) {
		zend_handle_delayed_oom();
	}
#endif
}

/* Whether an exception, or exit(), is on its way up to the script. */
bool cloakroom_exception_pending(void)
{
	return EG(exception) != NULL;
}

/* Whether the session module runs a method of a save handler that is an object. */
bool cloakroom_in_save_handler(void)
{
	return PS(in_save_handler);
}

/*
 * Whether the empty payload that PHP writes stands for an encoding that failed: a serialize handler that gives up, as
 * "php" does at a key with a bar, leaves PHP nothing else to write. "php_binary" never gives up; it passes over long keys.
 */
bool cloakroom_encoding_failed(void)
{
	zval *vars = &PS(http_session_vars);
	zend_string *key;

	if (PS(serializer) == NULL || strcmp(PS(serializer)->name, "php_binary") == 0) {
		return false;
	}
	if (!Z_ISREF_P(vars) || Z_TYPE_P(Z_REFVAL_P(vars)) != IS_ARRAY) {
		return false;
	}
	ZEND_HASH_FOREACH_STR_KEY(Z_ARRVAL_P(Z_REFVAL_P(vars)), key) {
		if (key != NULL) {
			return true;
		}
	} ZEND_HASH_FOREACH_END();
	return false;
}

/* ---- call frames ---- */

/* Same values as `Caller` in src/zend/php.rs. */
enum {
	CALLER_ENGINE, CALLER_START, CALLER_START_AND_CLOSE, CALLER_GC, CALLER_REGENERATE, CALLER_OTHER, CALLER_METHOD,
	CALLER_ABORT
};

/* Whether the frame of session_start() was given a truthy read_and_close, read as the function itself reads it. */
static bool reads_and_closes(zend_execute_data *frame)
{
	zval *options, *option;

	if (ZEND_CALL_NUM_ARGS(frame) < 1) {
		return false;
	}
	options = ZEND_CALL_ARG(frame, 1);
	ZVAL_DEREF(options);
	if (Z_TYPE_P(options) != IS_ARRAY) {
		return false;
	}
	option = zend_hash_str_find(Z_ARRVAL_P(options), ZEND_STRL("read_and_close"));
	if (option == NULL) {
		return false;
	}
	switch (Z_TYPE_P(option)) {
		case IS_STRING:
		case IS_TRUE:
		case IS_FALSE:
		case IS_LONG:
			return zval_get_long(option) != 0;
		default:
			return false;
	}
}

/*
 * Which function of the session module runs: the innermost one, found below methods of PHP's SessionHandler and of ours
 * and of classes that extend them. Without a frame it is the engine: auto_start, upload progress, the end of the request.
 */
int cloakroom_caller(void)
{
	bool method = false;

	for (zend_execute_data *frame = EG(current_execute_data); frame != NULL; frame = frame->prev_execute_data) {
		const zend_function *function = frame->func;
		const zend_string *name;

		if (function == NULL || function->type != ZEND_INTERNAL_FUNCTION) {
			continue;
		}
		name = function->common.function_name;
		if (function->common.scope != NULL) {
			method |= instanceof_function(function->common.scope, php_session_class_entry)
				|| instanceof_function(function->common.scope, cloakroom_class_entry);
			continue;
		}
		if (name == NULL || ZSTR_LEN(name) < 8 || memcmp(ZSTR_VAL(name), "session_", 8) != 0) {
			continue;
		}
		if (zend_string_equals_literal(name, "session_start")) {
			return reads_and_closes(frame) ? CALLER_START_AND_CLOSE : CALLER_START;
		}
		if (zend_string_equals_literal(name, "session_regenerate_id")) {
			return CALLER_REGENERATE;
		}
		if (zend_string_equals_literal(name, "session_abort")) {
			return CALLER_ABORT;
		}
		return zend_string_equals_literal(name, "session_gc") ? CALLER_GC : CALLER_OTHER;
	}
	return method ? CALLER_METHOD : CALLER_ENGINE;
}

/*
 * Whether PHP itself ends the session, as the script has ended without doing so: by the handler directly, by a method of a class, or by
 * the function that session_set_save_handler() registers for the shutdown, below which no code of the script runs.
 */
bool cloakroom_is_end_of_request(void)
{
	bool session = false, method = false, called = false;

	for (zend_execute_data *frame = EG(current_execute_data); frame != NULL; frame = frame->prev_execute_data) {
		const zend_function *function = frame->func;

		if (function == NULL) {
			continue;
		}
		if (ZEND_USER_CODE(function->type)) {
			called = true;
		} else if (function->common.scope != NULL) {
			method = true;
		} else if (function->common.function_name != NULL
				&& zend_string_starts_with_literal(function->common.function_name, "session_")) {
			session = true;
			called = false;
		}
	}
	return session ? !called : !method || PS(in_save_handler);
}

/*
 * Whether a fatal error has ended the script and PHP itself calls the handler since: directly, or by way of a method of
 * a handler class. A function that the script registered for its shutdown goes by way of a session function.
 */
bool cloakroom_bailed_out(void)
{
	int caller;

	if (!CG(unclean_shutdown)) {
		return false;
	}
	caller = cloakroom_caller();
	return caller == CALLER_ENGINE || caller == CALLER_METHOD;
}

/* ---- the module ---- */

/* phpinfo() escapes nothing by itself. */
void cloakroom_print_info(const char *text)
{
	if (sapi_module.phpinfo_as_text) {
		PHPWRITE(text, strlen(text));
	} else {
		php_html_puts(text, strlen(text));
	}
}

void cloakroom_unregister_ini(int type, int module_number)
{
	(void) type;
	UNREGISTER_INI_ENTRIES();
}
