//! The sessions of the store file in `format-2.txt`: the program that made it and the tests that read it agree on them here.

/// The store's secret, so that keys and checksums are the same whenever it is made.
#[allow(dead_code, reason = "only the program that made the file needs it")]
pub(crate) const SECRET: [u8; 32] = *b"sessions of an earlier format...";

/// A year in seconds.
pub(crate) const YEAR: u32 = 31_556_952;

/// What became of a session before its store was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Written once.
    OnProbation,
    /// Asked for again once.
    Returned,
    /// Asked for again more than once.
    ReturnedAgain,
    /// An id and nothing else.
    Reserved,
    /// Written, and what it held was taken away again.
    Emptied,
    /// Destroyed, and remembered.
    Ended,
    /// Destroyed, and begun again while that was remembered.
    BegunAgain,
    /// Its id was replaced; it can still be read.
    Retired,
    /// Its id was replaced, and the time is over in which it can be read.
    GraceOver,
    /// Past its lifetime by all clocks.
    Expired,
    /// Past its lifetime by the wall clock, which was ten years slow when it was written for five years.
    Hidden,
    /// Held by a process that was killed.
    Held,
}

/// A session of the file.
#[derive(Clone, Copy)]
pub(crate) struct Session {
    pub(crate) namespace: &'static str,
    pub(crate) id: &'static str,
    pub(crate) fate: Fate,
    /// Bytes of its payload.
    pub(crate) size: usize,
}

const fn session(namespace: &'static str, id: &'static str, fate: Fate, size: usize) -> Session {
    Session { namespace, id, fate, size }
}

/// All of them, in the order in which they were made.
pub(crate) const SESSIONS: &[Session] = &[
    session("", "expired", Fate::Expired, 200),
    session("", "hidden", Fate::Hidden, 300),
    session("", "empty", Fate::Returned, 0),
    session("", "one byte", Fate::Returned, 1),
    session("", "small", Fate::ReturnedAgain, 100),
    session("", "usual", Fate::Returned, 1024),
    session("", "larger", Fate::ReturnedAgain, 10_240),
    session("", "large", Fate::Returned, 102_400),
    session("", "several blocks", Fate::ReturnedAgain, 307_200),
    session("", "fresh", Fate::OnProbation, 1024),
    session("", "reserved", Fate::Reserved, 0),
    session("", "emptied", Fate::Emptied, 0),
    session("", "ended", Fate::Ended, 500),
    session("", "begun again", Fate::BegunAgain, 600),
    session("", "retired", Fate::Retired, 700),
    session("", "held", Fate::Held, 900),
    session("shop", "usual", Fate::Returned, 1000),
    session("shop", "fresh", Fate::OnProbation, 64),
    session("shop", "ended", Fate::Ended, 0),
    session("shop", "retired", Fate::Retired, 0),
    session("a namespace of more bytes than fit in one block of the hash", "usual", Fate::OnProbation, 40),
    // As PHP writes it.
    session("", "0123456789abcdef0123456789abcdef", Fate::Returned, PHP.len()),
    // So large that another end in its shard would end its grace.
    session("", "blocks, retired", Fate::Retired, 153_600),
    // Last: a commit in its shard would come by it.
    session("", "grace over", Fate::GraceOver, 800),
];

/// The payload of the session that PHP reads.
const PHP: &[u8] = b"name|s:9:\"Ada Admin\";visits|i:41;";

/// The payload of a session: sixteen bytes again and again, for the file to be described in few lines, of which two
/// change every 4 KiB so that no two blocks of a payload are the same.
pub(crate) fn content(session: &Session) -> Vec<u8> {
    if session.id.len() == 32 {
        return PHP.to_vec();
    }
    let pattern = |i: usize| format!("{:-<12.12}{:04}", session.id, i / 4096 + session.size % 97).into_bytes();
    (0..session.size.div_ceil(16)).flat_map(|line| pattern(line * 16)).take(session.size).collect()
}
