//! From the arguments to an attached store.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use cloakroom_migration::address::parse_files;
use cloakroom_migration::files::Files;
use cloakroom_paths::{Links, Refused, Rights, walk};
use cloakroom_session::{AnyStore, Inventory};
use cloakroom_store::{AttachError, Options};

use crate::arguments::Place;
use crate::failure::{self, Code, Refusal};

/// A store, attached.
pub(crate) struct Attached {
    /// The store as one in a directory, if it is.
    pub(crate) local: Option<Arc<cloakroom_store::Store>>,
    pub(crate) store: AnyStore,
}

impl Attached {
    /// A store in a directory.
    pub(crate) fn local(attached: Arc<cloakroom_store::Store>) -> Attached {
        Attached { store: AnyStore::attached(Arc::clone(&attached)), local: Some(attached) }
    }

    /// All sessions of the store.
    pub(crate) fn inventory(&self) -> Result<&dyn Inventory> {
        self.store.inventory().with_context(|| format!("the store {} cannot be gone through", self.store.location()))
    }
}

impl Place {
    /// Attaches the store of the place, or makes one in the directory, of at most `size` bytes.
    pub(crate) fn attach_or_make(&self, size: Option<u64>) -> Result<Attached> {
        match self.attach() {
            Err(error) if self.address().is_none() && failure::code(&error) == Code::NoStore => {
                let options = Options { capacity: Some(size.unwrap_or(1 << 30)), user: self.user()? };
                let mut secret = [0; 32];
                let generator = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut secret));
                generator.context("cannot read /dev/urandom")?;
                self.make(options, &secret)
            }
            attached => attached,
        }
    }

    /// Attaches the store with this secret, or makes it. Root does so with the rights of the user whose it is to be: it would make
    /// the file wherever that user lets the path lead meanwhile.
    pub(crate) fn make(&self, options: Options, secret: &[u8; 32]) -> Result<Attached> {
        self.look_out()?;
        let user = options.user.filter(|_| is_root());
        let taken = user.map(|user| Rights::of(user).take());
        let _as_user = taken.transpose().map_err(std::io::Error::from).context("cannot take the user's rights")?;
        let made = cloakroom_store::Store::attach_with_secret(&self.store, options, secret);
        let made = made.with_context(|| {
            let who = user.map_or_else(String::new, |user| format!(" with the rights of user {user}"));
            format!("cannot make or fill a store in {}{who}", self.store.display())
        })?;
        Ok(Attached::local(made))
    }

    /// Refuses a directory to which somebody else leads root, who may not have meant the stores there.
    fn look_out(&self) -> Result<()> {
        match walk::directory(&self.store, Links::for_the_caller()) {
            Err(error @ Refused::Link { .. }) => Err(error.into()),
            // What else is wrong the store says better.
            _ => Ok(()),
        }
    }

    /// The number of the user whose store is meant; `None` for the calling one's.
    pub(crate) fn user(&self) -> Result<Option<u32>> {
        self.user.as_deref().map(user_number).transpose()
    }

    /// The user whose session files of PHP's handler `files` are meant: the store's. A store on servers belongs to no user,
    /// so for one root has to name the user, as root may open the files of every user.
    fn user_of_files(&self, attached: Option<&Attached>) -> Result<Option<u32>> {
        if let Some(local) = attached.and_then(|attached| attached.local.as_ref()) {
            let path = local.path();
            let owner = std::fs::metadata(path).with_context(|| format!("cannot look at {}", path.display()))?.uid();
            return Ok(Some(owner));
        }
        let user = self.user()?;
        if user.is_none() && self.address().is_some() && is_root() {
            let asked = "name the user whose session files are meant, with --user: a store on servers does not tell";
            return Err(Refusal::Usage(asked.to_owned()).into());
        }
        Ok(user)
    }

    /// The session files that `text` names, `files:DIR`, of [the user](Self::user_of_files) who is meant. Root works there with that
    /// user's rights.
    pub(crate) fn files(&self, text: &str, option: &str, attached: Option<&Attached>) -> Result<Files> {
        let files = parse_files(text.as_bytes(), self.user_of_files(attached)?);
        Ok(files.map_err(|error| Refusal::Usage(format!("{option}: {error}")))?.in_charge()?)
    }

    /// The address of a store on servers; `None` where a directory is meant.
    pub(crate) fn address(&self) -> Option<&[u8]> {
        let text = self.store.as_os_str().as_encoded_bytes();
        text.windows(3).any(|window| window == b"://").then_some(text)
    }

    /// Attaches the store of the place.
    pub(crate) fn attach(&self) -> Result<Attached> {
        if let Some(address) = self.address() {
            return Ok(Attached { local: None, store: AnyStore::at_address(address)? });
        }
        self.look_out()?;
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
        let attached = attached.with_context(|| format!("cannot attach the store in {}", self.store.display()))?;
        Ok(Attached::local(attached))
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

pub(crate) fn is_root() -> bool {
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
