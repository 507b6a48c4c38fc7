//! Stepping a child through an operation, one machine instruction at a time, to kill it at any of them.
//!
//! One run is traced step by step: which instruction, and at which steps the store file changed. A later run reaches
//! any step of it quickly: a breakpoint at an instruction that is rare so far, then single steps. Children are forked
//! from one parent, so their code lies at the same addresses.
//!
//! Two things are passed in one [`Leap`] instead of step by step, since they go through the bytes of a payload: an
//! instruction that repeats itself, which copies bytes, and the rest of a function that has gone round a loop
//! [`PATIENCE`] times, which is the checksum of a large payload. Kills inside of these are a sample: within the first
//! rounds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::hash::{BuildHasherDefault, DefaultHasher, RandomState};
use std::path::Path;
use std::sync::Once;

use super::process::Child;

/// Byte offsets into the kernel's `user` structure.
const RIP: usize = 16 * 8;
const RAX: usize = 10 * 8;
const RSI: usize = 13 * 8;
const RSP: usize = 19 * 8;
/// The instruction `syscall`.
const SYSCALL: u64 = 0x050f;
/// Ptrace stops that one passage over a breakpoint costs, compared with a single step.
const PASSAGE: usize = 4;
/// Rounds of a loop that are quickly passed.
const QUICK: u32 = 60;
/// Rounds of a loop that are stepped through. Loops over the nodes of a small store have fewer.
const PATIENCE: u32 = 5000;
/// Steps of later rounds that the long form takes.
const LATER_ROUNDS: usize = 500;
/// Longest trace: a child that runs longer has gone astray.
const MOST_STEPS: usize = 6_000_000;

/// Maps and sets without a random order: each that has one changes that of the next, also in the children.
type HashMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<DefaultHasher>>;
type HashSet<K> = std::collections::HashSet<K, BuildHasherDefault<DefaultHasher>>;

/// What an operation did, step by step.
#[derive(Clone, Default)]
pub(crate) struct Trace {
    /// Address of the instruction of each step.
    addresses: Vec<u64>,
    /// How often that address had been executed up to and including this step.
    ordinals: Vec<u32>,
    /// Numbers of executed instructions after which the file had just changed.
    pub(crate) changes: Vec<usize>,
    /// Numbers of executed instructions before and after which a system call was made.
    calls: Vec<usize>,
    /// The step that first waits on a futex, if any.
    pub(crate) first_wait: Option<usize>,
    /// The steps that stand for many.
    leaps: BTreeMap<usize, Leap>,
}

/// How a step goes on that stands for many.
#[derive(Clone, Copy)]
enum Leap {
    /// An instruction that repeats itself, and the address after it.
    Copy(u64),
    /// The rest of a function, and the address to which it returns.
    Function(u64),
}

impl Trace {
    pub(crate) fn steps(&self) -> usize {
        self.addresses.len()
    }

    /// The steps to test: those at which the file changed or the kernel was called first of all, the rest spread evenly, nearly all of them
    /// where they are reached quickly: in the first rounds of a loop. Without a `budget` all steps, save that of the
    /// later rounds of a loop a sample must do.
    pub(crate) fn points(&self, budget: Option<usize>, random: &mut super::Random) -> Vec<usize> {
        let total = self.steps() + 1;
        let mut points = BTreeSet::new();
        let Some(budget) = budget else {
            points.extend((0..total).filter(|step| self.is_quick(*step)));
            points.extend((0..LATER_ROUNDS).map(|_| random.below(total as u64) as usize));
            return points.into_iter().collect();
        };
        let changes = self.changes.iter().chain(&self.calls);
        let mut changes: Vec<usize> = changes.copied().filter(|step| self.is_quick(*step)).collect();
        while changes.len() > budget * 2 / 3 {
            let at = random.below(changes.len() as u64) as usize;
            changes.swap_remove(at);
        }
        points.extend(changes);
        points.extend((0..budget / 30).map(|_| random.below(total as u64) as usize));
        let strata = budget.saturating_sub(points.len()).max(1);
        for i in 0..40 * budget {
            if points.len() >= budget.min(total) {
                break;
            }
            let (from, to) = (i % strata * total / strata, (i % strata + 1) * total / strata);
            let step = from + random.below((to - from).max(1) as u64) as usize;
            if self.is_quick(step) {
                points.insert(step);
            }
        }
        points.into_iter().collect()
    }

    /// Whether a step is reached without passing a loop many times.
    fn is_quick(&self, step: usize) -> bool {
        self.ordinals.get(step).is_none_or(|rounds| *rounds <= QUICK)
    }

    /// Whether the instruction at `step` copies bytes by repeating itself.
    fn is_copy(&self, step: usize) -> bool {
        matches!(self.leaps.get(&step), Some(Leap::Copy(_)))
    }

