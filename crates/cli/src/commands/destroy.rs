//! `cloakroom destroy`: ending sessions, after asking.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::Result;
use cloakroom_session::Inventory;
use cloakroom_session::name::Name;
use cloakroom_session::seam::End;
use cloakroom_session::seam::Entry;
use serde_json::json;

use crate::arguments::{Filter, Place};
use crate::failure::{Code, Refusal};
use crate::measures::duration;
use crate::selection::{is_idle, named, now, select};
use crate::terminal::{print, print_json, progress};

/// Which sessions are to end.
pub(super) enum Which {
    Named(String),
    All,
    Idle(Duration),
}

pub(super) fn run(place: &Place, which: &Which, yes: bool, tombstone: Duration, as_json: bool) -> Result<Code> {
    let attached = place.attach()?;
    let inventory = attached.inventory()?;
    let (sessions, what) = chosen(inventory, which)?;
    if !yes && !sessions.is_empty() && !confirmed(&what)? {
        eprintln!("nothing was destroyed");
        return Ok(Code::Failed);
    }
    let bar = progress(sessions.len() as u64, "sessions");
    let mut destroyed = 0u64;
    for session in bar.wrap_iter(sessions.iter()) {
        // A visitor may have come back while the question stood.
        if let Which::Idle(idle) = which
            && !inventory.inspect(&session.key)?.is_some_and(|(entry, _)| is_idle(&entry, *idle, now()))
        {
            continue;
        }
        destroyed += u64::from(attached.store.destroy(&session.key, End::at_once(tombstone))?);
    }
    bar.finish_and_clear();
    if as_json {
        print_json(&json!({ "destroyed": destroyed }))?;
    } else {
        print(&format!("{destroyed} {} destroyed\n", if destroyed == 1 { "session" } else { "sessions" }))?;
    }
    Ok(Code::Done)
}

/// The sessions, and what to call them in the question.
fn chosen(inventory: &dyn Inventory, which: &Which) -> Result<(Vec<Entry>, String)> {
    let none = Filter { idle: None, larger: None, reserved: false, locked: false };
    Ok(match which {
        Which::Named(name) => {
            let entry = named(inventory, name)?;
            (vec![entry], format!("the session {}", Name::of(&entry.key).short()))
        }
        Which::All => {
            let entries = select(inventory, &none)?;
            let what = format!("all {} sessions", entries.len());
            (entries, what)
        }
        Which::Idle(idle) => {
            let entries = select(inventory, &Filter { idle: Some(*idle), ..none })?;
            let what = format!("{} sessions that were not used for {}", entries.len(), duration(idle.as_secs()));
            (entries, what)
        }
    })
}

/// Asks on the terminal; without one, no user can have agreed.
fn confirmed(what: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Refusal::Usage("there is no terminal to ask on: give --yes to destroy sessions".to_owned()).into());
    }
    eprint!("Destroy {what}? Type yes to do it: ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}
