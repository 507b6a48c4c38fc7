//! Containers that share one directory: processes of different pid namespaces, all of them process 1, thread 1.
//!
//! A proof of life that names processes by number would take one for another here.

mod actors;
mod harness;

use std::path::Path;
use std::time::{Duration, Instant};

use actors::{player, queue_up};
use harness::process::{Worker, enter_pid_namespace};
use harness::{Checked, Finding, Suite, attach, attach_existing, in_thread, put, sound, temporary};

/// A bound that only something stuck reaches.
const SOON: Duration = Duration::from_secs(5);

/// A player that is process 1 of a pid namespace of its own. It is there already: what is killed earlier, the process
/// outside, would leave one behind that does not yet die with it.
fn contained(dir: &Path) -> Result<Worker, String> {
    let mut worker = Worker::start(|| {
        if let Err(e) = enter_pid_namespace() {
            println!("        no pid namespace: {e}");
            std::process::exit(9);
        }
        player(dir)
    });
    worker.ask("snapshot s")?;
    Ok(worker)
}

/// Why there can be no pid namespaces here, if so.
fn forbidden() -> Option<String> {
    let mut probe = harness::process::Child::fork(|| match enter_pid_namespace() {
        Ok(()) if std::process::id() == 1 => 0,
        Ok(()) => 2,
        Err(e) => e.raw_os_error().unwrap_or(1),
    });
    match probe.join() {
        0 => None,
        code => Some(format!("no pid namespace can be made: {}", std::io::Error::from_raw_os_error(code))),
    }
}

type Case = fn() -> Checked;

fn main() -> std::process::ExitCode {
    let mut suite = Suite::new("namespaces");
    let forbidden = forbidden();
    let cases: [(&str, Case); 4] = [
        ("a waiter's death does not rob the holder", holder_is_not_robbed),
        ("a holder's death frees the lock", holder_dies),
        ("a dead waiter is passed over", waiter_dies),
        ("the lock goes round among them", goes_round),
    ];
    for (name, case) in cases {
        suite.case(name, || forbidden.clone().map_or_else(case, |why| Ok(Finding::Skipped(why))));
    }
    suite.finish()
}

fn stage() -> Result<tempfile::TempDir, String> {
    let dir = temporary();
    in_thread(|| put(&attach(dir.path(), 16), "s", b"start"))??;
    Ok(dir)
}

fn holder_is_not_robbed() -> Checked {
    let dir = stage()?;
    let mut holder = contained(dir.path())?;
    let mut probe = contained(dir.path())?;
    holder.ask("hold s")?;
    for _ in 0..5 {
        let mut waiter = contained(dir.path())?;
        queue_up(&mut probe, &mut waiter, "take s 20000 w", 1)?;
        waiter.child.kill();
        // Long enough for several looks at the holder's liveness.
        let answer = probe.ask("take s 150 p")?;
        if !answer.starts_with("timeout by 1 ") {
            return Err(format!("while process 1 of another namespace holds the lock: {answer}"));
        }
    }
    let (outcome, content) = (holder.ask("write s mine")?, probe.ask("snapshot s")?);
    if (outcome.as_str(), content.as_str()) != ("Stored", "mine") {
        return Err(format!("the holder's commit does not count: {outcome}, and the session holds '{content}'"));
    }
    in_thread(|| sound(&attach_existing(dir.path())?))??;
    Ok(Finding::Passed("five waiters killed, the holder kept its lock".to_owned()))
}

fn holder_dies() -> Checked {
    let dir = stage()?;
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let mut holder = contained(dir.path())?;
        let mut waiter = contained(dir.path())?;
        let mut probe = contained(dir.path())?;
        holder.ask("hold s")?;
        queue_up(&mut probe, &mut waiter, "take s 20000 w", 1)?;
        let start = Instant::now();
        holder.child.kill();
        waiter.answer(SOON).map_err(|e| format!("the lock of a dead holder: {e}"))?;
        slowest = slowest.max(start.elapsed());
    }
    in_thread(|| sound(&attach_existing(dir.path())?))??;
    Ok(Finding::Passed(format!("next owner after {slowest:.1?} at most")))
}

fn waiter_dies() -> Checked {
    let dir = stage()?;
    let mut holder = contained(dir.path())?;
    let mut probe = contained(dir.path())?;
    for _ in 0..5 {
        let mut first = contained(dir.path())?;
        let mut second = contained(dir.path())?;
        holder.ask("hold s")?;
        queue_up(&mut probe, &mut first, "take s 20000 a", 1)?;
        queue_up(&mut probe, &mut second, "take s 20000 b", 2)?;
        first.child.kill();
        holder.ask("write s start")?;
        second.answer(SOON).map_err(|e| format!("behind a dead waiter: {e}"))?;
        let content = probe.ask("snapshot s")?;
        if content != "startb" {
            return Err(format!("the session holds {content}"));
        }
    }
    in_thread(|| sound(&attach_existing(dir.path())?))??;
    Ok(Finding::Passed("the second waiter had the lock each time".to_owned()))
}

fn goes_round() -> Checked {
    let dir = stage()?;
    let mut holder = contained(dir.path())?;
    let mut probe = contained(dir.path())?;
    let mut players: Vec<Worker> = (0..4).map(|_| contained(dir.path())).collect::<Result<_, _>>()?;
    for _ in 0..25 {
        holder.ask("hold s")?;
        for (i, player) in players.iter_mut().enumerate() {
            queue_up(&mut probe, player, &format!("take s 20000 {i}"), i + 1)?;
        }
        holder.ask("write s :")?;
        for player in &mut players {
            player.answer(SOON)?;
        }
        let order = probe.ask("snapshot s")?;
        if order != ":0123" {
            return Err(format!("the lock went round as {order}"));
        }
    }
    Ok(Finding::Passed("100 hand-overs in order of arrival".to_owned()))
}
