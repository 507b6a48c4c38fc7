//! The functions that tell about the store of the current save path: `Cloakroom\status()`, `Cloakroom\metrics()` and
//! `Cloakroom\survey()`.
//!
//! Each collects what it tells before any PHP memory is allocated, because filling an array may exceed memory_limit, which
//! skips all destructors but those of guards.

use std::mem::MaybeUninit;

use cloakroom_session::survey::{Histogram, Survey};
use cloakroom_session::{LockMode, Store, StoreError, metrics as exposition};
use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::{FunctionBuilder, ModuleBuilder};
use ext_php_rs::convert::IntoZval;
use ext_php_rs::flags::DataType;
use ext_php_rs::prelude::*;
use ext_php_rs::types::{ZendHashTable, ZendStr, Zval};
use ext_php_rs::zend::BailoutGuard;

use crate::directives::save_path;
use crate::settings::Settings;
use crate::worker::guard::guarded;
use crate::worker::{Worker, warning};
use crate::zend::php;

struct Status {
    store: String,
    lock: LockMode,
    figures: Vec<(&'static str, u64)>,
}

/// Tells what is in the store of the current `session.save_path` and what was done with it.
#[php_function]
#[php(name = "Cloakroom\\status")]
pub(crate) fn status() -> PhpResult<ZBox<ZendHashTable>> {
    let status =
        ask(|store, settings| Ok(Status { store: store.location(), lock: settings.lock(), figures: store.status()? }));
    let mut table = ZendHashTable::new();
    let Some(status) = status else { return Ok(table) };
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
        table.insert(name, integer(figure))?;
    }
    Ok(table)
}

/// The same figures in the OpenMetrics text format.
#[php_function]
#[php(name = "Cloakroom\\metrics")]
pub(crate) fn metrics() -> PhpString {
    let text = ask(|store, _| exposition::of(store, env!("CARGO_PKG_VERSION")));
    PhpString(ZendStr::new(text.as_ref().map_or("", |text| text.as_str()), false))
}

/// A string in PHP's memory, given to the script without another copy.
pub(crate) struct PhpString(ZBox<ZendStr>);

impl IntoZval for PhpString {
    const TYPE: DataType = DataType::String;
    const NULLABLE: bool = false;

    fn set_zval(self, zval: &mut Zval, _persistent: bool) -> ext_php_rs::error::Result<()> {
        zval.set_zend_string(self.0);
        Ok(())
    }
}

/// Tells how large and how old the sessions are.
#[php_function]
#[php(name = "Cloakroom\\survey")]
pub(crate) fn survey() -> PhpResult<ZBox<ZendHashTable>> {
    let survey = ask(|store, _| Ok(store.sample()?.map(|sample| Survey::of(&sample))));
    let mut table = ZendHashTable::new();
    let Some(Some(survey)) = survey.as_deref() else { return Ok(table) };
    table.insert("complete", survey.complete)?;
    table.insert("sampled", integer(survey.sampled))?;
    table.insert("returned", integer(survey.returned))?;
    table.insert("largest", integer(survey.largest))?;
    table.insert("sizes", steps(&survey.sizes)?)?;
    table.insert("ages", steps(&survey.ages)?)?;
    table.insert("idle", steps(&survey.idle)?)?;
    Ok(table)
}

fn steps(histogram: &Histogram) -> PhpResult<ZBox<ZendHashTable>> {
    let mut steps = ZendHashTable::new();
    for &(below, sessions) in histogram {
        let mut step = ZendHashTable::new();
        step.insert("below", below.map(integer))?;
        step.insert("sessions", integer(sessions))?;
        steps.push(step)?;
    }
    Ok(steps)
}

/// The functions as PHP registers them.
pub(crate) fn functions(builder: ModuleBuilder<'static>) -> ModuleBuilder<'static> {
    let functions: [FunctionBuilder<'static>; 3] =
        [wrap_function!(status), wrap_function!(metrics), wrap_function!(survey)];
    functions.into_iter().fold(builder, ModuleBuilder::function)
}

/// PHP's integers are signed; there is no store with 2^63 of anything.
fn integer(figure: u64) -> i64 {
    i64::try_from(figure).unwrap_or(i64::MAX)
}

/// The answer of the current save path's store, guarded against a jump over this frame. `None` where there is no store
/// or it fails; PHP has then been told why.
fn ask<T: 'static>(question: impl FnOnce(&dyn Store, &Settings) -> Result<T, StoreError>) -> Option<BailoutGuard<T>> {
    let mut room = MaybeUninit::uninit();
    // SAFETY: PHP's own C string, which nothing changes during this call.
    let place = unsafe { save_path::place(php::save_path(), &mut room) }?;
    let answer = guarded(|Worker { stores, settings, .. }| {
        let store = stores.look(place, settings.size)?;
        question(&*store, settings)
    });
    if answer.is_none() {
        warning::raise();
    }
    answer.map(BailoutGuard::new)
}
