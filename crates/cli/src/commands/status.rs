//! `cloakroom status`: the figures of a store.

use anyhow::Result;
use serde_json::{Map, Value};

use crate::arguments::Place;
use crate::failure::Code;
use crate::terminal::{print, print_json};

pub(super) fn run(place: &Place, json: bool) -> Result<Code> {
    let store = place.attach()?.store;
    let figures = store.status()?;
    if json {
        let mut map = Map::new();
        map.insert("store".to_owned(), Value::from(store.location()));
        map.extend(figures.iter().map(|(name, figure)| ((*name).to_owned(), Value::from(*figure))));
        print_json(&map)?;
        return Ok(Code::Done);
    }
    let lines = figures.iter().map(|(name, figure)| format!("{:<20}{figure:>16}\n", name.replace('_', " ")));
    print(&lines.collect::<String>())?;
    Ok(Code::Done)
}
