//! The `cloakroom` command: looks at a session store while PHP uses it.
//!
//! `status` prints the figures, `check` verifies every invariant of the store file. Neither creates a store, neither
//! shows an id or a payload. Exit codes: 0 all is well, 1 problems were found, 2 the command could not do its work.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use cloakroom_store::{Options, Report, Stats, Store};

#[derive(Parser)]
#[command(version, about = "Look at and verify a Cloakroom session store")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the figures of a store, one a line
    Status(Place),
    /// Verify every invariant of a store, payload checksums included; locks one shard at a time
    Check(Place),
}

#[derive(Args)]
struct Place {
    /// The directory that session.save_path names
    directory: PathBuf,
    /// Numeric id of the user whose store it is, if not the calling user's (root may look at others')
    #[arg(long)]
    user: Option<u32>,
}

impl Place {
    fn attach(&self) -> Result<std::sync::Arc<Store>> {
        let options = Options { capacity: None, user: self.user };
        Store::attach(&self.directory, options)
            .with_context(|| format!("cannot attach the store in {}", self.directory.display()))
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cloakroom: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Status(place) => {
            print_status(&place.attach()?.stats()?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(place) => {
            let report = place.attach()?.check()?;
            print_report(&report);
            Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
        }
    }
}

fn print_status(stats: &Stats) {
    let figures = [
        ("sessions", stats.sessions),
        ("reserved", stats.reserved),
        ("tombstones", stats.tombstones),
        ("payload bytes", stats.payload_bytes),
        ("file bytes", stats.file_bytes),
        ("free bytes", stats.free_bytes),
        ("capacity", stats.capacity),
        ("reads", stats.reads),
        ("writes", stats.writes),
        ("touches", stats.touches),
        ("created", stats.creates),
        ("destroyed", stats.destroys),
        ("expired", stats.expired),
        ("evicted", stats.evicted),
        ("recoveries", stats.recoveries),
        ("refused writes", stats.ended),
        ("corrupt payloads", stats.corrupt),
        ("lock waits", stats.waits),
        ("lock timeouts", stats.timeouts),
        ("attached threads", stats.attached),
    ];
    for (name, figure) in figures {
        println!("{name:<18}{figure:>16}");
    }
}

fn print_report(report: &Report) {
    println!("sessions          {:>16}", report.sessions);
    println!("tombstones        {:>16}", report.tombstones);
    println!("payload bytes     {:>16}", report.payload_bytes);
    println!("locked            {:>16}", report.locked);
    println!("orphaned locks    {:>16}", report.orphaned);
    for problem in &report.problems {
        println!("problem: {problem}");
    }
    println!("{}", if report.problems.is_empty() { "the store is whole" } else { "the store is damaged" });
}
