//! `cloakroom completions` and `cloakroom manual`: what packages install beside the command.

use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;
use cloakroom_paths::{Links, file, walk};

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
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    match directory {
        Some(path) => {
            let unwritable = || format!("cannot write manuals to {}", path.display());
            let directory = walk::directory(path, Links::for_the_caller()).with_context(unwritable)?;
            write(command, &directory, path).with_context(unwritable)?;
        }
        None => {
            let mut text = Vec::new();
            Man::new(Cli::command()).render(&mut text)?;
            print(&String::from_utf8(text)?)?;
        }
    }
    Ok(Code::Done)
}

/// Writes the manual of a command and those of its sub-commands, through no link that lies there.
fn write(command: clap::Command, directory: &OwnedFd, path: &Path) -> Result<()> {
    for sub_command in command.get_subcommands().filter(|sub_command| !sub_command.is_hide_set()).cloned() {
        write(sub_command, directory, path)?;
    }
    let manual = Man::new(command);
    let mut text = Vec::new();
    manual.render(&mut text)?;
    Ok(file::replace(directory, &manual.get_filename(), &text, path)?)
}
