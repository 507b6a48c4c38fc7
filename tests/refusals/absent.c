/*
 * In the place of the session module, where a PHP is linked without it: the list of built-in modules still names it,
 * and finds an empty one of another name.
 */

#include "php.h"

zend_module_entry session_module_entry = {
	STANDARD_MODULE_HEADER,
	"in_the_place_of_session",
	NULL, NULL, NULL, NULL, NULL, NULL,
	NO_VERSION_YET,
	STANDARD_MODULE_PROPERTIES
};
