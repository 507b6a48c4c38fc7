//! The command line: sub-commands, options, and what each says of itself in `--help`, in the manual and in completions.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::measures::{parse_duration, parse_size};
use crate::php::scan::Format;

const EXIT_CODES: &str = "\
Exit codes:
  0  done; with check and doctor: nothing is wrong
  1  failed for another reason, or doctor has something to change
  2  wrong usage
  3  there is no store at that place
  4  not allowed: permissions, owners, an unsafe directory or file system
  5  damaged: check found problems, or a file is not what it should be
  6  a store or file of another version
  7  no session has that name, or more than one";

/// Look at, verify and move the sessions of a Cloakroom store while PHP uses it.
#[derive(Parser)]
#[command(name = "cloakroom", version, after_help = EXIT_CODES, after_long_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours; NO_COLOR is honoured
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub(crate) color: ColorChoice,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the store is.
#[derive(Args)]
pub(crate) struct Place {
    /// What session.save_path names: a directory, or the address of a Redis or Valkey server
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// Whose store and session files, by name or number, if not the calling user's (root may look at others')
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print the figures of a store, one a line
    Status(Place),
    /// List the sessions: short names, ages and sizes, never ids
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        filter: Filter,
        /// What to sort by
        #[arg(long, value_enum, default_value_t = Order::Idle)]
        sort: Order,
        /// Turn the order round
        #[arg(long)]
        reverse: bool,
        /// Print so many at most
        #[arg(long, value_name = "NUMBER")]
        limit: Option<usize>,
    },
    /// Show one session with its payload
    Show {
        #[command(flatten)]
        place: Place,
        /// The session's name as list prints it, or the beginning of it
        #[arg(value_name = "NAME")]
        session: String,
        /// What the payload is encoded with, if it is not found out rightly
        #[arg(long, value_enum)]
        format: Option<Format>,
        /// Show long texts whole
        #[arg(long)]
        full: bool,
        /// Write the bytes of the payload and nothing else; not to a terminal
        #[arg(long, conflicts_with_all = ["json", "format", "full"])]
        raw: bool,
    },
    /// Remove what has expired, which is never needed for correctness
    Gc(Place),
    /// Verify every invariant of a store, payload checksums included; locks one shard at a time
    Check(Place),
    /// Destroy sessions: whoever is logged in with them is logged out
    Destroy {
        #[command(flatten)]
        place: Place,
        /// The session's name as list prints it, or the beginning of it
        #[arg(value_name = "NAME", required_unless_present_any = ["all", "idle_longer"], conflicts_with_all = ["all", "idle_longer"])]
        session: Option<String>,
        /// All sessions
        #[arg(long, conflicts_with = "idle_longer")]
        all: bool,
        /// Those that were last used before so long, as in 90s, 15m, 2h, 7d
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        idle_longer: Option<Duration>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        /// For how long requests that began before cannot write a destroyed session back (cloakroom.tombstone)
        #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1h")]
        tombstone: Duration,
    },
    /// Write all sessions to a file, to be imported elsewhere, or migrate them out to PHP's handler files
    Export {
        #[command(flatten)]
        place: Place,
        /// The file to make; - is the standard output
        #[arg(required_unless_present = "to")]
        file: Option<PathBuf>,
        /// Replace the file where it is there already
        #[arg(long)]
        force: bool,
        /// Write the sessions into the session files of a directory instead, files:DIR or files:N;DIR: those whose ids name
        /// files there
        #[arg(long, value_name = "FILES", conflicts_with_all = ["file", "force"])]
        to: Option<String>,
        /// With --to: a file with more ids, one a line; - is the standard input
        #[arg(long, value_name = "FILE", requires = "to")]
        ids: Option<PathBuf>,
        #[command(flatten)]
        side: OtherSide,
    },
    /// Take the sessions of an exported file or of another session handler in; those that are there stay as they are
    Import {
        #[command(flatten)]
        place: Place,
        /// The file that export made
        #[arg(required_unless_present = "from")]
        file: Option<PathBuf>,
        /// Migrate all sessions of another session handler instead: files:DIR, or redis: with its session.save_path
        #[arg(long, value_name = "HANDLER", conflicts_with = "file")]
        from: Option<String>,
        /// With --from: how long a session lives after its last use (session.gc_maxlifetime)
        #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1440s", requires = "from")]
        lifetime: Duration,
        /// With --from: how the sessions are encoded (session.serialize_handler)
        #[arg(long, value_enum, default_value_t = Encoding::Php, requires = "from")]
        encoding: Encoding,
        #[command(flatten)]
        side: OtherSide,
        /// The most bytes a store may take that has to be made, as in 512M, 2G (cloakroom.size)
        #[arg(long, value_name = "SIZE", value_parser = parse_size)]
        size: Option<u64>,
        /// Verify the file and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Look at where a store is or is to be, and at PHP's settings, and say what to change
    Doctor {
        #[command(flatten)]
        place: Place,
        /// The PHP whose settings are looked at, if not php
        #[arg(long, value_name = "PROGRAM", default_value = "php")]
        php: PathBuf,
        /// Its php.ini, or the directory of one, as in /etc/php/8.2/fpm, if not its own
        #[arg(long, value_name = "PATH")]
        php_ini: Option<PathBuf>,
    },
    /// Print the completions for a shell
    Completions {
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual, or write it and one for each sub-command to a directory
    Manual {
        /// The directory
        directory: Option<PathBuf>,
    },
}

/// What it takes to speak with another session handler.
#[derive(Args)]
pub(crate) struct OtherSide {
    /// With another handler: the namespace of its sessions here (cloakroom.namespace)
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) namespace: String,
    /// With another handler: how long to wait for a session that a request of it is using
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "5s")]
    pub(crate) wait: Duration,
}

/// How sessions are encoded.
#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Encoding {
    Php,
    PhpSerialize,
    PhpBinary,
    /// Any other, which is not looked at
    Other,
}

/// Which sessions to list.
#[derive(Args, Clone, Copy)]
pub(crate) struct Filter {
    /// Only those that were last used before so long, as in 90s, 15m, 2h, 7d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) idle: Option<Duration>,
    /// Only those with a payload larger than this, as in 500, 10K, 1M
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) larger: Option<u64>,
    /// Only those that hold their id and no payload
    #[arg(long, conflicts_with = "larger")]
    pub(crate) reserved: bool,
    /// Only those that a request holds the lock of
    #[arg(long)]
    pub(crate) locked: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Order {
    /// Those used last first
    Idle,
    /// The youngest first
    Age,
    /// The largest first
    Size,
    /// Those that expire soonest first
    Expiry,
    /// By their names
    Name,
}
