//! `cloakroom list`: the sessions by short names, with ages and sizes.

use std::cmp::Reverse;

use anyhow::Result;
use cloakroom_session::name::Name;
use cloakroom_session::seam::Entry;
use serde_json::{Value, json};

use crate::arguments::{Filter, Order, Place};
use crate::failure::Code;
use crate::measures::{duration, size};
use crate::selection::{digits, now, select};
use crate::terminal::{columns, is_for_people, print, print_json};

/// The order in which sessions are printed, and how many.
pub(super) struct Arrangement {
    pub(super) sort: Order,
    pub(super) reverse: bool,
    pub(super) limit: Option<usize>,
}

pub(super) fn run(place: &Place, filter: &Filter, arrangement: &Arrangement, json: bool) -> Result<Code> {
    let attached = place.attach()?;
    let mut entries = select(attached.inventory()?, filter)?;
    let digits = digits(&entries);
    arrange(&mut entries, arrangement);
    if json {
        print_json(&entries.iter().map(described).collect::<Vec<_>>())?;
        return Ok(Code::Done);
    }
    let now = now();
    let rows: Vec<_> = entries.iter().map(|entry| row(entry, digits, now)).collect();
    print(&columns(&["session", "age", "idle", "expires in", "size", "flags"], &[1, 2, 3, 4], &rows, is_for_people()))?;
    Ok(Code::Done)
}

fn arrange(entries: &mut Vec<Entry>, arrangement: &Arrangement) {
    let name = |entry: &Entry| Name::of(&entry.key);
    match arrangement.sort {
        Order::Idle => entries.sort_by_cached_key(|entry| (Reverse(entry.used), name(entry))),
        Order::Age => entries.sort_by_cached_key(|entry| (Reverse(entry.created), name(entry))),
        Order::Size => entries.sort_by_cached_key(|entry| (Reverse(entry.size), name(entry))),
        Order::Expiry => entries.sort_by_cached_key(|entry| (entry.expires, name(entry))),
        Order::Name => entries.sort_by_cached_key(name),
    }
    if arrangement.reverse {
        entries.reverse();
    }
    entries.truncate(arrangement.limit.unwrap_or(usize::MAX));
}

/// The states of a session, beside its figures.
pub(super) fn flags(entry: &Entry) -> String {
    let flags = [
        (entry.locked, "locked"),
        (entry.reserved, "reserved"),
        (entry.retired, "retired"),
        (!entry.returned && !entry.reserved, "new"),
    ];
    flags.iter().filter(|(is, _)| *is).map(|(_, flag)| *flag).collect::<Vec<_>>().join(" ")
}

fn row(entry: &Entry, digits: usize, now: u64) -> Vec<String> {
    let mut name = Name::of(&entry.key).to_string();
    name.truncate(digits);
    vec![
        name,
        duration(now.saturating_sub(entry.created)),
        duration(now.saturating_sub(entry.used)),
        duration(entry.expires.saturating_sub(now)),
        size(entry.size),
        flags(entry),
    ]
}

/// A session for programs: all digits of its name, times in seconds since 1970.
pub(super) fn described(entry: &Entry) -> Value {
    json!({
        "session": Name::of(&entry.key).to_string(),
        "created": entry.created,
        "used": entry.used,
        "expires": entry.expires,
        "size": entry.size,
        "incarnation": entry.incarnation,
        "version": entry.version,
        "reserved": entry.reserved,
        "returned": entry.returned,
        "locked": entry.locked,
        "retired": entry.retired,
    })
}
