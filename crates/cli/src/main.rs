//! The `cloakroom` command: looks at a session store while PHP uses it, verifies it, and moves its sessions.
//!
//! Floors: measures, room, failure, escape < php, terminal, archive < arguments < selection, place < commands
//!
//! | module | what it holds |
//! |---|---|
//! | `arguments` | the command line |
//! | `commands` | the sub-commands, one module each |
//! | `place` | from the arguments to an attached store |
//! | `selection` | which sessions are meant |
//! | `php` | payloads taken apart to be shown |
//! | `archive` | the file that `export` makes and `import` reads |
//! | `room` | how long that file may become |
//! | `escape`, `measures`, `terminal` | how things are written and printed |
//! | `failure` | exit codes |
//!
//! Session ids are never shown, as the store does not have them; payloads only by `show`. Only `import` makes a store.
#![forbid(unsafe_code)]

mod archive;
mod arguments;
mod commands;
mod escape;
mod failure;
mod measures;
mod php;
mod place;
mod room;
mod selection;
mod terminal;

use std::process::ExitCode;

use clap::{ColorChoice, Parser as _};

fn main() -> ExitCode {
    let cli = arguments::Cli::parse();
    match cli.color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
    match commands::run(cli) {
        Ok(code) => ExitCode::from(code as u8),
        Err(error) => {
            let style = terminal::BAD;
            anstream::eprintln!(
                "{style}cloakroom:{style:#} {}",
                escape::escaped(format!("{error:#}").as_bytes(), None)
            );
            ExitCode::from(failure::code(&error) as u8)
        }
    }
}
