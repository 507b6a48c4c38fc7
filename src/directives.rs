//! The ini directives as PHP knows them: registered, and validated where they are changed. Their values are then in the
//! worker's [`Settings`].
//!
//! | module | what it holds |
//! |---|---|
//! | `migration` | the directives of moving from another handler: which places they may name, and what phpinfo() shows |
//! | `save_path` | the place that PHP's own `session.save_path` means |

mod migration;
pub(crate) mod save_path;

use std::ffi::{CStr, c_int, c_void};
use std::fmt::Display;

use cloakroom_session::{LockMode, Namespace, UserPath, directives};
use ext_php_rs::ffi::{_zend_ini_entry as IniEntry, zend_string};
use ext_php_rs::flags::IniEntryPermission;
use ext_php_rs::zend::{IniEntryDef, IniEntryDefs};

use crate::settings::Settings;
use crate::worker::guard::guarded;
use crate::worker::warning;
use crate::zend::php;
use crate::zend::ps_module::{FAILURE, SUCCESS};

/// `ZEND_INI_STAGE_DEACTIVATE`: the value of the configuration comes back at the end of a request, silently.
const STAGE_DEACTIVATE: c_int = 1 << 3;
/// `ZEND_INI_STAGE_HTACCESS`: a file that lies in the directory of the script.
const STAGE_DIRECTORY: c_int = 1 << 5;
/// `ZEND_INI_STAGE_RUNTIME`: a script sets or restores the value.
const STAGE_RUNTIME: c_int = 1 << 4;

type OnModify =
    unsafe extern "C" fn(*mut IniEntry, *mut zend_string, *mut c_void, *mut c_void, *mut c_void, stage: c_int) -> c_int;

const fn directive(
    name: &'static CStr,
    default: &'static CStr,
    changeable: IniEntryPermission,
    on_modify: OnModify,
) -> IniEntryDef {
    let mut directive = IniEntryDef::new(name, default, changeable);
    directive.on_modify = Some(on_modify);
    directive
}

/// [`directive`] whose value may hold a password.
const fn address(name: &'static CStr, on_modify: OnModify) -> IniEntryDef {
    let mut directive = directive(name, c"", PER_DIRECTORY, on_modify);
    directive.displayer = Some(migration::display);
    directive
}

/// In php.ini, in a pool of php-fpm, per directory or host; not by the script.
const PER_DIRECTORY: IniEntryPermission = IniEntryPermission::PerDir.union(IniEntryPermission::System);

static DIRECTIVES: IniEntryDefs<13> = IniEntryDefs::new([
    directive(c"cloakroom.size", c"1G", IniEntryPermission::System, on_size),
    directive(c"cloakroom.lock", c"exclusive", IniEntryPermission::All, on_lock),
    directive(c"cloakroom.lock_wait", c"30", IniEntryPermission::All, on_lock_wait),
    directive(c"cloakroom.lock_ttl", c"10", IniEntryPermission::All, on_lock_ttl),
    directive(c"cloakroom.max_waiters", c"0", IniEntryPermission::All, on_max_waiters),
    directive(c"cloakroom.namespace", c"", PER_DIRECTORY, on_namespace),
    directive(c"cloakroom.user", c"", PER_DIRECTORY, on_user),
    address(c"cloakroom.migrate_from", on_migrate_from),
    address(c"cloakroom.migrate_to", on_migrate_to),
    directive(c"cloakroom.tombstone", c"3600", IniEntryPermission::All, on_tombstone),
    directive(c"cloakroom.grace", c"10", IniEntryPermission::All, on_grace),
    // session_start(['cloakroom_lock' => …]) sets this name. It lasts for the rest of the request.
    directive(c"session.cloakroom_lock", c"", IniEntryPermission::All, on_script_lock),
    IniEntryDef::end(),
]);

/// Registers the directives. PHP calls the functions below for each of them before this returns.
pub(crate) fn register(module_number: c_int) {
    IniEntryDef::register(DIRECTIVES.as_slice(), module_number);
}

