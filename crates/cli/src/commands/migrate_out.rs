//! `cloakroom export --to`: migrating sessions out to PHP's handler `files`.
//!
//! A file's name is the session's id, which a store does not have and which cannot be computed from what it has. So the
//! ids come from elsewhere: from the files that lie in the directory, also empty ones that `cloakroom.migrate_to` left, and
//! from a list.
//!
//! A file that still holds a session which was emptied or ended in the store is emptied: its visitor was logged out.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use cloakroom_migration::address::parse_files;
use cloakroom_migration::files::{Files, Filled};
use cloakroom_migration::{Error, Source as _};
use cloakroom_paths::Links;
use cloakroom_session::{Inventory, Key, Namespace, SessionId, StoreError};
use serde_json::json;

use super::migrate_in::namespace;
use super::skipped::Skipped;
use crate::arguments::{OtherSide, Place};
use crate::failure::{Code, Refusal};
use crate::place::Attached;
use crate::terminal::{print, print_json, progress};

/// How many sessions had which outcome.
#[derive(Default)]
struct Tally {
    written: u64,
    /// The files held them already.
    unchanged: u64,
    /// Files of sessions that were emptied or ended in the store.
    emptied: u64,
    /// Ids without a session in the store.
    absent: u64,
    refused: u64,
    /// Why the first one was refused.
    reason: Option<String>,
    skipped: Skipped,
    /// Keys of sessions that are dealt with.
    known: HashSet<Key>,
}

struct Work<'a> {
    attached: &'a Attached,
    inventory: &'a dyn Inventory,
    namespace: Namespace,
    files: Files,
    wait: Duration,
    tally: Tally,
}

pub(super) fn run(place: &Place, to: &str, ids: Option<&Path>, side: &OtherSide, as_json: bool) -> Result<Code> {
    let wrong = |error: cloakroom_migration::ParseError| Refusal::Usage(format!("--to: {error}"));
    // Whatever is wrong with it is found out before anything is asked of the store.
    parse_files(to.as_bytes(), None).map_err(wrong)?;
    let lines = ids.map(|list| lines(list).with_context(|| format!("cannot read {}", list.display()))).transpose()?;
    let attached = place.attach()?;
    let files = place.files(to, "--to", Some(&attached))?;
    let inventory = attached.inventory()?;
    let (namespace, wait, tally) = (namespace(side)?, side.wait, Tally::default());
    let mut work = Work { attached: &attached, inventory, namespace, files, wait, tally };
    if let Some(lines) = lines {
        // First: the files that are made for these need not be gone through before they exist.
        work.fill(lines.iter().map(Vec::as_slice), true)?;
    }
    let mut lying = Vec::new();
    work.files.each(&mut |id| {
        lying.push(id.to_vec());
        ControlFlow::Continue(())
    })?;
    work.fill(lying.iter().map(Vec::as_slice), false)?;
    let unnamed = work.count_unnamed()?;
    let Tally { written, unchanged, emptied, absent, refused, reason, skipped, .. } = work.tally;
    if as_json {
        print_json(&json!({
            "written": written, "unchanged": unchanged, "emptied": emptied, "absent": absent, "refused": refused, "reason": reason,
            "without_id": unnamed, "skipped": skipped.figures(),
        }))?;
    } else {
        let mut text = format!("{written} sessions were written to {}\n", to.escape_debug());
        for (number, what) in [
            (unchanged, "sessions were in their files already"),
            (emptied, "files were emptied, as their sessions were emptied or ended here"),
            (absent, "ids have no session here; their files were left as they are"),
            (unnamed, "sessions of the store have no id that is known, so they have no file"),
            (refused, "sessions could not be written"),
        ] {
            if number > 0 {
                text.push_str(&format!("{number} {what}\n"));
            }
        }
        text.push_str(&skipped.text());
        if let Some(reason) = reason {
            text.push_str(&format!("the first that could not: {reason}\n"));
        }
        print(&text)?;
    }
    Ok(if refused == 0 { Code::Done } else { Code::Failed })
}

/// The lines of a file of ids.
fn lines(list: &Path) -> Result<Vec<Vec<u8>>> {
    let read: Box<dyn BufRead> = if list == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(cloakroom_paths::file::open(list, Links::for_the_caller())?))
    };
    let lines = read.split(b'\n').collect::<std::io::Result<Vec<_>>>()?;
    Ok(lines.into_iter().map(|line| line.trim_ascii().to_vec()).filter(|line| !line.is_empty()).collect())
}

impl Work<'_> {
    fn fill<'a>(&mut self, ids: impl ExactSizeIterator<Item = &'a [u8]>, make: bool) -> Result<()> {
        let bar = progress(ids.len() as u64, "ids");
        for id in ids {
            bar.inc(1);
            self.fill_one(id, make)?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn fill_one(&mut self, id: &[u8], make: bool) -> Result<()> {
        let Ok(parsed) = SessionId::parse(id) else {
            self.refuse("an id holds other characters than Cloakroom accepts");
            return Ok(());
        };
        let key = self.attached.store.key(&self.namespace, &parsed);
        let found = self.inventory.inspect(&key).and_then(|found| match found {
            Some((entry, payload)) if !entry.retired && !payload.is_empty() => {
                Ok(Some((payload, UNIX_EPOCH + Duration::from_secs(entry.used))))
            }
            // A session that ended in the store must not come back from its file; one that the store never had is not ours.
            _ => Ok((!self.attached.store.is_vacant(&key)?).then(|| (Vec::new(), SystemTime::now()))),
        });
        let (payload, used) = match found {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.tally.absent += 1;
                return Ok(());
            }
            Err(error @ StoreError::Damaged { .. }) => {
                self.refuse(&error.to_string());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if !self.tally.known.insert(key) {
            return Ok(());
        }
        let made = if make && !payload.is_empty() { self.files.migrate_out(id) } else { Ok(()) };
        match made.and_then(|()| self.files.fill(id, &payload, used, self.wait)) {
            Ok(Filled::Written) if payload.is_empty() => self.tally.emptied += 1,
            Ok(Filled::Written) => self.tally.written += 1,
            Ok(Filled::Unchanged) if !payload.is_empty() => self.tally.unchanged += 1,
            Ok(Filled::Unchanged | Filled::Absent) => self.tally.absent += 1,
            Err(Error::Foreign { found, .. }) => self.tally.skipped.add(found),
            Err(error @ (Error::Busy { .. } | Error::Unusable { .. } | Error::TooLarge { .. })) => {
                self.refuse(&error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn refuse(&mut self, reason: &str) {
        self.tally.refused += 1;
        self.tally.reason.get_or_insert_with(|| reason.to_owned());
    }

    /// Sessions with a payload whose ids neither a file nor the list named.
    fn count_unnamed(&self) -> Result<u64> {
        let mut unnamed = 0;
        let walked = self.inventory.walk(&mut |entry| {
            let counts = !entry.retired && !entry.reserved && !self.tally.known.contains(&entry.key);
            unnamed += u64::from(counts);
            ControlFlow::Continue(())
        });
        match walked {
            // Damaged ones have been counted, or cannot be written anyway.
            Err(StoreError::Damaged { .. }) => {}
            walked => walked?,
        }
        Ok(unnamed)
    }
}
