//! The options of an address: what stands behind the `?`.

use std::path::PathBuf;
use std::time::Duration;

use super::error::{AddressError, Problem};
use super::part::{Part, number};
use super::scheme::Kind;
use super::secret::Secret;
use super::types::{DEFAULT_PREFIX, DEFAULT_TIMEOUT, Tls};
use super::words::OPTIONS;

/// The values of the options, in the order of [`OPTIONS`].
pub(super) struct Options<'a>([Option<Part<'a>>; OPTIONS.len()]);

impl<'a> Options<'a> {
    pub(super) fn read(query: Option<Part<'a>>) -> Result<Self, AddressError> {
        let mut values = [None; OPTIONS.len()];
        for option in query.into_iter().flat_map(|query| query.split('&')) {
            let (name, value) = option.cut('=').ok_or_else(|| option.error(Problem::BareOption))?;
            let mut known = OPTIONS.iter().zip(&mut values);
            let (known, slot) =
                known.find(|(known, _)| **known == name.text).ok_or_else(|| name.error(Problem::UnknownOption))?;
            if slot.replace(value).is_some() {
                return Err(name.error(Problem::RepeatedOption(known)));
            }
            if value.text.is_empty() && *known != "prefix" {
                return Err(value.error(Problem::EmptyOption(known)));
            }
        }
        Ok(Self(values))
    }

    pub(super) fn part(&self, name: &str) -> Option<Part<'a>> {
        OPTIONS.iter().zip(self.0).find(|(known, _)| **known == name).and_then(|(_, value)| value)
    }

    pub(super) fn prefix(&self) -> Result<String, AddressError> {
        let Some(part) = self.part("prefix") else { return Ok(DEFAULT_PREFIX.to_owned()) };
        let prefix = part.decode("prefix")?;
        if prefix.contains(['{', '}']) { Err(part.error(Problem::Braces)) } else { Ok(prefix) }
    }

    pub(super) fn seconds(&self, name: &'static str) -> Result<Duration, AddressError> {
        let Some(part) = self.part(name) else { return Ok(DEFAULT_TIMEOUT) };
        let (whole, fraction) = part.text.split_once('.').unwrap_or((part.text, "0"));
        // A tenth of a nanosecond is nobody's timeout; nine digits fit the nanoseconds exactly.
        let nanoseconds = (1..=9).contains(&fraction.len()).then(|| number(&format!("{fraction:0<9}"))).flatten();
        let whole = if whole.is_empty() { None } else { number(whole) };
        let time = whole.zip(nanoseconds).map(|(seconds, nanoseconds)| Duration::new(seconds.into(), nanoseconds));
        match time {
            Some(time) if (Duration::from_millis(1)..=Duration::from_secs(3600)).contains(&time) => Ok(time),
            _ => Err(part.error(Problem::Seconds(name))),
        }
    }

    fn absolute(&self, name: &'static str) -> Result<Option<PathBuf>, AddressError> {
        let Some(part) = self.part(name) else { return Ok(None) };
        let path = part.decode_path(name)?;
        if path.is_absolute() { Ok(Some(path)) } else { Err(part.error(Problem::RelativePath(name))) }
    }

    /// The one password of those that can be given: literally, by the name of a variable or by that of a file.
    pub(super) fn password(
        &self,
        literal: Option<Secret>,
        literal_name: &'static str,
        [variable, file]: [&'static str; 2],
    ) -> Result<Option<Secret>, AddressError> {
        let mut found = literal.map(|secret| (literal_name, secret));
        for name in [variable, file] {
            let Some(part) = self.part(name) else { continue };
            if let Some((first, _)) = found {
                return Err(part.error(Problem::TwoPasswords(first, name)));
            }
            let secret = if name == variable {
                let variable = part.decode(name)?;
                if !variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                    return Err(part.error(Problem::Variable(name)));
                }
                Some(Secret::in_environment(variable))
            } else {
                self.absolute(name)?.map(Secret::in_file)
            };
            found = secret.map(|secret| (name, secret));
        }
        Ok(found.map(|(_, secret)| secret))
    }

    pub(super) fn sentinel_credentials(&self) -> Result<(Option<String>, Option<Secret>), AddressError> {
        let literal = match self.part("sentinel_password") {
            Some(part) => Some(Secret::literal(part.decode("sentinel_password")?)),
            None => None,
        };
        let elsewhere = ["sentinel_password_env", "sentinel_password_file"];
        let password = self.password(literal, "sentinel_password", elsewhere)?;
        let Some(part) = self.part("sentinel_user") else { return Ok((None, password)) };
        if password.is_none() {
            return Err(part.error(Problem::SentinelUserAlone));
        }
        Ok((Some(part.decode("sentinel_user")?), password))
    }

    pub(super) fn tls(&self, secure: bool) -> Result<Option<Tls>, AddressError> {
        for name in ["ca", "cert", "key"] {
            if let (Some(part), false) = (self.part(name), secure) {
                return Err(part.error(Problem::WithoutTls(name)));
            }
        }
        for (there, missing) in [("cert", "key"), ("key", "cert")] {
            if let (Some(part), None) = (self.part(there), self.part(missing)) {
                return Err(part.error(Problem::HalfCertificate(missing)));
            }
        }
        let tls = Tls { ca: self.absolute("ca")?, cert: self.absolute("cert")?, key: self.absolute("key")? };
        Ok(secure.then_some(tls))
    }

    /// Refuses options that mean nothing for this kind of address.
    pub(super) fn fit(&self, kind: Kind) -> Result<(), AddressError> {
        if let (Some(part), true) = (self.part("db"), kind != Kind::Socket) {
            return Err(part.error(Problem::DatabaseOption));
        }
        let sentinels = OPTIONS.iter().filter(|name| name.starts_with("sentinel_"));
        for name in sentinels.filter(|_| kind != Kind::Sentinel) {
            if let Some(part) = self.part(name) {
                return Err(part.error(Problem::WithoutSentinel(name)));
            }
        }
        Ok(())
    }
}
