//! `cloakroom import`: taking in the sessions of an exported file. The file is verified from beginning to end before
//! anything is changed.

use std::fs::File;
use std::io::{BufReader, Seek as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use cloakroom_paths::Links;
use cloakroom_session::Store;
use cloakroom_session::seam::{KeyOrigin, Restore, Restored};
use cloakroom_store::Options;
use serde_json::json;

use crate::archive::Reader;
use crate::arguments::Place;
use crate::failure::{Code, Refusal};
use crate::place::Attached;
use crate::selection::now;
use crate::terminal::{print, print_json, progress};

/// How many sessions of the file had which outcome.
#[derive(Default)]
struct Tally {
    imported: u64,
    /// Were in the store already.
    present: u64,
    /// Were destroyed at the destination.
    ended: u64,
    /// Have expired since they were exported.
    expired: u64,
}

pub(super) fn run(place: &Place, file: &Path, size: Option<u64>, dry_run: bool, as_json: bool) -> Result<Code> {
    let unreadable = || format!("cannot import {}", file.display());
    // What is verified is what is imported: it is opened once.
    let opened = cloakroom_paths::file::open(file, Links::for_the_caller()).with_context(unreadable)?;
    let (origin, sessions) = verify(&opened).with_context(unreadable)?;
    if dry_run {
        return report(as_json, &json!({ "sessions": sessions }), &format!("{sessions} sessions, all whole\n"));
    }
    let attached = destination(place, origin, size)?;
    let mut tally = Tally::default();
    let restored = restore(&opened, &*attached.store, sessions, &mut tally);
    let Tally { imported, present, ended, expired } = tally;
    restored
        .with_context(unreadable)
        .with_context(|| format!("{imported} sessions were imported, then this happened"))?;
    let figures = json!({ "imported": imported, "present": present, "ended": ended, "expired": expired });
    let mut text = format!("{imported} of {sessions} sessions were imported\n");
    for (number, why) in [
        (present, "were there already and stayed as they are"),
        (ended, "were destroyed here and stay destroyed"),
        (expired, "have expired since they were exported"),
    ] {
        if number > 0 {
            text.push_str(&format!("{number} {why}\n"));
        }
    }
    report(as_json, &figures, &text)
}

/// The store to import into, which must make keys as the sessions of the file have them.
fn destination(place: &Place, origin: KeyOrigin, size: Option<u64>) -> Result<Attached> {
    match (origin, place.address()) {
        (KeyOrigin::LocalSecret(secret), None) => {
            place.make(Options { capacity: size, user: place.user()? }, &secret)
        }
        (KeyOrigin::RemoteHash, Some(_)) => place.attach(),
        (KeyOrigin::LocalSecret(_), Some(_)) | (KeyOrigin::RemoteHash, None) => Err(Refusal::Usage(
            "sessions cannot be moved between a directory and servers: the keys under which they are kept are made of their ids \
             in different ways, and the ids are in neither store"
                .to_owned(),
        )
        .into()),
    }
}

fn report(as_json: bool, figures: &serde_json::Value, text: &str) -> Result<Code> {
    if as_json {
        print_json(figures)?;
    } else {
        print(text)?;
    }
    Ok(Code::Done)
}

/// Reads the file from its beginning.
fn begin(mut file: &File) -> Result<Reader<BufReader<&File>>> {
    file.rewind()?;
    Reader::begin(BufReader::new(file))
}

/// Reads all of the file; how its keys were made, and the number of sessions.
fn verify(file: &File) -> Result<(KeyOrigin, u64)> {
    let mut reader = begin(file)?;
    let mut sessions = 0;
    while reader.next()?.is_some() {
        sessions += 1;
    }
    Ok((reader.origin, sessions))
}

fn restore(file: &File, store: &dyn Store, sessions: u64, tally: &mut Tally) -> Result<()> {
    let inventory = store.inventory().context("the store takes nothing in")?;
    let mut reader = begin(file)?;
    let bar = progress(sessions, "sessions");
    while let Some(record) = reader.next()? {
        bar.inc(1);
        let lifetime = Duration::from_secs(record.expires.saturating_sub(now()));
        if lifetime.is_zero() {
            tally.expired += 1;
            continue;
        }
        let session =
            Restored { payload: &record.payload, created: record.created, lifetime, returned: record.returned };
        match inventory.restore(&record.key, &session)? {
            Restore::Stored => tally.imported += 1,
            Restore::Exists => tally.present += 1,
            Restore::Ended => tally.ended += 1,
        }
    }
    bar.finish_and_clear();
    Ok(())
}
