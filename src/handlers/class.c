/*
 * The class Cloakroom\SessionHandler as PHP sees it: its methods with their argument types, its interfaces, and the
 * memory of an object. What needs macros of PHP is here and nothing else: parameters are read as PHP reads those of
 * its own functions, and each method is one call of src/handlers/class.rs, which knows the object by its number.
 *
 * The return types are tentative, as those of PHP's SessionHandler are, so that subclasses written for that one load
 * without deprecations.
 */

#include "php.h"
#include "zend_attributes.h"
#include "zend_exceptions.h"
#include "session_module.h"

/*
 * What src/handlers/class.rs does for each method, as the table `CALLS` there. An object is known by its number; 0 is
 * one that could not be made.
 */
typedef struct {
	size_t (*make)(void);
	void (*free)(size_t number);
	/* 0, or the number of the wrong argument, or -1: then `complaint` says what is wrong. */
	int (*construct)(size_t number, const zend_string *save_path, const zend_string *lock, const zend_long *lifetime);
	const char *(*complaint)(void);
	bool (*open)(size_t number, const zend_string *path);
	bool (*close)(size_t number);
	zend_string *(*read)(size_t number, zend_string *id);
	bool (*write)(size_t number, zend_string *id, zend_string *data);
	bool (*destroy)(size_t number, zend_string *id);
	zend_long (*collect)(size_t number);
	zend_string *(*create_id)(size_t number);
	bool (*validate_id)(size_t number, zend_string *id);
	bool (*update_timestamp)(size_t number, zend_string *id, zend_string *data);
} object_calls;

static const object_calls *calls;

/* ---- the memory of an object ---- */

typedef struct {
	size_t number;
	zend_object std;
} handler_object;

static zend_object_handlers object_handlers;

static handler_object *handler_of(zend_object *object)
{
	return (handler_object *) ((char *) object - offsetof(handler_object, std));
}

/* The number of the object whose method runs. */
#define THIS_NUMBER() (handler_of(Z_OBJ_P(ZEND_THIS))->number)

static zend_object *create_object(zend_class_entry *class_type)
{
	handler_object *handler = zend_object_alloc(sizeof(handler_object), class_type);

	handler->number = calls->make();
	zend_object_std_init(&handler->std, class_type);
	object_properties_init(&handler->std, class_type);
	handler->std.handlers = &object_handlers;
	return &handler->std;
}

static void free_object(zend_object *object)
{
	calls->free(handler_of(object)->number);
	zend_object_std_dtor(object);
}

/* ---- the methods ---- */

