/*
 * The floor: a session save handler that only keeps the bytes.
 *
 * Payloads live in a table of this process, by session id: no lock, no file, no other process, no expiry. It does
 * the least that a handler can do under PHP's session module, so its cycle time is what every other handler's is
 * compared with. It implements all nine callbacks, so PHP takes the same path through them as through a real
 * handler. It is a measuring device and nothing else: sessions end with the process.
 */
#include "php.h"
#include "ext/session/php_session.h"

/* id -> payload, both persistent zend_strings. */
static HashTable kept;

static void forget(zval *payload)
{
	zend_string_free(Z_STR_P(payload));
}

/* Overwrites in place where the length stays, as the common case of a changed counter does. */
static void keep(zend_string *key, zend_string *val)
{
	zval *found = zend_hash_find(&kept, key);

	if (found && Z_STRLEN_P(found) == ZSTR_LEN(val)) {
		memcpy(Z_STRVAL_P(found), ZSTR_VAL(val), ZSTR_LEN(val));
		return;
	}

	zval payload;
	ZVAL_STR(&payload, zend_string_init(ZSTR_VAL(val), ZSTR_LEN(val), 1));
	if (found) {
		zend_hash_update(&kept, key, &payload);
	} else {
		/* The caller's id is request memory and must not outlive the request. */
		zend_string *own = zend_string_init(ZSTR_VAL(key), ZSTR_LEN(key), 1);
		zend_hash_add_new(&kept, own, &payload);
		zend_string_release_ex(own, 1);
	}
}

PS_FUNCS_UPDATE_TIMESTAMP(floor);

PS_OPEN_FUNC(floor)
{
	/* Anything but NULL: PHP skips write and close where it is NULL. */
	PS_SET_MOD_DATA(&kept);
	return SUCCESS;
}

PS_CLOSE_FUNC(floor)
{
	PS_SET_MOD_DATA(NULL);
	return SUCCESS;
}

PS_READ_FUNC(floor)
{
	zval *found = zend_hash_find(&kept, key);

	*val = found ? zend_string_init(Z_STRVAL_P(found), Z_STRLEN_P(found), 0) : ZSTR_EMPTY_ALLOC();
	return SUCCESS;
}

PS_WRITE_FUNC(floor)
{
	keep(key, val);
	return SUCCESS;
}

PS_DESTROY_FUNC(floor)
{
	zend_hash_del(&kept, key);
	return SUCCESS;
}

PS_GC_FUNC(floor)
{
	/* Nothing expires here, so nothing is ever removed. */
	*nrdels = 0;
	return *nrdels;
}

PS_CREATE_SID_FUNC(floor)
{
	return php_session_create_id(mod_data);
}

PS_VALIDATE_SID_FUNC(floor)
{
	return zend_hash_exists(&kept, key) ? SUCCESS : FAILURE;
}

PS_UPDATE_TIMESTAMP_FUNC(floor)
{
	return SUCCESS;
}

static const ps_module ps_mod_floor = { PS_MOD_UPDATE_TIMESTAMP(floor) };

static PHP_MINIT_FUNCTION(floor)
{
	zend_hash_init(&kept, 128, NULL, forget, 1);
	return php_session_register_module(&ps_mod_floor);
}

static PHP_MSHUTDOWN_FUNCTION(floor)
{
	zend_hash_destroy(&kept);
	return SUCCESS;
}

static const zend_module_dep floor_deps[] = {
	ZEND_MOD_REQUIRED("session")
	ZEND_MOD_END
};

zend_module_entry floor_module_entry = {
	STANDARD_MODULE_HEADER_EX, NULL, floor_deps,
	"floor",
	NULL,
	PHP_MINIT(floor),
	PHP_MSHUTDOWN(floor),
	NULL,
	NULL,
	NULL,
	"1",
	STANDARD_MODULE_PROPERTIES
};

ZEND_GET_MODULE(floor)
