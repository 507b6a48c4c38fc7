//! `Cloakroom\doctor()`: what is wrong with the settings, the place and the store of sessions, and what to do.

use std::ffi::{CStr, OsStr};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use cloakroom_session::doctor::place::Place;
use cloakroom_session::doctor::{self, Finding, settings};
use cloakroom_session::seam::printable::harmless;
use cloakroom_session::{SavePath, StoreError};
use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::prelude::*;
use ext_php_rs::types::ZendHashTable;
use ext_php_rs::zend::BailoutGuard;

use crate::worker::guard::guarded;
use crate::worker::stores::is_directory;
use crate::worker::{Worker, warning};
use crate::zend::php::{self, PathBuffer};

/// Examines settings, place and store of the sessions of this process. Each finding has a level (ok, warn, bad), a subject,
/// what was found and what to do.
#[php_function]
#[php(name = "Cloakroom\\doctor")]
pub(crate) fn doctor() -> PhpResult<ZBox<ZendHashTable>> {
    let mut list = ZendHashTable::new();
    let mut room = MaybeUninit::uninit();
    let place = place(&mut room);
    let findings = guarded(|worker| {
        let mut findings = vec![versions()];
        findings.extend(settings::examine(&|name| {
            php::setting(name).map(|value| String::from_utf8_lossy(value).into_owned())
        }));
        findings.extend(place.map_or_else(|refusal| vec![refusal], |place| examine(worker, place)));
        Ok::<_, StoreError>(findings)
    });
    let Some(findings) = findings.map(BailoutGuard::new) else {
        warning::raise();
        return Ok(list);
    };
    for finding in findings.iter() {
        let mut row = ZendHashTable::new();
        row.insert("level", finding.level.as_str())?;
        row.insert("subject", finding.subject)?;
        row.insert("found", &*harmless(&finding.found))?;
        row.insert("advice", &*harmless(&finding.advice))?;
        list.push(row)?;
    }
    Ok(list)
}

/// The function as PHP registers it.
pub(crate) fn function() -> FunctionBuilder<'static> {
    wrap_function!(doctor)
}

/// Where the sessions of this process are kept: an absolute directory or an address. Else what to say of it.
fn place(room: &mut PathBuffer) -> Result<&[u8], Finding> {
    const SUBJECT: &str = "session.save_path";
    let path = php::save_path();
    // SAFETY: PHP's own C string, which nothing changes during this call.
    let value = unsafe { php::c_bytes(path) };
    match SavePath::parse(value) {
        Ok(SavePath::Default) => php::temporary_directory().ok_or_else(|| {
            Finding::bad(
                SUBJECT,
                "it is empty, and PHP's temporary directory, which is then meant, is outside open_basedir",
                "set session.save_path to a directory inside",
            )
        }),
        Ok(SavePath::Directory(_)) => {
            // SAFETY: as above; the value is not empty here, so the pointer is not NULL.
            php::expand_path(unsafe { CStr::from_ptr(path) }, room)
                .ok_or_else(|| Finding::bad(SUBJECT, "it is longer than a path may be", "set it to a shorter one"))
        }
        Ok(SavePath::Redis(_)) => Ok(value),
        Err(refusal) => Err(Finding::failure(SUBJECT, &refusal.to_string())),
    }
}

fn examine(Worker { stores, settings, .. }: &mut Worker, place: &[u8]) -> Vec<Finding> {
    if !is_directory(place) {
        return doctor::remote(|| stores.look(place, settings.size));
    }
    let directory = Path::new(OsStr::from_bytes(place));
    doctor::local(&Place::own(directory, settings.size), || stores.look(place, settings.size))
}

fn versions() -> Finding {
    let (version, format) = (env!("CARGO_PKG_VERSION"), doctor::STORE_FORMAT);
    Finding::ok("versions", format!("Cloakroom {version}, store format {format}, built for {}", php::build()))
}
