//! Cloakroom's store beside LMDB and SQLite as engines: nanoseconds for lock + read + write + unlock of a session.
//!
//! `benches/run-engine` runs it; `benches/README.md` says how to read it. Every session holds a number that each cycle
//! raises, and in the end the numbers must add up, or there are no figures.

mod engines;
mod store_figures;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use engines::{Engine, Kind, counter};

/// How the program was called.
struct Settings {
    quick: bool,
    check: bool,
    markdown: bool,
    rounds: usize,
    places: Vec<(&'static str, PathBuf)>,
    kinds: &'static [Kind],
}

/// How many sessions of how many bytes.
#[derive(Clone, Copy)]
struct Load {
    sessions: u64,
    bytes: usize,
}

impl Load {
    fn name(self) -> String {
        let sessions = match self.sessions {
            n if n >= 1_000_000 => format!("{}M", n / 1_000_000),
            n if n >= 1000 => format!("{}k", n / 1000),
            n => n.to_string(),
        };
        format!("{sessions} × {} KB", self.bytes / 1024)
    }
}

/// The id of session `n`, as long as PHP's.
pub fn id(n: u64) -> String {
    format!("{:016x}{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15), n)
}

/// A reproducible stream of session numbers.
pub struct Numbers(u64);

impl Numbers {
    /// The next one below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 32) * limit) >> 32
    }
}

/// The middle of what was measured.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn settings() -> Result<Settings> {
    let mut found =
        Settings { quick: false, check: false, markdown: false, rounds: 7, places: Vec::new(), kinds: &Kind::ALL };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--quick" => (found.quick, found.rounds) = (true, 2),
            "--check" => found.check = true,
            // What the others have yet to write to a disk is in the way of all.
            "--alone" => found.kinds = &[Kind::Cloakroom],
            "--markdown" => found.markdown = true,
            "--rounds" => found.rounds = value()?.parse()?,
            "--tmpfs" => found.places.push(("tmpfs", value()?.into())),
            "--disk" => found.places.push(("disk", value()?.into())),
            other => bail!("unknown option {other}"),
        }
    }
    ensure!(!found.places.is_empty(), "name a directory with --tmpfs or --disk");
    Ok(found)
}

