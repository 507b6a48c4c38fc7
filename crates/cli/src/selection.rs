//! Which sessions are meant: by name, by age, by size.

use std::ops::ControlFlow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use cloakroom_session::Inventory;
use cloakroom_session::name::{Name, SHORT};
use cloakroom_session::seam::Entry;

use crate::arguments::Filter;
use crate::failure::Refusal;

/// Digits of a name that must be given at least.
const LEAST_DIGITS: usize = 4;

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Filter {
    fn fits(&self, entry: &Entry, now: u64) -> bool {
        self.idle.is_none_or(|idle| is_idle(entry, idle, now))
            && self.larger.is_none_or(|larger| entry.size > larger)
            && (!self.reserved || entry.reserved)
            && (!self.locked || entry.locked)
    }
}

/// Whether a session has not been used for longer than `idle`.
pub(crate) fn is_idle(entry: &Entry, idle: Duration, now: u64) -> bool {
    now.saturating_sub(entry.used) > idle.as_secs()
}

/// All sessions that fit.
pub(crate) fn select(inventory: &dyn Inventory, filter: &Filter) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let now = now();
    inventory.walk(&mut |entry| {
        if filter.fits(&entry, now) {
            entries.push(entry);
        }
        ControlFlow::Continue(())
    })?;
    Ok(entries)
}

/// The one session whose name begins with `prefix`.
pub(crate) fn named(inventory: &dyn Inventory, prefix: &str) -> Result<Entry> {
    let prefix = prefix.to_ascii_lowercase();
    if prefix.len() < LEAST_DIGITS || prefix.len() > 32 || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let what = format!("a session's name is {LEAST_DIGITS} to 32 hexadecimal digits, as list prints it");
        return Err(Refusal::Usage(what).into());
    }
    let mut found = Vec::new();
    inventory.walk(&mut |entry| {
        if Name::of(&entry.key).to_string().starts_with(&prefix) {
            found.push(entry);
        }
        ControlFlow::Continue(())
    })?;
    match found.as_slice() {
        [] => Err(Refusal::NoSession(format!("there is no session {prefix}")).into()),
        [only] => Ok(*only),
        several => {
            let what = format!(
                "the names of {} sessions begin with {prefix}: give more digits; list --json prints all 32",
                several.len()
            );
            Err(Refusal::NoSession(what).into())
        }
    }
}

/// Digits that tell all of these sessions apart: as few as people are usually shown, if that is enough.
pub(crate) fn digits(entries: &[Entry]) -> usize {
    let mut names: Vec<_> = entries.iter().map(|entry| Name::of(&entry.key).to_string()).collect();
    names.sort_unstable();
    let shared = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let most = names.windows(2).map(|pair| match pair {
        [a, b] => shared(a, b),
        _ => 0,
    });
    (most.max().unwrap_or(0) + 1).clamp(SHORT, 32)
}
