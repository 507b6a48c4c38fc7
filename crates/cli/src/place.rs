//! From the arguments to an attached store.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use cloakroom_session::{Inventory, Store, local};
use cloakroom_store::{AttachError, Options};

use crate::arguments::Place;
use crate::failure::Refusal;

/// A store, attached.
pub(crate) struct Attached {
    pub(crate) local: Arc<cloakroom_store::Store>,
    pub(crate) store: Arc<dyn Store>,
}

impl Attached {
    /// All sessions of the store.
    pub(crate) fn inventory(&self) -> Result<&dyn Inventory> {
        self.store.inventory().with_context(|| format!("the store {} cannot be gone through", self.store.location()))
    }
}

impl Place {
    /// The number of the user whose store is meant; `None` for the calling one's.
    pub(crate) fn user(&self) -> Result<Option<u32>> {
        self.user.as_deref().map(user_number).transpose()
    }

    /// Attaches the store that is there.
    pub(crate) fn attach(&self) -> Result<Attached> {
        self.refuse_addresses()?;
        let attach = |user| cloakroom_store::Store::attach(&self.store, Options { capacity: None, user });
        let user = self.user()?;
        let attached = match (attach(user), user) {
            (Err(error @ AttachError::Missing { .. }), None) => match stores_of_others(&self.store).as_slice() {
                // Root need not say whose store it is where there is only one.
                [only] if is_root() => attach(Some(*only)),
                [] => Err(error),
                others => {
                    let others = others.iter().map(|user| format!("--user {user}")).collect::<Vec<_>>().join(" or ");
                    return Err(error).context(format!("there are stores of other users there: try {others}"));
                }
            },
            (attached, _) => attached,
        };
        let local = attached.with_context(|| format!("cannot attach the store in {}", self.store.display()))?;
        Ok(Attached { store: local::adapt(Arc::clone(&local)), local })
    }

    /// Refuses what is not a directory of this machine.
    pub(crate) fn refuse_addresses(&self) -> Result<()> {
        let text = self.store.to_string_lossy();
        match text.split_once("://") {
            // Nothing of the address is repeated: it may hold a password.
            Some((scheme, _)) => Err(Refusal::Usage(format!(
                "stores at {scheme}:// addresses cannot be looked at by this version of the command, only those in directories"
            ))
            .into()),
            None => Ok(()),
        }
    }
}

/// Users whose stores lie in `directory`.
fn stores_of_others(directory: &Path) -> Vec<u32> {
    let entries = directory.read_dir().into_iter().flatten().flatten();
    let user = |name: &str| name.strip_prefix("cloakroom-")?.strip_suffix(".store")?.parse().ok();
    let mut users: Vec<u32> = entries.filter_map(|entry| user(entry.file_name().to_str()?)).collect();
    users.sort_unstable();
    users
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The number of a user given by name or number.
fn user_number(user: &str) -> Result<u32> {
    if let Ok(number) = user.parse() {
        return Ok(number);
    }
    let users = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    let of_line = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(user)).then(|| fields.nth(1)?.parse().ok()).flatten()
    };
    let unknown = || Refusal::Usage(format!("there is no user {user:?} in /etc/passwd; give the number"));
    Ok(users.lines().find_map(of_line).ok_or_else(unknown)?)
}
