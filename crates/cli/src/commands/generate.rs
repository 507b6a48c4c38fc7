//! `cloakroom completions` and `cloakroom manual`: what packages install beside the command.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::arguments::Cli;
use crate::failure::Code;
use crate::terminal::print;

pub(super) fn completions(shell: Shell) -> Result<Code> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cloakroom", &mut text);
    print(&String::from_utf8(text)?)?;
    Ok(Code::Done)
}

pub(super) fn manual(directory: Option<&Path>) -> Result<Code> {
    match directory {
        Some(directory) => clap_mangen::generate_to(Cli::command(), directory)
            .with_context(|| format!("cannot write manuals to {}", directory.display()))?,
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text)?;
            print(&String::from_utf8(text)?)?;
        }
    }
    Ok(Code::Done)
}
