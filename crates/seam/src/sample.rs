//! Sizes and ages of some sessions, for surveys.

/// Size and age of one session, of [`crate::Store::sample`]. Times are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// When the session began.
    pub created: u64,
    /// When it was written or touched last.
    pub used: u64,
    /// Bytes of its payload; 0 where it only holds its id.
    pub size: u64,
    /// Whether it was asked for again after the request that began it.
    pub returned: bool,
}

/// The result of [`crate::Store::sample`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The sessions, in no order.
    pub sessions: Vec<Sampled>,
    /// Whether these are all, and not only some.
    pub complete: bool,
    /// When the look was taken, in seconds since 1970.
    pub taken: u64,
}
