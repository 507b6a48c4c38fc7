//! What is measured of Cloakroom's store besides the cycle: two processes at once, attaching, recovery, the file's size.

use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use cloakroom_store::{Options, Store};

use crate::engines::Kind;
use crate::{Numbers, id, median};

/// Sessions of each process that works beside another.
const EACH: u64 = 100;
/// Bytes of a session.
const BYTES: usize = 1024;
/// Where the header says under which boot every page was last known to be right.
const BOOT_ID: u64 = 160;

/// Sentences with figures, and which of the targets they meet.
pub struct StoreFigures {
    /// For people.
    pub lines: Vec<String>,
    /// Whether met, and what.
    pub targets: Vec<(bool, String)>,
}

/// Measures everything; `quick` with small stores and figures of no value.
pub fn measure(places: &[(&'static str, PathBuf)], kinds: &[Kind], quick: bool) -> Result<StoreFigures> {
    let mut figures = StoreFigures { lines: Vec::new(), targets: Vec::new() };
    let (first, base) = places.first().context("no place")?;
    for &kind in kinds {
        let times = two_processes(kind, base, quick)?;
        figures
            .lines
            .push(format!("two processes on different sessions, {first}: {} × {times:.2} of one", kind.name()));
        if kind == Kind::Cloakroom {
            figures.targets.push((times >= 1.8, format!("two processes at least 1.8 times one ({times:.2})")));
        }
    }
    for (place, base) in places {
        large_store(place, base, quick, &mut figures)?;
    }
    Ok(figures)
}

fn this_program() -> Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

/// How many times the cycles of one process two of them do, each on sessions of its own.
fn two_processes(kind: Kind, base: &Path, quick: bool) -> Result<f64> {
    let dir = tempfile::Builder::new().prefix("cloakroom-engine-").tempdir_in(base)?;
    kind.open(dir.path(), 2 * EACH * BYTES as u64)?.fill(&mut (0..2 * EACH).map(id), &[0; BYTES])?;
    let millis = if quick { 20 } else { 500 };
    let run = |first: &[u64]| -> Result<u64> {
        let children = first
            .iter()
            .map(|from| {
                let mut command = this_program()?;
                command.args(["worker", kind.name(), &from.to_string(), &millis.to_string()]).arg(dir.path());
                Ok(command.stdout(Stdio::piped()).spawn()?)
            })
            .collect::<Result<Vec<_>>>()?;
        let mut cycles = 0;
        for mut child in children {
            let mut text = String::new();
            child.stdout.take().context("its output")?.read_to_string(&mut text)?;
            ensure!(child.wait()?.success(), "a worker failed");
            cycles += text.trim().parse::<u64>()?;
        }
        Ok(cycles)
    };
    let mut ratios = Vec::new();
    for _ in 0..if quick { 1 } else { 5 } {
        let one = run(&[0])?;
        ratios.push(run(&[0, EACH])? as f64 / one as f64);
    }
    Ok(median(&mut ratios))
}

/// `worker ENGINE FROM MILLISECONDS DIR`: cycles on sessions of its own; prints how many.
pub fn worker(args: &[String]) -> Result<()> {
    let [_, name, from, millis, dir] = args else { bail!("worker ENGINE FROM MILLISECONDS DIR") };
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name).context("no such engine")?;
    let mut engine = kind.open(Path::new(dir), 2 * EACH * BYTES as u64)?;
    let from: u64 = from.parse()?;
    let names: Vec<String> = (from..from + EACH).map(id).collect();
    let (mut numbers, mut buffer, mut cycles) = (Numbers(from), Vec::new(), 0u64);
    let end = Instant::now() + Duration::from_millis(millis.parse()?);
    while Instant::now() < end {
        for _ in 0..16 {
            engine.cycle(&names[numbers.below(EACH) as usize], &mut buffer)?;
        }
        cycles += 16;
    }
    println!("{cycles}");
    Ok(())
}

/// `fill DIR SESSIONS`: makes a store with so many sessions. In a process of its own, after which nobody is attached.
pub fn fill(args: &[String]) -> Result<()> {
    let [_, dir, sessions] = args else { bail!("fill DIR SESSIONS") };
    let sessions: u64 = sessions.parse()?;
    let mut engine = Kind::Cloakroom.open(Path::new(dir), sessions * BYTES as u64)?;
    engine.fill(&mut (0..sessions).map(id), &[7; BYTES])
}

/// `attach DIR`: attaches the store that is there; prints the nanoseconds, the sessions and how often it was recovered.
pub fn attach(args: &[String]) -> Result<()> {
    let [_, dir] = args else { bail!("attach DIR") };
    let start = Instant::now();
    let store = Store::attach(Path::new(dir), Options { capacity: Some(4 << 30), user: None })?;
    let nanos = start.elapsed().as_nanos();
    let stats = store.stats()?;
    println!("{nanos} {} {}", stats.sessions, stats.recoveries);
    Ok(())
}

/// Milliseconds that a new process takes to attach the store in `dir`, which has so many sessions and then was
/// recovered so many times.
fn attach_elsewhere(dir: &Path, sessions: u64, recoveries: u64) -> Result<f64> {
    let output = this_program()?.arg("attach").arg(dir).output()?;
    ensure!(output.status.success(), "attaching failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let numbers = text.split_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    let [nanos, found, recovered] = numbers[..] else { bail!("three numbers expected, not {text}") };
    ensure!(found == sessions, "{found} of {sessions} sessions are there");
    ensure!(recovered == recoveries, "recovered {recovered} times instead of {recoveries}");
    Ok(nanos as f64 / 1e6)
}

fn large_store(place: &str, base: &Path, quick: bool, figures: &mut StoreFigures) -> Result<()> {
    let sessions: u64 = if quick { 10_000 } else { 1_000_000 };
    let dir = tempfile::Builder::new().prefix("cloakroom-engine-").tempdir_in(base)?;
    let made = this_program()?.arg("fill").arg(dir.path()).arg(sessions.to_string()).status()?;
    ensure!(made.success(), "the store could not be filled");
    let path = std::fs::read_dir(dir.path())?.next().context("the store file")??.path();
    let bytes = std::fs::metadata(&path)?.blocks() * 512;
    let most = sessions * (BYTES as u64 * 5 / 4 + 192);
    let each = bytes as f64 / sessions as f64;
    figures.lines.push(format!("{place}, {sessions} sessions of 1 KB: {each:.0} bytes of file a session"));
    if !quick {
        let target = "file at most 1.25 × payload + 192 bytes a session";
        figures.targets.push((bytes <= most, format!("{target} ({place})")));
    }
    let mut times = (0..5).map(|_| attach_elsewhere(dir.path(), sessions, 0)).collect::<Result<Vec<f64>>>()?;
    let time = median(&mut times);
    figures.lines.push(format!("{place}: a new process attaches it in {time:.2} ms"));
    figures.targets.push((time < 5.0, format!("attaching {sessions} sessions in less than 5 ms on {place}")));
    // Another boot id: whoever attaches next verifies every payload and rebuilds every shard.
    std::fs::OpenOptions::new().write(true).open(&path)?.write_all_at(&[0; 16], BOOT_ID)?;
    let time = attach_elsewhere(dir.path(), sessions, 1)?;
    let rate = sessions as f64 / time * 1000.0;
    figures
        .lines
        .push(format!("{place}: recovery after an unclean stop, every payload verified: {rate:.0} sessions/s"));
    Ok(())
}
