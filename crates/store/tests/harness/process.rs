//! Processes of the tests: forking, killing, reaping, asking them to do something, and memory shared with them.
//! The only unsafe code of the tests besides the tracer and the memory of those it traces.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// A forked child. Dropping it kills and reaps it.
pub(crate) struct Child {
    pid: libc::pid_t,
    status: Option<i32>,
}

impl Child {
    /// Forks; the child runs `work` and ends with its exit code, leaving its stores in order. Should this process die
    /// first, the child dies with it.
    pub(crate) fn fork(work: impl FnOnce() -> i32) -> Child {
        // SAFETY: the tests fork from their only thread, or beside one that waits for the system and has no lock but the store's
        // own, so the child finds every other lock free.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            0 => {
                die_with_parent(true);
                let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(101);
                std::process::exit(code);
            }
            pid => Child { pid, status: None },
        }
    }

    pub(crate) fn pid(&self) -> libc::pid_t {
        self.pid
    }

    /// Sends `signal`, unless the child was reaped.
    pub(crate) fn signal(&self, signal: libc::c_int) {
        if self.status.is_none() {
            // SAFETY: a plain system call; the pid is that of a child which was not reaped, so it is still ours.
            unsafe { libc::kill(self.pid, signal) };
        }
    }

    /// Kills with SIGKILL and reaps; from then on the kernel has dropped all its locks.
    pub(crate) fn kill(&mut self) {
        self.signal(libc::SIGKILL);
        while self.status.is_none() {
            self.wait_for(0);
        }
    }

    /// Waits for the end: the exit code, or the negative number of the signal that ended it.
    pub(crate) fn join(&mut self) -> i32 {
        loop {
            if let Some(status) = self.status {
                return if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -libc::WTERMSIG(status) };
            }
            self.wait_for(0);
        }
    }

    /// Whether the child still runs.
    pub(crate) fn alive(&mut self) -> bool {
        if self.status.is_none() {
            self.wait_for(libc::WNOHANG);
        }
        self.status.is_none()
    }

    /// Whether the child's end was seen already.
    pub(crate) fn was_reaped(&self) -> bool {
        self.status.is_some()
    }

    /// Waits for a change of state and gives it; remembers the end.
    pub(crate) fn wait_for(&mut self, options: libc::c_int) -> i32 {
        let mut status = 0;
        let pid = loop {
            // SAFETY: waits for a child of ours; the kernel writes only into `status`.
            let pid = unsafe { libc::waitpid(self.pid, &raw mut status, options | libc::__WALL) };
            if pid != -1 {
                break pid;
            }
            assert!(interrupted(), "waitpid: {}", std::io::Error::last_os_error());
        };
        if pid == self.pid && !libc::WIFSTOPPED(status) && !libc::WIFCONTINUED(status) {
            self.status = Some(status);
        }
        status
    }
}

/// Whether the kernel kills this process when the one that forked it dies.
pub(crate) fn die_with_parent(yes: bool) {
    // SAFETY: asks for a signal; touches no memory.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, if yes { libc::SIGKILL } else { 0 }) };
}

/// A process that is no child of this one: killed when this value is dropped.
pub(crate) struct Stranger(pub(crate) libc::pid_t);

impl Stranger {
    /// Whether the process still runs.
    pub(crate) fn alive(&self) -> bool {
        // SAFETY: signal 0 only asks.
        unsafe { libc::kill(self.0, 0) == 0 }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // SAFETY: a plain system call; the pid was told by the process itself, which ends only by this.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
    }
}

