//! The sub-commands, one module each.

mod check;
mod destroy;
mod doctor;
mod export;
mod gc;
mod generate;
mod import;
mod list;
mod migrate_in;
mod migrate_out;
mod show;
mod skipped;
mod status;

use anyhow::Result;

use crate::arguments::{Cli, Command};
use crate::failure::Code;

/// Does what was asked for.
pub(crate) fn run(cli: Cli) -> Result<Code> {
    let json = cli.json;
    match cli.command {
        Command::Status(place) => status::run(&place, json),
        Command::List { place, filter, sort, reverse, limit } => {
            list::run(&place, &filter, &list::Arrangement { sort, reverse, limit }, json)
        }
        Command::Show { place, session, format, full, raw } => {
            show::run(&place, &session, &show::Manner { format, full, raw, json })
        }
        Command::Gc(place) => gc::run(&place, json),
        Command::Check(place) => check::run(&place, json),
        Command::Destroy { place, session, all: _, idle_longer, yes, tombstone } => {
            let which = match (session, idle_longer) {
                (Some(name), _) => destroy::Which::Named(name),
                (None, Some(idle)) => destroy::Which::Idle(idle),
                (None, None) => destroy::Which::All,
            };
            destroy::run(&place, &which, yes, tombstone, json)
        }
        Command::Export { place, file, force, to, ids, side } => match (to, file) {
            (Some(to), _) => migrate_out::run(&place, &to, ids.as_deref(), &side, json),
            (None, file) => export::run(&place, &file.unwrap_or_default(), force, json),
        },
        Command::Import { place, file, from, lifetime, encoding, side, size, dry_run } => match (from, file) {
            (Some(from), _) => {
                let manner = migrate_in::Manner { lifetime, encoding, size, dry_run, json };
                migrate_in::run(&place, &from, &side, &manner)
            }
            (None, file) => import::run(&place, &file.unwrap_or_default(), size, dry_run, json),
        },
        Command::Doctor { place, php, php_ini } => doctor::run(&place, &php, php_ini.as_deref(), json),
        Command::Completions { shell } => generate::completions(shell),
        Command::Manual { directory } => generate::manual(directory.as_deref()),
    }
}