    /// The breakpoint by which step `to` is reached fastest from step `from`: its address, how often it is passed,
    /// and the steps left after it, `least` of them or more.
    fn shortcut(&self, from: usize, to: usize, least: usize) -> Option<(u64, u32, usize)> {
        let mut seen: HashMap<u64, u32> = HashMap::default();
        for (address, ordinal) in self.addresses.iter().zip(&self.ordinals).take(from + 1) {
            seen.insert(*address, *ordinal);
        }
        let mut best = (to - from, None);
        for step in (from + 1..=to.saturating_sub(least).min(self.steps().saturating_sub(1))).rev() {
            if to - step >= best.0 {
                break;
            }
            let address = self.addresses[step];
            if self.is_copy(step) {
                // Every round of it would stop there.
                continue;
            }
            let times = self.ordinals[step] - seen.get(&address).copied().unwrap_or(0);
            let cost = to - step + times as usize * PASSAGE;
            if cost < best.0 {
                best = (cost, Some((address, times, to - step)));
            }
        }
        best.1
    }
}

/// Keeps this process and its children on one processor, number `lane` of those it may use: a step then is a change of task, not a message to another
/// processor, and takes a third of the time.
pub(crate) fn stay_on_one_processor(lane: usize) {
    let Ok(allowed) = rustix::thread::sched_getaffinity(None) else { return };
    let choices: Vec<usize> = (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    if let Some(cpu) = choices.get(lane % choices.len().max(1)) {
        let mut one = rustix::thread::CpuSet::new();
        one.set(*cpu);
        // Without it the test is only slower.
        let _ = rustix::thread::sched_setaffinity(None, &one);
    }
}

/// Where a traced child is.
#[derive(PartialEq, Eq)]
pub(crate) enum Progress {
    /// In the middle of the operation.
    Inside,
    /// Past its end.
    Done,
}

/// A child that stops before and after an operation.
pub(crate) struct Traced {
    pub(crate) child: Child,
    /// Instructions executed since the first stop.
    at: usize,
    /// How many of the last instructions before a point are stepped through at least.
    on_foot: usize,
}

impl Traced {
    /// Forks a child that runs `work`, which calls its argument right before and right after the operation. Returns
    /// when the child stands before it.
    pub(crate) fn start(work: impl FnOnce(&dyn Fn())) -> Result<Traced, String> {
        // The first map draws the order of all that follow, those of the children included.
        static ORDER: Once = Once::new();
        ORDER.call_once(|| drop(RandomState::new()));
        let mut child = Child::fork(|| {
            // SAFETY: makes the parent the tracer of this process; touches no memory.
            unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
            work(&|| {
                // SAFETY: stops this process, for its tracer to go on with.
                unsafe { libc::raise(libc::SIGSTOP) };
            });
            // SAFETY: ends at once, as after a kill: nothing is left in order.
            unsafe { libc::_exit(0) };
        });
        let status = child.wait_for(0);
        if !libc::WIFSTOPPED(status) || libc::WSTOPSIG(status) != libc::SIGSTOP {
            return Err(format!("the traced process did not get to its operation (status {status:#x})"));
        }
        let traced = Traced { child, at: 0, on_foot: 0 };
        traced.request(libc::PTRACE_SETOPTIONS, 0, libc::PTRACE_O_EXITKILL as usize);
        Ok(traced)
    }

    fn request(&self, request: libc::c_uint, address: usize, data: usize) -> u64 {
        // SAFETY: the tracee is a stopped child of ours; requests that return words use the raw system call's
        // convention through glibc, which returns them.
        unsafe { libc::ptrace(request, self.child.pid(), address, data) as u64 }
    }

    fn register(&self, offset: usize) -> u64 {
        self.request(libc::PTRACE_PEEKUSER, offset, 0)
    }

    fn go(&mut self, request: libc::c_uint) -> Progress {
        let mut signal = 0;
        loop {
            if self.child.was_reaped() {
                return Progress::Done;
            }
            self.request(request, 0, signal as usize);
            let status = self.child.wait_for(0);
            if !libc::WIFSTOPPED(status) || libc::WSTOPSIG(status) == libc::SIGSTOP {
                return Progress::Done;
            }
            match libc::WSTOPSIG(status) {
                libc::SIGTRAP => return Progress::Inside,
                other => signal = other,
            }
        }
    }

    /// Executes one instruction.
    pub(crate) fn step(&mut self) -> Progress {
        self.at += 1;
        self.go(libc::PTRACE_SINGLESTEP)
    }

    /// Lets the child run to its second stop or its end.
    pub(crate) fn run(&mut self) -> Progress {
        self.go(libc::PTRACE_CONT)
    }

    /// Goes to points from further away, the more often it was `tried` before: a breakpoint may lie where this run does not
    /// come by, since it looks at the clock in the same second still, or meets nobody.
    pub(crate) fn walk_further(&mut self, tried: u32) {
        self.on_foot = if tried == 0 { 0 } else { 2 << (4 * tried) };
    }

    /// Lets the child go its way, untraced.
    pub(crate) fn detach(&self) {
        self.request(libc::PTRACE_DETACH, 0, 0);
    }

    /// Steps through the whole operation. `waits` is called when the child is about to sleep for the first time.
    pub(crate) fn trace(&mut self, watch: &mut Watch, mut waits: impl FnMut()) -> Result<Trace, String> {
        let mut trace = Trace::default();
        let mut counts: HashMap<u64, u32> = HashMap::default();
        let mut calls = HashSet::default();
        let mut callers = HashSet::default();
        let mut frames = Vec::new();
        let mut address = self.register(RIP);
        loop {
            let count = counts.entry(address).or_default();
            *count += 1;
            trace.addresses.push(address);
            trace.ordinals.push(*count);
            if *count == 1 && self.calls_kernel(address) {
                calls.insert(address);
            }
            if *count == 1 && self.calls_function(address) {
                callers.insert(address);
            }
            if calls.contains(&address) {
                if trace.first_wait.is_none() && self.waits_on_futex() {
                    trace.first_wait = Some(trace.steps() - 1);
                    waits();
                }
                trace.calls.extend([trace.steps() - 1, trace.steps()]);
            }
            let out = (*count == PATIENCE).then(|| self.way_out(&mut frames)).flatten();
            let mut progress = match out {
                Some(out) => {
                    trace.leaps.insert(trace.steps() - 1, Leap::Function(out));
                    self.at += 1;
                    self.run_to_breakpoint(out, 1)
                }
                None => self.step(),
            };
            let mut next = if progress == Progress::Inside { self.register(RIP) } else { 0 };
            if out.is_none() && progress == Progress::Inside && callers.contains(&address) {
                self.drop_returned(&mut frames);
                frames.push(self.register(RSP));
            }
            if next == address
                && let Some(length) = self.repeated_length(address)
            {
                trace.leaps.insert(trace.steps() - 1, Leap::Copy(address + length));
                progress = self.run_to_breakpoint(address + length, 1);
                next = address + length;
            }
            if watch.changed() {
                trace.changes.push(trace.addresses.len());
                if out.is_some() {
                    return Err("a loop that changes more than a payload was not stepped through".to_owned());
                }
            }
            if progress == Progress::Done {
                return Ok(trace);
            }
            address = next;
            if trace.steps() > MOST_STEPS {
                return Err("the operation does not end".to_owned());
            }
        }
    }

    /// Length of the instruction at `address`, if it is one that repeats itself.
    fn repeated_length(&self, address: u64) -> Option<u64> {
        match self.request(libc::PTRACE_PEEKTEXT, address as usize, 0).to_le_bytes() {
            [0xf3, 0xa4 | 0xa5 | 0xaa | 0xab, ..] => Some(2),
            [0xf3, 0x48, 0xa5 | 0xab, ..] => Some(3),
            _ => None,
        }
    }

    /// Where the function that is executed now returns to. `frames` has where the calls of functions that have not returned
    /// left that on the stack, the innermost last.
    fn way_out(&self, frames: &mut Vec<u64>) -> Option<u64> {
        self.drop_returned(frames);
        frames.last().map(|&slot| self.word(slot))
    }

    fn drop_returned(&self, frames: &mut Vec<u64>) {
        let stack = self.register(RSP);
        while frames.pop_if(|slot| *slot < stack).is_some() {}
    }

    fn word(&self, address: u64) -> u64 {
        self.request(libc::PTRACE_PEEKDATA, address as usize, 0)
    }

    /// Whether the instruction at `address` is a call, with the place of the function in it, in a register or in memory.
    fn calls_function(&self, address: u64) -> bool {
        let is_call = |operands: u8| operands >> 3 & 7 == 2;
        match self.request(libc::PTRACE_PEEKTEXT, address as usize, 0).to_le_bytes() {
            [0xe8, ..] => true,
            [0xff, operands, ..] | [0x40..=0x4f, 0xff, operands, ..] => is_call(operands),
            _ => false,
        }
    }

    fn calls_kernel(&self, address: u64) -> bool {
        self.request(libc::PTRACE_PEEKTEXT, address as usize, 0) & 0xffff == SYSCALL
    }

    /// Whether the system call that is made now waits on a futex.
    fn waits_on_futex(&self) -> bool {
        self.register(RAX) == libc::SYS_futex as u64 && self.register(RSI) & 0x7f == 0
    }

    /// Goes on to where `steps` instructions of the operation are executed, as `trace` shows them.
    pub(crate) fn run_to(&mut self, trace: &Trace, steps: usize) -> Progress {
        let leaps = trace.leaps.range(self.at.min(steps)..steps);
        for (step, leap) in leaps.filter(|(_, leap)| matches!(leap, Leap::Function(_))) {
            if self.run_up_to(trace, *step) == Progress::Done || self.step_over(Some(leap)) == Progress::Done {
                return Progress::Done;
            }
        }
        self.run_up_to(trace, steps)
    }

    /// [`Traced::run_to`] where no function is left in one leap before.
    fn run_up_to(&mut self, trace: &Trace, steps: usize) -> Progress {
        if let Some((address, times, left)) = trace.shortcut(self.at, steps, self.on_foot) {
            if self.run_to_breakpoint(address, times) == Progress::Done {
                return Progress::Done;
            }
            self.at = steps - left;
        }
        while self.at < steps {
            if self.step_over(trace.leaps.get(&self.at)) == Progress::Done {
                return Progress::Done;
            }
        }
        Progress::Inside
    }

    /// Executes what is one step of a trace.
    fn step_over(&mut self, leap: Option<&Leap>) -> Progress {
        match leap {
            None => self.step(),
            Some(Leap::Copy(out) | Leap::Function(out)) => {
                self.at += 1;
                self.run_to_breakpoint(*out, 1)
            }
        }
    }

    /// Where the next step copies bytes, executes the copying of as many as `rounds` of them.
    pub(crate) fn begin_copy(&mut self, trace: &Trace, rounds: u64) {
        if trace.is_copy(self.at) {
            let address = self.register(RIP);
            for _ in 0..rounds {
                if self.go(libc::PTRACE_SINGLESTEP) == Progress::Done || self.register(RIP) != address {
                    break;
                }
            }
        }
    }

    fn run_to_breakpoint(&mut self, address: u64, times: u32) -> Progress {
        let original = self.request(libc::PTRACE_PEEKTEXT, address as usize, 0);
        let broken = original & !0xff | 0xcc;
        for _ in 0..times {
            // The instruction under the breakpoint is executed before the breakpoint is set again.
            if self.register(RIP) == address && self.go(libc::PTRACE_SINGLESTEP) == Progress::Done {
                return Progress::Done;
            }
            if self.register(RIP) == address {
                continue;
            }
            self.request(libc::PTRACE_POKETEXT, address as usize, broken as usize);
            let progress = self.go(libc::PTRACE_CONT);
            if progress == Progress::Done {
                return progress;
            }
            self.request(libc::PTRACE_POKETEXT, address as usize, original as usize);
            self.request(libc::PTRACE_POKEUSER, RIP, address as usize);
        }
        Progress::Inside
    }
}

/// Watches what a store file holds besides payloads: header, owner slots, shards, tables and the beginning of each chunk.
pub(crate) struct Watch {
    map: &'static [u8],
    ranges: Vec<(usize, usize)>,
    seen: Vec<u8>,
}

impl Watch {
    /// Maps the file at `path`, which stays as long as it is.
    pub(crate) fn new(path: &Path) -> Watch {
        let file = File::open(path).expect("the store file");
        let len = file.metadata().expect("its length").len() as usize;
        // SAFETY: a fresh shared read-only mapping of the whole file, unmapped in drop; the file is not truncated
        // while it lives. Others write it only while they are stepped, never while it is compared.
        let map = unsafe {
            let base = rustix::mm::mmap(
                std::ptr::null_mut(),
                len,
                rustix::mm::ProtFlags::READ,
                rustix::mm::MapFlags::SHARED,
                &file,
                0,
            )
            .expect("a mapping");
            std::slice::from_raw_parts(base.cast::<u8>(), len)
        };
        let ranges = super::image::hot_ranges(len);
        let seen = ranges.iter().flat_map(|(from, to)| map[*from..*to].iter().copied()).collect();
        Watch { map, ranges, seen }
    }

    /// Whether anything watched changed since the last call.
    pub(crate) fn changed(&mut self) -> bool {
        let (mut changed, mut at) = (false, 0);
        for (from, to) in &self.ranges {
            let now = &self.map[*from..*to];
            let then = &mut self.seen[at..at + now.len()];
            at += now.len();
            if now != &*then {
                then.copy_from_slice(now);
                changed = true;
            }
        }
        changed
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // SAFETY: the very mapping made in `new`; no reference to it outlives this value.
        let _ = unsafe { rustix::mm::munmap(self.map.as_ptr().cast_mut().cast(), self.map.len()) };
    }
}
