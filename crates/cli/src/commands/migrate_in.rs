//! `cloakroom import --from`: migrating all sessions of another session handler, while both are used. Repeated, it only
//! migrates sessions that the store does not have yet.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use cloakroom_migration::{Error, Source, parse};
use cloakroom_session::error::RequestError;
use cloakroom_session::merge::Format;
use cloakroom_session::migration::{MigratedIn, Migration};
use cloakroom_session::{Namespace, SessionId, Store};
use serde_json::json;

use super::skipped::Skipped;
use crate::arguments::{Encoding, OtherSide, Place};
use crate::failure::{Code, Refusal};
use crate::place::Attached;
use crate::terminal::{print, print_json, progress};

/// How sessions are migrated.
pub(super) struct Manner {
    pub(super) lifetime: Duration,
    pub(super) encoding: Encoding,
    pub(super) size: Option<u64>,
    pub(super) dry_run: bool,
    pub(super) json: bool,
}

/// How many sessions had which outcome.
#[derive(Default)]
struct Tally {
    migrated: u64,
    /// Were in the store already, or were destroyed in it.
    present: u64,
    /// Have expired in the source, or hold nothing.
    expired: u64,
    refused: u64,
    /// Why the first one was refused.
    reason: Option<String>,
    skipped: Skipped,
}

pub(super) fn run(place: &Place, from: &str, side: &OtherSide, manner: &Manner) -> Result<Code> {
    let namespace = namespace(side)?;
    let wrong = |error: cloakroom_migration::ParseError| Refusal::Usage(format!("--from: {error}"));
    // Whatever is wrong with it is found out before a store is made.
    parse(from.as_bytes(), None).map_err(wrong)?;
    let of_files = from.starts_with("files:");
    let open = |attached: Option<&Attached>| -> Result<Arc<dyn Source>> {
        if of_files {
            Ok(Arc::new(place.files(from, "--from", attached)?))
        } else {
            Ok(parse(from.as_bytes(), None).map_err(wrong)?)
        }
    };
    if manner.dry_run {
        let from = open(None)?;
        let (sessions, skipped) = if of_files { examine(&*from)? } else { (count(&*from)?, Skipped::default()) };
        let text = format!("{sessions} sessions\n{}", skipped.text());
        return report(manner, Code::Done, &json!({ "sessions": sessions, "skipped": skipped.figures() }), &text);
    }
    let attached = place.attach_or_make(manner.size)?;
    let from = open(Some(&attached))?;
    let sessions = count(&*from)?;
    let format = match manner.encoding {
        Encoding::Php => Format::Php,
        Encoding::PhpSerialize => Format::PhpSerialize,
        Encoding::PhpBinary => Format::PhpBinary,
        Encoding::Other => Format::Opaque,
    };
    let migration = Migration { from: Some(Arc::clone(&from)), to: None, format, lifetime: manner.lifetime };
    let mut tally = Tally::default();
    let mut failed = None;
    let bar = progress(sessions, "sessions");
    let walked = from.each(&mut |id| {
        bar.inc(1);
        match migrate_in(&migration, &*attached.store, &namespace, id, side.wait, &mut tally) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    bar.finish_and_clear();
    let Tally { migrated, present, expired, refused, reason, skipped } = tally;
    failed.map_or(Ok(()), Err).and(walked.map_err(anyhow::Error::from)).with_context(|| {
        format!("{migrated} sessions were migrated, then this happened; to go on, do the same again")
    })?;
    let figures = json!({
        "taken": migrated, "present": present, "expired": expired, "refused": refused, "reason": reason,
        "skipped": skipped.figures(),
    });
    let mut text = format!("{migrated} sessions were migrated\n");
    for (number, what) in [
        (present, "were here already, or were destroyed here, and stay so"),
        (expired, "have expired there, or hold nothing"),
        (refused, "were refused and stay there"),
    ] {
        if number > 0 {
            text.push_str(&format!("{number} {what}\n"));
        }
    }
    text.push_str(&skipped.text());
    if let Some(reason) = reason {
        text.push_str(&format!("the first that was refused: {reason}\n"));
    }
    report(manner, if refused == 0 { Code::Done } else { Code::Failed }, &figures, &text)
}

/// The namespace that is named.
pub(super) fn namespace(side: &OtherSide) -> Result<Namespace> {
    Ok(Namespace::parse(side.namespace.as_bytes()).map_err(|error| Refusal::Usage(format!("--namespace: {error}")))?)
}

fn report(manner: &Manner, code: Code, figures: &serde_json::Value, text: &str) -> Result<Code> {
    if manner.json {
        print_json(figures)?;
    } else {
        print(text)?;
    }
    Ok(code)
}

fn count(from: &dyn Source) -> Result<u64> {
    let mut sessions = 0;
    from.each(&mut |_| {
        sessions += 1;
        ControlFlow::Continue(())
    })?;
    Ok(sessions)
}

/// How many sessions there are for the user who is meant, and what is none.
fn examine(from: &dyn Source) -> Result<(u64, Skipped)> {
    let (mut sessions, mut skipped) = (0, Skipped::default());
    from.each(&mut |id| {
        match from.has(id, Duration::MAX) {
            Err(Error::Foreign { found, .. }) => skipped.add(found),
            // An import says what is wrong with it.
            _ => sessions += 1,
        }
        ControlFlow::Continue(())
    })?;
    Ok((sessions, skipped))
}

/// Migrates one session. What is wrong with that one alone is counted.
fn migrate_in(
    migration: &Migration,
    store: &dyn Store,
    namespace: &Namespace,
    id: &[u8],
    wait: Duration,
    tally: &mut Tally,
) -> Result<()> {
    let migrated = match SessionId::parse(id) {
        Ok(parsed) => migration.migrate_in(store, &store.key(namespace, &parsed), id, wait),
        Err(error) => Err(error.into()),
    };
    match migrated {
        Ok(MigratedIn::Stored) => tally.migrated += 1,
        Ok(MigratedIn::Present) => tally.present += 1,
        Ok(MigratedIn::Absent) => tally.expired += 1,
        Err(RequestError::Migration(Error::Foreign { found, .. })) => tally.skipped.add(found),
        Err(error) if is_of_one(&error) => {
            tally.refused += 1;
            tally.reason.get_or_insert_with(|| error.to_string());
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Whether a failure is about one session, and not about a storage.
fn is_of_one(error: &RequestError) -> bool {
    matches!(
        error,
        RequestError::Id(_)
            | RequestError::OtherFormat { .. }
            | RequestError::Migration(Error::Busy { .. } | Error::Unusable { .. } | Error::TooLarge { .. })
    )
}