macro_rules! on_modify {
    ($($function:ident: |$settings:ident, $value:ident, $by_script:pat_param| $set:expr;)*) => {$(
        /// Takes a new value, or refuses it with a warning.
        ///
        /// # Safety
        /// Called by PHP only, with a valid entry and value.
        unsafe extern "C" fn $function(
            entry: *mut IniEntry,
            value: *mut zend_string,
            _: *mut c_void,
            _: *mut c_void,
            _: *mut c_void,
            stage: c_int,
        ) -> c_int {
            // SAFETY: PHP passes a valid entry and value.
            unsafe { change(entry, value, stage, |$settings, $value, $by_script| {
                $set;
                Ok(())
            }) }
        }
    )*};
}

on_modify! {
    on_size: |settings, value, _| settings.size = directives::size(value)?;
    on_lock: |settings, value, by_script| {
        // In ini files the word none, without quotes, is one of PHP's for an empty value.
        settings.lock = if value.is_empty() && !by_script { LockMode::None } else { directives::lock(value)? }
    };
    on_lock_wait: |settings, value, _| settings.lock_wait = directives::lock_wait(value)?;
    on_lock_ttl: |settings, value, _| settings.lock_ttl = directives::lock_ttl(value)?;
    on_max_waiters: |settings, value, _| settings.max_waiters = directives::max_waiters(value)?;
    on_namespace: |settings, value, _| settings.namespace = Namespace::parse(value)?;
    on_user: |settings, value, _| settings.user = UserPath::parse(value)?;
    on_migrate_from: |settings, value, _| settings.migration.from = directives::migrate_from(value)?;
    on_migrate_to: |settings, value, _| settings.migration.to = directives::migrate_to(value)?;
    on_tombstone: |settings, value, _| settings.tombstone = directives::tombstone(value)?;
    on_grace: |settings, value, _| settings.grace = directives::grace(value)?;
    on_script_lock: |settings, value, _| {
        settings.script_lock = if value.is_empty() { None } else { Some(directives::lock(value)?) }
    };
}

/// Why a value is refused.
struct Refused(Box<dyn std::error::Error>);

impl<E: std::error::Error + 'static> From<E> for Refused {
    fn from(reason: E) -> Self {
        Self(Box::new(reason))
    }
}

/// Applies `set` to the settings, and refuses the value with a warning where it fails. `set` gets whether a script chose
/// the value, by `ini_set()` or an option of `session_start()`.
///
/// # Safety
/// `entry` and `value` are what PHP passed to an `on_modify`.
unsafe fn change(
    entry: *const IniEntry,
    value: *const zend_string,
    stage: c_int,
    set: impl FnOnce(&mut Settings, &[u8], bool) -> Result<(), Refused>,
) -> c_int {
    // SAFETY: the entry is valid. What `ini_restore()` restores is the entry's own earlier value.
    let by_script = stage == STAGE_RUNTIME && unsafe { !std::ptr::eq((*entry).orig_value, value) };
    // SAFETY: the entry and its name outlive this call; the value may be NULL.
    let (name, value) = unsafe { (php::string_bytes((*entry).name), php::string_bytes(value)) };
    let is_address = name.starts_with(b"cloakroom.migrate_");
    if is_address && stage == STAGE_DIRECTORY && !migration::may_open(value) {
        return FAILURE;
    }
    let changed = guarded(|worker| {
        worker.settings.version = worker.settings.version.wrapping_add(1).max(1);
        set(&mut worker.settings, value, by_script).map_err(|Refused(reason)| In {
            name,
            value: (!is_address).then_some(value),
            reason,
        })
    });
    if changed.is_some() {
        return SUCCESS;
    }
    if stage != STAGE_DEACTIVATE {
        warning::raise();
    }
    FAILURE
}

/// A refusal with the directive and the value it is about; an address, which may hold a password, is not shown.
struct In<'a> {
    name: &'a [u8],
    value: Option<&'a [u8]>,
    reason: Box<dyn std::error::Error>,
}

impl Display for In<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.name.escape_ascii())?;
        if let Some(value) = self.value {
            let shown = value.get(..60).unwrap_or(value);
            let cut = if shown.len() < value.len() { "…" } else { "" };
            write!(f, " = \"{}{cut}\"", shown.escape_ascii())?;
        }
        write!(f, ": {}", self.reason)
    }
}
