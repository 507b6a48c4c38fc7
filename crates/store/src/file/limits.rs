//! What the system allows this process: how long a file it may make, and how much address space it may have.
//!
//! The kernel answers whoever makes a file longer than RLIMIT_FSIZE with a signal that ends the process (SIGXFSZ), so the
//! limit is asked before. Writing through a mapping makes no file longer and needs no question.

use std::io;

use rustix::process::{Resource, getrlimit};

/// The length beyond which this process may make no file (RLIMIT_FSIZE); `None` is no limit.
pub(crate) fn longest_file() -> Option<u64> {
    getrlimit(Resource::Fsize).current
}

/// Fails where this process may make no file of `len` bytes.
pub(crate) fn allow_length(len: u64) -> io::Result<()> {
    match longest_file() {
        Some(limit) if len > limit => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!(
                "the file needs {len} bytes, and this process may make none of more than {limit}; raise the limit of file \
                 sizes (systemd: LimitFSIZE=, shell: ulimit -f)"
            ),
        )),
        _ => Ok(()),
    }
}

/// Says of a mapping of `len` bytes that failed with `source` what to do about it.
pub(crate) fn explain_mapping(len: u64, source: io::Error) -> io::Error {
    if source.raw_os_error() != Some(libc::ENOMEM) {
        return source;
    }
    let mib = len.div_ceil(1 << 20);
    let advice = match getrlimit(Resource::As).current {
        Some(limit) => format!(
            "this process may have {} MiB of address space; raise that limit (systemd: LimitAS=, shell: ulimit -v) or lower \
             cloakroom.size",
            limit >> 20
        ),
        None => "the system grants no more; lower cloakroom.size".to_owned(),
    };
    io::Error::new(source.kind(), format!("{source}: {mib} MiB are to be mapped at once, and {advice}"))
}