fn main() -> ExitCode {
    // What the benchmark runs as processes of their own.
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.first().map(String::as_str) {
        Some("worker") => store_figures::worker(&args),
        Some("fill") => store_figures::fill(&args),
        Some("attach") => store_figures::attach(&args),
        _ => settings().and_then(|settings| run(&settings)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("engine benchmark: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// One engine under one load in one place.
struct Measured {
    kind: Kind,
    place: &'static str,
    load: usize,
    engine: Box<dyn Engine>,
    cycles: u64,
    nanos: Vec<f64>,
    _dir: tempfile::TempDir,
}

fn run(settings: &Settings) -> Result<()> {
    let loads: &[Load] = if settings.quick {
        &[Load { sessions: 100, bytes: 1024 }, Load { sessions: 2000, bytes: 10_240 }]
    } else {
        &[
            Load { sessions: 100, bytes: 1024 },
            Load { sessions: 1_000_000, bytes: 1024 },
            Load { sessions: 100, bytes: 10_240 },
            Load { sessions: 100_000, bytes: 10_240 },
        ]
    };
    let mut table = Vec::new();
    let mut checks = 0;
    for (place, dir) in &settings.places {
        // One load at a time: a million sessions three times over take gigabytes.
        for (index, load) in loads.iter().enumerate() {
            let mut all = settings
                .kinds
                .iter()
                .map(|&kind| {
                    progress(&format!("{place}, {}: filling {}", load.name(), kind.name()));
                    prepare(kind, place, dir, index, *load)
                })
                .collect::<Result<Vec<Measured>>>()?;
            // Or what is written of the gigabytes just filled decides, and the first in the order suffers most of it.
            let written = std::process::Command::new("sync").arg("-f").arg(dir).status()?;
            ensure!(written.success(), "sync failed");
            progress(&format!("{place}, {}", load.name()));
            measure(&mut all, *load, settings)?;
            for measured in &mut all {
                verify(measured, *load)?;
                checks += 1;
                if settings.check {
                    println!("ok: {} on {place}, {}: every cycle counted", measured.kind.name(), load.name());
                }
            }
            table.extend(all.into_iter().map(|m| (m.kind, m.place, m.load, m.nanos)));
        }
    }
    progress("two processes, attaching, recovery");
    let figures = store_figures::measure(&settings.places, settings.kinds, settings.quick)?;
    if settings.check {
        for line in &figures.lines {
            println!("ok: {line}");
        }
        println!("{} passed, 0 failed", checks + figures.lines.len());
        return Ok(());
    }
    report(settings, loads, &mut table, &figures);
    Ok(())
}

/// Says on a terminal what a run is at.
fn progress(what: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("{what}");
    }
}

fn prepare(kind: Kind, place: &'static str, base: &Path, load_index: usize, load: Load) -> Result<Measured> {
    let dir = tempfile::Builder::new().prefix("cloakroom-engine-").tempdir_in(base)?;
    let mut engine = kind.open(dir.path(), load.sessions * load.bytes as u64)?;
    let mut payload = vec![b'x'; load.bytes];
    payload[..8].fill(0);
    // In order, in which trees are filled many times faster.
    let mut ids: Vec<String> = (0..load.sessions).map(id).collect();
    ids.sort_unstable();
    engine.fill(&mut ids.into_iter(), &payload)?;
    Ok(Measured { kind, place, load: load_index, engine, cycles: 0, nanos: Vec::new(), _dir: dir })
}

/// Rounds in turn, each engine for some tenths of a second; the first round only warms up.
fn measure(all: &mut [Measured], load: Load, settings: &Settings) -> Result<()> {
    let time = Duration::from_millis(if settings.quick { 10 } else { 300 });
    let names: Vec<String> = (0..load.sessions.min(1 << 20)).map(id).collect();
    let mut numbers = Numbers(42);
    let mut buffer = Vec::new();
    for round in 0..=settings.rounds {
        for measured in all.iter_mut() {
            let start = Instant::now();
            let mut done = 0u64;
            while start.elapsed() < time {
                // The clock is read once for many cycles.
                for _ in 0..64 {
                    let name = &names[numbers.below(names.len() as u64) as usize];
                    measured.engine.cycle(name, &mut buffer)?;
                }
                done += 64;
            }
            measured.cycles += done;
            if round > 0 {
                measured.nanos.push(start.elapsed().as_nanos() as f64 / done as f64);
            }
        }
    }
    Ok(())
}

fn verify(measured: &mut Measured, load: Load) -> Result<()> {
    let mut buffer = Vec::new();
    let mut sum = 0;
    for n in 0..load.sessions {
        measured.engine.read(&id(n), &mut buffer)?;
        ensure!(buffer.len() == load.bytes, "{}: a payload has another length", measured.kind.name());
        sum += counter(&buffer);
    }
    ensure!(sum == measured.cycles, "{}: {sum} of {} cycles are there", measured.kind.name(), measured.cycles);
    Ok(())
}

fn report(
    settings: &Settings,
    loads: &[Load],
    table: &mut [(Kind, &'static str, usize, Vec<f64>)],
    figures: &store_figures::StoreFigures,
) {
    println!(
        "Nanoseconds for lock + read + write + unlock of one session, one process, medians of {} rounds",
        settings.rounds
    );
    let names: Vec<String> = loads.iter().map(|load| load.name()).collect();
    let line = |cells: &[String]| {
        if settings.markdown {
            println!("| {} |", cells.join(" | "));
        } else {
            let (first, rest) = cells.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
            println!("  {first:<20}{}", rest.iter().map(|cell| format!("{cell:>14}")).collect::<String>());
        }
    };
    line(&[vec!["engine".to_owned()], names.clone()].concat());
    if settings.markdown {
        println!("|---|{}", "---:|".repeat(names.len()));
    }
    let mut medians = Vec::new();
    for (kind, place, load, nanos) in table.iter_mut() {
        medians.push((*kind, *place, *load, median(nanos)));
    }
    let of = |kind, place, load| medians.iter().find(|m| (m.0, m.1, m.2) == (kind, place, load)).map(|m| m.3);
    let mut losses = Vec::new();
    for (place, _) in &settings.places {
        for &kind in settings.kinds {
            let cells = (0..loads.len()).map(|i| of(kind, place, i).map_or(String::new(), |ns| format!("{ns:.0}")));
            line(&[vec![format!("{}, {place}", kind.name())], cells.collect()].concat());
        }
        for (i, name) in names.iter().enumerate() {
            for kind in [Kind::Lmdb, Kind::Sqlite] {
                if let (Some(ours), Some(theirs)) = (of(Kind::Cloakroom, place, i), of(kind, place, i))
                    && theirs < ours
                {
                    losses
                        .push(format!("{name} on {place}: {} takes {theirs:.0} ns, Cloakroom {ours:.0}", kind.name()));
                }
            }
        }
    }
    println!();
    for line in &figures.lines {
        println!("- {line}");
    }
    let mut targets = figures.targets.clone();
    let (first, place) = (of(Kind::Cloakroom, settings.places[0].0, 0), settings.places[0].0);
    targets.push((first.is_some_and(|ns| ns <= 400.0), format!("at most 400 ns for 1 KB on {place}")));
    if let (Some(tmpfs), Some(disk)) = (of(Kind::Cloakroom, "tmpfs", 1), of(Kind::Cloakroom, "disk", 1)) {
        targets
            .push((disk <= 3.0 * tmpfs, format!("{} on disk at most 3 times tmpfs ({:.1})", names[1], disk / tmpfs)));
    }
    println!("\nTargets");
    for (met, target) in targets {
        println!("- {}: {target}", if met { "met" } else { "MISSED" });
    }
    println!("\nWhere Cloakroom is slower");
    println!("- {}", if losses.is_empty() { "nowhere in this run".to_owned() } else { losses.join("\n- ") });
}
