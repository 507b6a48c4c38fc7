//! Other processes that work on the store: this program again, started with `--player`. They are told what to do on their
//! standard input, line by line, and answer each line on their standard output.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;

use cloakroom_redis_store::{Lease, Store};
use cloakroom_seam::{Acquire, End, Over};

use super::process::spawn_for_life;
use super::sessions::{LIFE, acquire, count_up, exclusive, open, stored, unlocked};

const PLAYER: &str = "--player";

/// A process that works on a store. Dropping it kills it.
pub(crate) struct Player {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Player {
    /// Starts one on the store at `url`.
    pub(crate) fn start(url: &str) -> Result<Player, String> {
        Self::start_by(url, &["setpriv", "--pdeathsig", "KILL", "--"])
    }

    /// Starts one that the system lets have no thread beside its first. Such limits do not hold for root.
    pub(crate) fn start_without_threads(url: &str) -> Result<Player, String> {
        let mut words = vec!["setpriv"];
        if rustix::process::getuid().is_root() {
            words.extend(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]);
        }
        words.extend(["--pdeathsig", "KILL", "--", "prlimit", "--nproc=1:1", "--"]);
        Self::start_by(url, &words)
    }

    /// Starts one by a command that runs what follows it.
    fn start_by(url: &str, words: &[&str]) -> Result<Player, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let (first, rest) = words.split_first().ok_or("no command")?;
        let mut command = Command::new(first);
        command.args(rest).arg(program).args([PLAYER, url]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = spawn_for_life(command).map_err(|error| error.to_string())?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        match (input, output) {
            (Some(input), Some(output)) => Ok(Player { child, input, output: BufReader::new(output) }),
            _ => Err("a player without pipes".to_owned()),
        }
    }

    /// Tells it to do something, without waiting for the answer.
    ///
    /// | command | what it does | answer |
    /// |---|---|---|
    /// | `count ID TIMES` | counts up with the lock | how many times it did |
    /// | `tally ID TIMES` | counts up without it, each time over what it has read only | how many times it did |
    /// | `hold ID` | locks the session and keeps it | what it holds |
    /// | `brief ID SECONDS` | the same, with so short a `lock_ttl` | what it holds |
    /// | `peek ID` | reads the session without a lock | what it holds |
    /// | `notice` | asks what the operator should hear | that, or `nothing` |
    /// | `write TEXT` | commits the session that it keeps | `stored` |
    /// | `destroy ID` | ends the session | whether there was one |
    pub(crate) fn tell(&mut self, command: &str) -> Result<(), String> {
        writeln!(self.input, "{command}").map_err(|error| format!("a player died: {error}"))
    }

    /// The answer to what it was told first of what is not answered yet.
    pub(crate) fn answer(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|error| error.to_string())?;
        match line.trim_end_matches('\n').split_once(' ') {
            Some(("ok", answer)) => Ok(answer.to_owned()),
            Some((_, error)) => Err(error.to_owned()),
            None => Err("a player died".to_owned()),
        }
    }

    /// Tells it something and waits for the answer.
    pub(crate) fn ask(&mut self, command: &str) -> Result<String, String> {
        self.tell(command)?;
        self.answer()
    }

    /// Kills it, whatever it holds.
    pub(crate) fn kill(&mut self) {
        // An error means that it ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Plays where this process was started as a player; called first of all.
pub(crate) fn attend() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(PLAYER) {
        return None;
    }
    let store = arguments.next().ok_or("no address".to_owned()).and_then(|url| open(&url));
    let mut held = None;
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let answer = store.as_ref().map_err(String::clone).and_then(|store| play(store, &mut held, &line));
        match answer {
            Ok(answer) => println!("ok {answer}"),
            Err(error) => println!("failed {line}: {}", error.replace('\n', " ")),
        }
    }
    Some(ExitCode::SUCCESS)
}

fn play(store: &Arc<Store>, held: &mut Option<Lease>, line: &str) -> Result<String, String> {
    let words: Vec<&str> = line.splitn(3, ' ').collect();
    let text = |error: cloakroom_redis_store::Error| error.to_string();
    match *words {
        ["count" | "tally", id, times] => {
            let how = if words[0] == "count" { exclusive() } else { unlocked() };
            let times: u64 = times.parse().map_err(|_| "not a number")?;
            (0..times).try_for_each(|_| count_up(store, id, &how).map(drop)).map_err(text)?;
            Ok(times.to_string())
        }
        ["hold", id] => {
            let lease = held.insert(acquire(store, id, &exclusive()).map_err(text)?);
            Ok(String::from_utf8_lossy(lease.payload()).into_owned())
        }
        ["brief", id, seconds] => {
            let seconds = seconds.parse().map_err(|_| "not a number")?;
            let how = Acquire { lock_ttl: std::time::Duration::from_secs(seconds), ..exclusive() };
            let lease = held.insert(acquire(store, id, &how).map_err(text)?);
            Ok(String::from_utf8_lossy(lease.payload()).into_owned())
        }
        ["peek", id] => {
            let (payload, _) = store.snapshot(&super::sessions::key(id)).map_err(text)?;
            Ok(String::from_utf8_lossy(&payload.unwrap_or_default()).into_owned())
        }
        ["notice"] => Ok(store.notice().unwrap_or_else(|| "nothing".to_owned())),
        ["write", payload] => {
            let mut lease = held.take().ok_or("holds nothing")?;
            stored(lease.commit(payload.as_bytes(), LIFE, Over::Anything)).map(|()| "stored".to_owned())
        }
        ["destroy", id] => {
            let hour = std::time::Duration::from_secs(3600);
            store.destroy(&super::sessions::key(id), End::at_once(hour)).map_err(text).map(|was| was.to_string())
        }
        _ => Err("no such command".to_owned()),
    }
}
