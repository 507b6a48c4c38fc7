//! `cloakroom show`: one session with its payload, on explicit request.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Result;
use cloakroom_session::name::Name;
use cloakroom_session::seam::Entry;
use serde_json::json;

use super::list::{described, flags};
use crate::arguments::Place;
use crate::escape::hexadecimal;
use crate::failure::{Code, Refusal};
use crate::measures::{duration, size};
use crate::php::scan::{Format, Unshown, detect};
use crate::php::{Decoded, decode, tree};
use crate::selection::{named, now};
use crate::terminal::{HEADER, print, print_json};

/// Bytes of a payload that cannot be decoded that are shown.
const MOST_BYTES: usize = 256;

/// How the payload is shown.
pub(super) struct Manner {
    pub(super) format: Option<Format>,
    pub(super) full: bool,
    pub(super) raw: bool,
    pub(super) json: bool,
}

pub(super) fn run(place: &Place, session: &str, manner: &Manner) -> Result<Code> {
    let mut stdout = std::io::stdout();
    if manner.raw && stdout.is_terminal() {
        return Err(
            Refusal::Usage("--raw is not for a terminal, which might obey what is in the payload".to_owned()).into()
        );
    }
    let attached = place.attach()?;
    let inventory = attached.inventory()?;
    let key = named(inventory, session)?.key;
    let gone = || Refusal::NoSession("the session ended while it was looked for".to_owned());
    let (entry, payload) = inventory.inspect(&key)?.ok_or_else(gone)?;
    if manner.raw {
        stdout.write_all(&payload)?;
        stdout.flush()?;
        return Ok(Code::Done);
    }
    let format = manner.format.map_or_else(|| detect(&payload), Ok);
    let decoded = format.and_then(|format| Ok((format, decode(&payload, format)?)));
    if manner.json {
        print_json(&as_json(&entry, &payload, &decoded)?)?;
    } else {
        print(&as_text(&entry, &payload, &decoded, manner.full))?;
    }
    Ok(Code::Done)
}

fn as_json(entry: &Entry, payload: &[u8], decoded: &Result<(Format, Decoded), Unshown>) -> Result<serde_json::Value> {
    let mut shown = described(entry);
    match decoded {
        Ok((format, decoded)) => {
            shown["format"] = json!(format.name());
            shown["payload"] = serde_json::to_value(decoded)?;
        }
        Err(reason) => {
            shown["format"] = json!(null);
            shown["undecoded"] = json!(format!("the payload {reason}"));
            shown["bytes"] = json!(hexadecimal(payload));
        }
    }
    Ok(shown)
}

fn as_text(entry: &Entry, payload: &[u8], decoded: &Result<(Format, Decoded), Unshown>, full: bool) -> String {
    let now = now();
    let format = match decoded {
        _ if payload.is_empty() => "none: the session holds nothing",
        Ok((format, _)) => format.name(),
        Err(_) => "not decoded",
    };
    let ago = |time: u64| format!("{} ago", duration(now.saturating_sub(time)));
    let lines = [
        ("session", Name::of(&entry.key).to_string()),
        ("created", ago(entry.created)),
        ("last used", ago(entry.used)),
        ("expires in", duration(entry.expires.saturating_sub(now))),
        ("size", size(entry.size)),
        ("version", format!("{} of incarnation {}", entry.version, entry.incarnation)),
        ("flags", flags(entry)),
        ("format", format.to_owned()),
    ];
    let head = lines.iter().filter(|(_, value)| !value.is_empty());
    let head: String = head.map(|(name, value)| format!("{HEADER}{name:<12}{HEADER:#}{value}\n")).collect();
    match decoded {
        Ok((_, decoded)) if decoded.variables.is_empty() => head,
        Ok((_, decoded)) => format!("{head}\n{}", tree::render(decoded, full)),
        Err(reason) => format!("{head}\nThe payload {reason}.\n{}", dump(payload, full)),
    }
}

/// Bytes as hexadecimal digits, 32 bytes a line.
fn dump(payload: &[u8], full: bool) -> String {
    let shown = if full { payload } else { payload.get(..MOST_BYTES).unwrap_or(payload) };
    let mut text: String = shown.chunks(32).map(|line| format!("  {}\n", hexadecimal(line))).collect();
    if shown.len() < payload.len() {
        text.push_str(&format!("  … {} bytes in all\n", payload.len()));
    }
    text
}
