//! `Cloakroom\status()`: the figures of the store of the current save path.

use std::mem::MaybeUninit;

use cloakroom_session::{LockMode, StoreError};
use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::prelude::*;
use ext_php_rs::types::ZendHashTable;
use ext_php_rs::zend::BailoutGuard;

use crate::worker::{Worker, guarded};
use crate::{attach, php, warning};

/// What is told, collected before any PHP memory is allocated.
struct Status {
    store: String,
    lock: LockMode,
    figures: Vec<(&'static str, u64)>,
}

/// Tells what is in the store of the current `session.save_path` and what was done with it.
#[php_function]
#[php(name = "Cloakroom\\status")]
pub(crate) fn status() -> PhpResult<ZBox<ZendHashTable>> {
    let mut room = MaybeUninit::uninit();
    // SAFETY: PHP's own C string, which nothing changes during this call.
    let Some(directory) = (unsafe { attach::directory(php::save_path(), &mut room) }) else {
        return Ok(ZendHashTable::new());
    };
    let Some(status) = guarded(|worker| look(worker, directory)) else {
        warning::raise();
        return Ok(ZendHashTable::new());
    };
    // Filling the array may exceed memory_limit, which skips destructors but not that of the guard.
    let status = BailoutGuard::new(status);
    let mut table = ZendHashTable::new();
    table.insert("store", status.store.as_str())?;
    table.insert(
        "lock",
        match status.lock {
            LockMode::Exclusive => "exclusive",
            LockMode::Merge => "merge",
            LockMode::None => "none",
        },
    )?;
    for &(name, figure) in &status.figures {
        table.insert(name, i64::try_from(figure).unwrap_or(i64::MAX))?;
    }
    Ok(table)
}

/// The function as PHP registers it.
pub(crate) fn function() -> FunctionBuilder<'static> {
    wrap_function!(status)
}

fn look(Worker { stores, settings, .. }: &mut Worker, directory: &[u8]) -> Result<Status, StoreError> {
    let store = stores.look(directory, settings.size)?;
    Ok(Status { store: store.location(), lock: settings.lock(), figures: store.status()? })
}
