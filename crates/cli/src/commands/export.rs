//! `cloakroom export`: all sessions of a store in one file, read while the store is used.

use std::io::{BufWriter, IsTerminal as _, Write};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context as _, Result};
use cloakroom_paths::Links;
use cloakroom_paths::file::Made;
use cloakroom_session::{Inventory, StoreError};
use rustix::io::Errno;
use serde_json::json;

use crate::archive::Writer;
use crate::arguments::Place;
use crate::failure::{Code, Refusal};
use crate::room::Roomy;
use crate::selection::now;
use crate::terminal::{print, print_json, progress};

/// How many sessions had which outcome.
#[derive(Default)]
struct Tally {
    exported: u64,
    bytes: u64,
    damaged: u64,
}

pub(super) fn run(place: &Place, file: &Path, force: bool, as_json: bool) -> Result<Code> {
    let attached = place.attach()?;
    let inventory = attached.inventory()?;
    let figures = attached.store.status()?;
    let total = figures.iter().find(|(name, _)| *name == "sessions").map_or(0, |(_, sessions)| *sessions);
    let to_stdout = file == Path::new("-");
    let tally = if to_stdout {
        if std::io::stdout().is_terminal() {
            return Err(Refusal::Usage("an export is not for a terminal: name a file".to_owned()).into());
        }
        write(inventory, Roomy::new(std::io::stdout().lock())?, total)?
    } else {
        let made = make(file, force)?;
        let written = Roomy::new(made.file()).map_err(Into::into).and_then(|out| write(inventory, out, total));
        let written = written.and_then(|tally| {
            made.file().sync_all()?;
            made.keep()?;
            Ok(tally)
        });
        written.with_context(|| format!("cannot write {}", file.display()))?
    };
    let Tally { exported, bytes, damaged } = tally;
    if damaged > 0 {
        eprintln!("cloakroom: {damaged} damaged sessions were left out; see cloakroom check");
    }
    if as_json && !to_stdout {
        print_json(&json!({ "exported": exported, "payload_bytes": bytes, "damaged": damaged }))?;
    } else if !to_stdout {
        print(&format!("{exported} sessions with {bytes} bytes were exported to {}\n", file.display()))?;
    }
    Ok(if damaged == 0 { Code::Done } else { Code::Damaged })
}

/// Makes the file, for no other user to read: its contents open every session. Half an export is none, so what it replaces stays
/// until it is whole.
fn make(file: &Path, force: bool) -> Result<Made> {
    let links = Links::for_the_caller();
    match if force { Made::instead(file, links) } else { Made::new(file, links) } {
        Err(error) if error.errno() == Some(Errno::EXIST) => {
            Err(Refusal::Usage(format!("{} is there already: give --force to replace it", file.display())).into())
        }
        made => made.with_context(|| format!("cannot make {}", file.display())),
    }
}

fn write(inventory: &dyn Inventory, out: impl Write, total: u64) -> Result<Tally> {
    let mut writer = Writer::begin(BufWriter::new(out), inventory.key_origin(), now())?;
    let bar = progress(total, "sessions");
    let mut tally = Tally::default();
    let mut failed = None;
    let walked = inventory.walk(&mut |met| {
        bar.inc(1);
        match add(inventory, &met.key, &mut writer, &mut tally) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    bar.finish_and_clear();
    if let Some(error) = failed {
        return Err(error);
    }
    match walked {
        Err(StoreError::Damaged { .. }) => tally.damaged += 1,
        walked => walked?,
    }
    writer.finish()?.flush()?;
    Ok(tally)
}

/// Writes one session, unless it has ended or is about to.
fn add(
    inventory: &dyn Inventory,
    key: &cloakroom_session::Key,
    writer: &mut Writer<impl Write>,
    tally: &mut Tally,
) -> Result<()> {
    match inventory.inspect(key) {
        Ok(Some((entry, payload))) if !entry.retired => {
            writer.add(&entry, &payload)?;
            tally.exported += 1;
            tally.bytes += entry.size;
        }
        Ok(_) => {}
        Err(StoreError::Damaged { .. }) => tally.damaged += 1,
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
