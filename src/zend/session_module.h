/*
 * PHP's session module, which a PHP may lack or load after this extension. All references to it are weak, so that the
 * extension can be loaded far enough to say so; nothing is used before cloakroom_has_session_module() was true.
 * (tests/refusals finds a reference that is missing here.)
 */

#ifndef CLOAKROOM_SESSION_MODULE_H
#define CLOAKROOM_SESSION_MODULE_H

#include "php.h"
#include "ext/session/php_session.h"

#pragma weak php_session_class_entry
#pragma weak php_session_iface_entry
#pragma weak php_session_id_iface_entry
#pragma weak php_session_update_timestamp_iface_entry
#pragma weak php_session_register_module
#ifdef ZTS
#pragma weak ps_globals_id
#else
#pragma weak ps_globals
#endif

/* The class Cloakroom\SessionHandler, from the start of the module on. */
extern zend_class_entry *cloakroom_class_entry;

#endif
