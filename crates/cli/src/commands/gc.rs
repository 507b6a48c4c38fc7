//! `cloakroom gc`: removing what has expired.

use anyhow::Result;
use cloakroom_session::Effort;
use serde_json::json;

use crate::arguments::Place;
use crate::failure::Code;
use crate::terminal::{print, print_json};

pub(super) fn run(place: &Place, as_json: bool) -> Result<Code> {
    let removed = place.attach()?.store.collect(Effort::All)?;
    if as_json {
        print_json(&json!({ "removed": removed }))?;
    } else {
        print(&format!("{removed} expired {} removed\n", if removed == 1 { "session" } else { "sessions" }))?;
    }
    Ok(Code::Done)
}
