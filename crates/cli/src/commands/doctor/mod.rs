//! `cloakroom doctor`: looks at where a store is or is to be, and at PHP's settings, and says what to change.

mod php;
mod store;

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::arguments::Place;
use crate::failure::Code;
use crate::terminal::{BAD, GOOD, HEADER, print, print_json};

/// How much something matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    /// As it should be.
    Good,
    /// Worth knowing; nothing has to be changed.
    Note,
    /// To be changed.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    weight: Weight,
    /// What is so, and what to do where it should not be.
    text: String,
}

impl Finding {
    fn good(text: impl Into<String>) -> Self {
        Self { weight: Weight::Good, text: text.into() }
    }

    fn note(text: impl Into<String>) -> Self {
        Self { weight: Weight::Note, text: text.into() }
    }

    fn problem(text: impl Into<String>) -> Self {
        Self { weight: Weight::Problem, text: text.into() }
    }
}

pub(super) fn run(place: &Place, program: &Path, ini: Option<&Path>, as_json: bool) -> Result<Code> {
    place.refuse_addresses()?;
    let mut findings = store::look(place)?;
    findings.extend(php::look(program, ini, &place.store));
    let problems = findings.iter().filter(|finding| finding.weight == Weight::Problem).count();
    if as_json {
        let weight = |finding: &Finding| match finding.weight {
            Weight::Good => "good",
            Weight::Note => "note",
            Weight::Problem => "problem",
        };
        let list = findings.iter().map(|finding| json!({ "weight": weight(finding), "text": finding.text }));
        print_json(&json!({ "problems": problems, "findings": list.collect::<Vec<Value>>() }))?;
    } else {
        let line = |finding: &Finding| match finding.weight {
            Weight::Good => format!("{GOOD}good{GOOD:#}     {}\n", finding.text),
            Weight::Note => format!("{HEADER}note{HEADER:#}     {}\n", finding.text),
            Weight::Problem => format!("{BAD}problem{BAD:#}  {}\n", finding.text),
        };
        print(&findings.iter().map(line).collect::<String>())?;
    }
    Ok(if problems == 0 { Code::Done } else { Code::Failed })
}