ZEND_BEGIN_ARG_INFO_EX(arginfo_construct, 0, 0, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, savePath, IS_STRING, 1, "null")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, lock, IS_STRING, 1, "null")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, lifetime, IS_LONG, 1, "null")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_TENTATIVE_RETURN_TYPE_INFO_EX(arginfo_open, 0, 2, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, path, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, name, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_TENTATIVE_RETURN_TYPE_INFO_EX(arginfo_close, 0, 0, _IS_BOOL, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_TENTATIVE_RETURN_TYPE_MASK_EX(arginfo_read, 0, 1, MAY_BE_STRING | MAY_BE_FALSE)
	ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_TENTATIVE_RETURN_TYPE_INFO_EX(arginfo_id_and_data, 0, 2, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, data, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_TENTATIVE_RETURN_TYPE_INFO_EX(arginfo_id, 0, 1, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_TENTATIVE_RETURN_TYPE_MASK_EX(arginfo_gc, 0, 1, MAY_BE_LONG | MAY_BE_FALSE)
	ZEND_ARG_TYPE_INFO(0, max_lifetime, IS_LONG, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_TENTATIVE_RETURN_TYPE_INFO_EX(arginfo_create_sid, 0, 0, IS_STRING, 0)
ZEND_END_ARG_INFO()

/* The only parameter, a session id. */
#define ID_PARAMETER() \
	zend_string *id; \
	ZEND_PARSE_PARAMETERS_START(1, 1) \
		Z_PARAM_STR(id) \
	ZEND_PARSE_PARAMETERS_END()

/* The two parameters, a session id and its data. */
#define ID_AND_DATA_PARAMETERS() \
	zend_string *id, *data; \
	ZEND_PARSE_PARAMETERS_START(2, 2) \
		Z_PARAM_STR(id) \
		Z_PARAM_STR(data) \
	ZEND_PARSE_PARAMETERS_END()

static ZEND_METHOD(Cloakroom_SessionHandler, __construct)
{
	zend_string *save_path = NULL, *lock = NULL;
	zend_long lifetime = 0;
	bool default_lifetime = true;
	int wrong;

	ZEND_PARSE_PARAMETERS_START(0, 3)
		Z_PARAM_OPTIONAL
		Z_PARAM_PATH_STR_OR_NULL(save_path)
		Z_PARAM_STR_OR_NULL(lock)
		Z_PARAM_LONG_OR_NULL(lifetime, default_lifetime)
	ZEND_PARSE_PARAMETERS_END();

	wrong = calls->construct(THIS_NUMBER(), save_path, lock, default_lifetime ? NULL : &lifetime);
	if (wrong > 0) {
		zend_argument_value_error(wrong, "%s", calls->complaint());
	} else if (wrong < 0) {
		zend_throw_error(NULL, "%s", calls->complaint());
	}
}

static ZEND_METHOD(Cloakroom_SessionHandler, open)
{
	zend_string *path, *name;

	ZEND_PARSE_PARAMETERS_START(2, 2)
		Z_PARAM_PATH_STR(path)
		Z_PARAM_STR(name)
	ZEND_PARSE_PARAMETERS_END();

	(void) name;
	RETURN_BOOL(calls->open(THIS_NUMBER(), path));
}

static ZEND_METHOD(Cloakroom_SessionHandler, close)
{
	ZEND_PARSE_PARAMETERS_NONE();
	RETURN_BOOL(calls->close(THIS_NUMBER()));
}

static ZEND_METHOD(Cloakroom_SessionHandler, read)
{
	zend_string *data;
	ID_PARAMETER();

	data = calls->read(THIS_NUMBER(), id);
	if (data == NULL) {
		RETURN_FALSE;
	}
	RETURN_STR(data);
}

static ZEND_METHOD(Cloakroom_SessionHandler, write)
{
	ID_AND_DATA_PARAMETERS();
	RETURN_BOOL(calls->write(THIS_NUMBER(), id, data));
}

static ZEND_METHOD(Cloakroom_SessionHandler, destroy)
{
	ID_PARAMETER();
	RETURN_BOOL(calls->destroy(THIS_NUMBER(), id));
}

static ZEND_METHOD(Cloakroom_SessionHandler, gc)
{
	zend_long max_lifetime, removed;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_LONG(max_lifetime)
	ZEND_PARSE_PARAMETERS_END();

	/* Each session has the lifetime with which it was written. */
	(void) max_lifetime;
	removed = calls->collect(THIS_NUMBER());
	if (removed < 0) {
		RETURN_FALSE;
	}
	RETURN_LONG(removed);
}

static ZEND_METHOD(Cloakroom_SessionHandler, create_sid)
{
	zend_string *id;

	ZEND_PARSE_PARAMETERS_NONE();
	id = calls->create_id(THIS_NUMBER());
	if (id == NULL) {
		if (!EG(exception)) {
			zend_throw_error(NULL, "No session id could be created");
		}
		RETURN_THROWS();
	}
	RETURN_STR(id);
}

static ZEND_METHOD(Cloakroom_SessionHandler, validateId)
{
	ID_PARAMETER();
	RETURN_BOOL(calls->validate_id(THIS_NUMBER(), id));
}

static ZEND_METHOD(Cloakroom_SessionHandler, updateTimestamp)
{
	ID_AND_DATA_PARAMETERS();
	RETURN_BOOL(calls->update_timestamp(THIS_NUMBER(), id, data));
}

#define METHOD(name, arginfo) ZEND_ME(Cloakroom_SessionHandler, name, arginfo, ZEND_ACC_PUBLIC)

static const zend_function_entry methods[] = {
	METHOD(__construct, arginfo_construct)
	METHOD(open, arginfo_open)
	METHOD(close, arginfo_close)
	METHOD(read, arginfo_read)
	METHOD(write, arginfo_id_and_data)
	METHOD(destroy, arginfo_id)
	METHOD(gc, arginfo_gc)
	METHOD(create_sid, arginfo_create_sid)
	METHOD(validateId, arginfo_id)
	METHOD(updateTimestamp, arginfo_id_and_data)
	ZEND_FE_END
};

/* ---- the class ---- */

/* Has a parameter of a method shown in traces as an object that does not tell its value. */
static void hide_in_traces(const char *method, uint32_t parameter)
{
	zend_function *function = zend_hash_str_find_ptr(&cloakroom_class_entry->function_table, method, strlen(method));

	zend_add_parameter_attribute(function, parameter, ZSTR_KNOWN(ZEND_STR_SENSITIVEPARAMETER), 0);
}

/* Called once, at the start of the module. */
void cloakroom_register_class(const object_calls *object_calls)
{
	zend_class_entry class_type;

	calls = object_calls;
	INIT_NS_CLASS_ENTRY(class_type, "Cloakroom", "SessionHandler", methods);
	cloakroom_class_entry = zend_register_internal_class(&class_type);
	/* An object stands for a lock and for what was read under it: a second one like it cannot be made of a copy. */
	cloakroom_class_entry->ce_flags |= ZEND_ACC_NOT_SERIALIZABLE;
	cloakroom_class_entry->create_object = create_object;
	zend_class_implements(cloakroom_class_entry, 3, php_session_iface_entry, php_session_id_iface_entry,
		php_session_update_timestamp_iface_entry);

	/* Ids and payloads; and an address may hold a password. */
	hide_in_traces("__construct", 0);
	hide_in_traces("open", 0);
	hide_in_traces("read", 0);
	hide_in_traces("write", 0);
	hide_in_traces("write", 1);
	hide_in_traces("destroy", 0);
	hide_in_traces("validateid", 0);
	hide_in_traces("updatetimestamp", 0);
	hide_in_traces("updatetimestamp", 1);

	memcpy(&object_handlers, &std_object_handlers, sizeof(object_handlers));
	object_handlers.offset = offsetof(handler_object, std);
	object_handlers.free_obj = free_object;
	object_handlers.clone_obj = NULL;
}