fn interrupted() -> bool {
    std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A child that does what it is told: a line in, a line out.
pub(crate) struct Worker {
    pub(crate) child: Child,
    to: PipeWriter,
    from: BufReader<PipeReader>,
}

impl Worker {
    /// Starts a worker. `begin` runs in the child and gives what answers its commands.
    pub(crate) fn start<W: FnMut(&str) -> Result<String, String>>(begin: impl FnOnce() -> W) -> Worker {
        let (commands, to) = std::io::pipe().expect("a pipe");
        let (from, mut answers) = std::io::pipe().expect("a pipe");
        let child = Child::fork(|| {
            let mut work = begin();
            for line in BufReader::new(commands).lines() {
                let Ok(line) = line else { return 1 };
                if line == "exit" {
                    return 0;
                }
                let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&line)));
                let answer = match caught.unwrap_or_else(|p| Err(format!("panicked: {}", super::panic_text(&*p)))) {
                    Ok(what) => format!("+{what}"),
                    Err(what) => format!("-{line}: {what}"),
                };
                if answers.write_all(format!("{}\n", answer.replace('\n', " ")).as_bytes()).is_err() {
                    return 1;
                }
            }
            0
        });
        Worker { child, to, from: BufReader::new(from) }
    }

    /// Sends a command without waiting for its answer.
    pub(crate) fn tell(&mut self, command: &str) {
        self.to.write_all(format!("{command}\n").as_bytes()).expect("a worker that listens");
    }

    /// The next answer, within `limit`.
    pub(crate) fn answer(&mut self, limit: Duration) -> Result<String, String> {
        if self.from.buffer().is_empty() && !readable(self.from.get_ref(), limit) {
            return Err(format!("no answer within {:.1} s", limit.as_secs_f64()));
        }
        let mut line = String::new();
        self.from.read_line(&mut line).map_err(|e| e.to_string())?;
        match line.trim_end().split_at_checked(1) {
            Some(("+", rest)) => Ok(rest.to_owned()),
            Some((_, rest)) => Err(rest.to_owned()),
            None => Err("the worker ended".to_owned()),
        }
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn ask(&mut self, command: &str) -> Result<String, String> {
        self.tell(command);
        self.answer(Duration::from_secs(60))
    }

    /// Ends the worker in order; its exit code.
    pub(crate) fn finish(mut self) -> i32 {
        let _ = self.to.write_all(b"exit\n");
        self.child.join()
    }
}

fn readable(pipe: &PipeReader, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now()).as_millis();
        let mut poll = libc::pollfd { fd: pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd; the descriptor is open.
        match unsafe { libc::poll(&raw mut poll, 1, i32::try_from(left).unwrap_or(i32::MAX)) } {
            -1 if interrupted() => {}
            0 | -1 => return false,
            _ => return true,
        }
    }
}

/// Words shared with all children forked later; they stay mapped for the rest of the process.
pub(crate) fn shared_words(count: usize) -> &'static [AtomicU64] {
    let bytes = count * size_of::<AtomicU64>();
    // SAFETY: a fresh anonymous mapping, zeroed, page-aligned, never unmapped; all access is atomic.
    unsafe {
        let base = libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        assert!(base != libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
        std::slice::from_raw_parts(base.cast::<AtomicU64>(), count)
    }
}

/// Makes this process the first of a new pid namespace: goes on in a child that is process 1 there and dies with the
/// process that called. Without the right to do so a user namespace gives it.
pub(crate) fn enter_pid_namespace() -> std::io::Result<()> {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    // SAFETY: a plain system call; this process has one thread.
    let as_is = unsafe { libc::unshare(libc::CLONE_NEWPID) };
    if as_is == -1 {
        // SAFETY: as above.
        if unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) } == -1 {
            return Err(std::io::Error::last_os_error());
        }
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
        std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    }
    // SAFETY: as in Child::fork.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()),
        0 => {
            die_with_parent(true);
            Ok(())
        }
        inner => {
            let mut inner = Child { pid: inner, status: None };
            std::process::exit(inner.join().clamp(0, 255));
        }
    }
}

/// Gives up root for the user and group `id`; for a child.
pub(crate) fn become_user(id: u32) -> std::io::Result<()> {
    // SAFETY: plain system calls; the process has one thread.
    let done = unsafe { libc::setgroups(0, std::ptr::null()) == 0 && libc::setgid(id) == 0 && libc::setuid(id) == 0 };
    if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
