//! The values of the ini directives, typed, so that no request parses or looks up anything.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_session::merge::Format;
use cloakroom_session::migration::{Files, Migration, Source};
use cloakroom_session::request::Terms;
use cloakroom_session::seam::End;
use cloakroom_session::{Acquire, LockMode, Namespace, UserPath, directives};
use ext_php_rs::ffi::zend_long;

use crate::zend::php;

/// The values of the directives, for one thread.
pub(crate) struct Settings {
    /// Another number after each change of a directive; never 0.
    pub(crate) version: u32,
    /// `cloakroom.size` in bytes.
    pub(crate) size: u64,
    /// `cloakroom.lock`.
    pub(crate) lock: LockMode,
    /// `session.cloakroom_lock`: the choice of the script, which goes before that of the configuration.
    pub(crate) script_lock: Option<LockMode>,
    /// `cloakroom.lock_wait`.
    pub(crate) lock_wait: Duration,
    /// `cloakroom.lock_ttl`.
    pub(crate) lock_ttl: Duration,
    /// `cloakroom.max_waiters`.
    pub(crate) max_waiters: u32,
    /// `cloakroom.tombstone`.
    pub(crate) tombstone: Duration,
    /// `cloakroom.grace`.
    pub(crate) grace: Duration,
    /// `cloakroom.namespace`.
    pub(crate) namespace: Namespace,
    /// `cloakroom.user`.
    pub(crate) user: UserPath,
    /// `cloakroom.migrate_from` and `cloakroom.migrate_to`.
    pub(crate) migration: MigrationSettings,
}

impl Default for Settings {
    /// The defaults of the directives. PHP sets each of them again when it registers the directives.
    fn default() -> Self {
        Self {
            version: 1,
            size: 1 << 30,
            lock: LockMode::Exclusive,
            script_lock: None,
            lock_wait: Duration::from_secs(30),
            lock_ttl: Duration::from_secs(10),
            max_waiters: 0,
            tombstone: Duration::from_secs(3600),
            grace: Duration::from_secs(10),
            namespace: Namespace::EMPTY,
            user: UserPath::NONE,
            migration: MigrationSettings::default(),
        }
    }
}

impl Settings {
    /// The lock mode of the next session of this request.
    pub(crate) fn lock(&self) -> LockMode {
        self.script_lock.unwrap_or(self.lock)
    }

    /// The terms on which sessions end whose id was replaced by another, for payloads that are encoded as `format` says.
    pub(crate) fn terms(&self, format: fn(&[u8]) -> Format) -> Terms {
        let end = End { tombstone: self.tombstone, grace: self.grace };
        Terms { end, format, user: self.user.clone(), version: self.version }
    }

    /// The terms on which a session is acquired; `lock` goes before the lock mode of the settings.
    pub(crate) fn acquire<'a>(&self, lock: Option<LockMode>, gc_maxlifetime: i64, script: &'a [u8]) -> Acquire<'a> {
        Acquire {
            mode: lock.unwrap_or_else(|| self.lock()),
            wait: self.lock_wait,
            lock_ttl: self.lock_ttl,
            max_waiters: self.max_waiters,
            lifetime: directives::lifetime(gc_maxlifetime),
            script,
            since: None,
            drawn: false,
        }
    }
}

/// The values of the directives of moving from another session handler.
#[derive(Default)]
pub(crate) struct MigrationSettings {
    /// `cloakroom.migrate_from`.
    pub(crate) from: Option<Arc<dyn Source>>,
    /// `cloakroom.migrate_to`.
    pub(crate) to: Option<Arc<Files>>,
}

impl MigrationSettings {
    /// How a handler migrates that is opened now, for sessions of this lifetime; `None` where it does not.
    #[inline]
    pub(crate) fn of_session(&self, lifetime: zend_long) -> Option<Migration> {
        if self.from.is_none() && self.to.is_none() { None } else { Some(self.of(php::format(), lifetime)) }
    }

    /// [`MigrationSettings::of_session`] of a handler object that nobody opened: what it is given need not be `$_SESSION`.
    pub(crate) fn of_any_payload(&self, lifetime: zend_long) -> Option<Migration> {
        if self.from.is_none() && self.to.is_none() { None } else { Some(self.of(Format::Opaque, lifetime)) }
    }

    fn of(&self, format: Format, lifetime: zend_long) -> Migration {
        let lifetime = directives::lifetime(lifetime);
        Migration { from: self.from.clone(), to: self.to.clone(), format, lifetime }
    }
}
