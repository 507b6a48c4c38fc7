//! What lies among session files and is nobody's session, or another user's: neither is a failure, as anybody who can write to a
//! shared directory can put such a thing there.

use cloakroom_migration::Foreign;
use serde_json::{Value, json};

/// How many entries were passed over, and why.
#[derive(Default)]
pub(super) struct Skipped {
    no_files: u64,
    other_users: u64,
}

impl Skipped {
    pub(super) fn add(&mut self, found: Foreign) {
        match found {
            Foreign::NotAFile(_) | Foreign::OnTheWay => self.no_files += 1,
            Foreign::OtherUser(_) => self.other_users += 1,
        }
    }

    pub(super) fn figures(&self) -> Value {
        json!({ "no_files": self.no_files, "other_users": self.other_users })
    }

    /// A line for each reason.
    pub(super) fn text(&self) -> String {
        let lines = [
            (self.no_files, "entries were skipped, as they are no plain files (links, pipes, sockets, directories)"),
            (self.other_users, "files were skipped, as they belong to other users"),
        ];
        lines.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}\n")).collect()
    }
}
