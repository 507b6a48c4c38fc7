//! The module entry that PHP loads, and what happens at its start and its end.

use std::ffi::{CStr, c_char, c_int, c_uchar};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use ext_php_rs::builders::{ModuleBuilder, ModuleStartup};
use ext_php_rs::ffi::_zend_module_dep as Dependency;
use ext_php_rs::zend::{ModuleAllocations, ModuleEntry, StaticModuleEntry};

use crate::directives;
use crate::handlers::native::SAVE_HANDLER;
use crate::handlers::{class, rotation};
use crate::report::{doctor, info, status};
use crate::worker::WORKER;
use crate::worker::guard::guarded_infallible;
use crate::zend::php;
use crate::zend::ps_module::{FAILURE, SUCCESS};

/// `MODULE_DEP_REQUIRED`.
const REQUIRED: c_uchar = 1;

/// The modules that must be started before this one, ended by an entry without a name.
struct Dependencies([Dependency; 2]);

// SAFETY: the names are static C strings, and nothing is ever written.
unsafe impl Sync for Dependencies {}

const fn dependency(name: *const c_char) -> Dependency {
    Dependency { name, rel: ptr::null(), version: ptr::null(), type_: REQUIRED }
}

static DEPENDENCIES: Dependencies = Dependencies([dependency(c"session".as_ptr()), dependency(ptr::null())]);

/// The work of ext-php-rs at every start of the module.
static STARTUP: Mutex<Option<ModuleStartup>> = Mutex::new(None);

/// The symbol that PHP looks up in an extension.
// SAFETY: no other symbol of this name is linked into the extension.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn get_module() -> *mut ModuleEntry {
    static MODULE: StaticModuleEntry = StaticModuleEntry::new();
    MODULE.get_or_init(|| match build() {
        Ok(built) => built,
        // PHP calls this function through C, where a panic ends the process, which is what is left to do: without
        // an entry PHP would go on with a NULL pointer.
        Err(error) => panic!("Cloakroom's module entry cannot be built: {error}"),
    })
}

fn build() -> ext_php_rs::error::Result<(ModuleEntry, ModuleAllocations)> {
    let builder = ModuleBuilder::new("cloakroom", env!("CARGO_PKG_VERSION"))
        .globals(&WORKER)
        .startup_function(start)
        .shutdown_function(end)
        .post_deactivate_function(after_request)
        .info_function(info::print);
    let builder = status::functions(builder).function(doctor::function());
    #[cfg(feature = "faults")]
    let builder = builder.function(crate::fault::function());
    let (mut entry, startup, owned): (ModuleEntry, ModuleStartup, ModuleAllocations) = builder.try_into()?;
    entry.deps = DEPENDENCIES.0.as_ptr();
    *STARTUP.lock().unwrap_or_else(PoisonError::into_inner) = Some(startup);
    Ok((entry, owned))
}

/// `MODULE_TEMPORARY`: the kind of a module that `dl()` loads, and that PHP takes away when the request ends.
const TEMPORARY: c_int = 2;

/// Why the extension cannot work in this PHP.
fn refusal(kind: c_int) -> Option<&'static CStr> {
    if kind == TEMPORARY {
        Some(c"Cloakroom: dl() cannot load this extension, because PHP's session module keeps a save handler for longer \
               than the request; write \"extension=cloakroom\" into php.ini")
    } else if !php::has_session_module() {
        Some(c"Cloakroom: PHP's session module was not loaded before this extension; in php.ini, put \"extension=session\" \
               above \"extension=cloakroom\"")
    } else {
        None
    }
}

/// Registers everything. php-fpm runs this in its master before it forks, so nothing is opened here, and what its workers
/// can inherit is found out.
///
/// # Safety
/// Called by PHP only.
unsafe extern "C" fn start(kind: c_int, module_number: c_int) -> c_int {
    if let Some(reason) = refusal(kind) {
        // SAFETY: a static C string.
        unsafe { php::core_warning(reason.as_ptr()) };
        return FAILURE;
    }
    directives::register(module_number);
    let registered = match &*STARTUP.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(startup) => startup.startup(kind, module_number).is_ok(),
        None => true,
    };
    class::register();
    cloakroom_session::prepare();
    let decides = php::precede_regenerate_id(rotation::may_rotate, rotation::was_overtaken);
    if registered && decides && php::register_save_handler(&SAVE_HANDLER) { SUCCESS } else { FAILURE }
}

/// Takes the directives back, and ends what the process keeps.
///
/// # Safety
/// Called by PHP only.
unsafe extern "C" fn end(kind: c_int, module_number: c_int) -> c_int {
    // A panic in it is no reason for a process that ends to fail.
    let _ended = guarded_infallible(|_| cloakroom_session::remove_empty_stores(true));
    php::restore_regenerate_id();
    php::unregister_ini(kind, module_number);
    SUCCESS
}

/// Runs after every module's shutdown of a request. The session module has closed the handler by then, unless a
/// fatal error kept it from doing so.
///
/// # Safety
/// Called by PHP only.
unsafe extern "C" fn after_request() -> c_int {
    let closed = guarded_infallible(|worker| {
        worker.request.forget();
        worker.objects.close();
    });
    if closed.is_some() { SUCCESS } else { FAILURE }
}
