//! PHP's settings, as a script sees them: those of `session.*` that make sessions unsafe, those that do not do what they
//! seem to, and combinations of `cloakroom.*` that cannot be meant.

use super::Finding;

/// The least random bits of an id that cannot be guessed.
const LEAST_BITS: u64 = 128;

/// How settings are looked up: `None` where PHP has none of that name.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A question to the settings, in the words of the rules below.
struct Settings<'a>(Lookup<'a>);

impl Settings<'_> {
    fn text(&self, name: &str) -> String {
        (self.0)(name).unwrap_or_default()
    }

    /// As PHP reads a switch.
    fn on(&self, name: &str) -> bool {
        let value = self.text(name).to_ascii_lowercase();
        matches!(value.as_str(), "on" | "yes" | "true") || self.number(name) != 0
    }

    /// As PHP reads a number: the digits in front.
    fn number(&self, name: &str) -> u64 {
        let value = self.text(name);
        let value = value.trim();
        let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
        value.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }
}

/// Examines the settings. One finding says so where all are as they should be.
#[must_use]
pub fn examine(setting: Lookup<'_>) -> Vec<Finding> {
    let settings = Settings(setting);
    let mut findings = Vec::new();
    handler(&settings, &mut findings);
    cookie(&settings, &mut findings);
    ids(&settings, &mut findings);
    lifetime(&settings, &mut findings);
    locks(&settings, &mut findings);
    if findings.is_empty() {
        findings.push(Finding::ok("settings", "nothing in session.* and cloakroom.* is unsafe or without effect"));
    }
    findings
}

fn handler(settings: &Settings<'_>, findings: &mut Vec<Finding>) {
    let handler = settings.text("session.save_handler");
    if handler != "cloakroom" {
        findings.push(Finding::warn(
            "session.save_handler",
            format!("sessions are kept by \"{handler}\" here"),
            "set session.save_handler = cloakroom, unless the application uses Cloakroom\\SessionHandler",
        ));
    }
    let path = settings.text("session.save_path");
    let login = path.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@'));
    if login.is_some_and(|(login, _)| login.contains(':')) || path.contains("password=") {
        findings.push(Finding::warn(
            "session.save_path",
            "it holds a password, which phpinfo() and ini_get() show to every script",
            "name an environment variable (password_env=NAME) or a file (password_file=PATH) in the address instead",
        ));
    }
}

fn cookie(settings: &Settings<'_>, findings: &mut Vec<Finding>) {
    if !settings.on("session.use_cookies") || !settings.on("session.use_only_cookies") {
        findings.push(Finding::bad(
            "session.use_only_cookies",
            "ids of sessions are taken from addresses, which are logged, shared and sent to other sites",
            "set session.use_cookies = 1 and session.use_only_cookies = 1",
        ));
    }
    if settings.on("session.use_trans_sid") {
        findings.push(Finding::bad(
            "session.use_trans_sid",
            "PHP writes the id of the session into addresses",
            "set session.use_trans_sid = 0",
        ));
    }
    if !settings.on("session.cookie_httponly") {
        findings.push(Finding::warn(
            "session.cookie_httponly",
            "every script in a page can read the session's cookie, one that an attacker put there as well",
            "set session.cookie_httponly = 1",
        ));
    }
    let same_site = settings.text("session.cookie_samesite").to_ascii_lowercase();
    if !settings.on("session.cookie_secure") {
        let found = "the session's cookie is also sent over unencrypted connections";
        let advice = "where the site is reached over HTTPS only, set session.cookie_secure = 1";
        findings.push(if same_site == "none" {
            let found = format!("{found}, and browsers refuse it, since session.cookie_samesite is None");
            Finding::bad("session.cookie_secure", found, "set session.cookie_secure = 1")
        } else {
            Finding::warn("session.cookie_secure", found, advice)
        });
    }
    if same_site.is_empty() {
        findings.push(Finding::warn(
            "session.cookie_samesite",
            "whether other sites' forms come with the session's cookie is left to the browser",
            "set session.cookie_samesite = Lax (or Strict)",
        ));
    }
}

fn ids(settings: &Settings<'_>, findings: &mut Vec<Finding>) {
    if !settings.on("session.use_strict_mode") {
        findings.push(Finding::bad(
            "session.use_strict_mode",
            "ids that the server never gave out are accepted, so that an attacker can choose a visitor's (session fixation)",
            "set session.use_strict_mode = 1",
        ));
    }
    let bits = settings.number("session.sid_length") * settings.number("session.sid_bits_per_character");
    if bits < LEAST_BITS {
        findings.push(Finding::bad(
            "session.sid_length",
            format!("ids have {bits} random bits, few enough to be guessed one day"),
            "leave session.sid_length and session.sid_bits_per_character at their defaults",
        ));
    }
}

fn lifetime(settings: &Settings<'_>, findings: &mut Vec<Finding>) {
    let lifetime = settings.number("session.gc_maxlifetime");
    let cookie = settings.number("session.cookie_lifetime");
    if cookie > lifetime {
        findings.push(Finding::warn(
            "session.gc_maxlifetime",
            format!("cookies live for {cookie} s, their sessions only {lifetime} s after their last use"),
            "raise session.gc_maxlifetime to session.cookie_lifetime, or lower the latter",
        ));
    }
    if lifetime < 300 {
        findings.push(Finding::warn(
            "session.gc_maxlifetime",
            format!("sessions end {lifetime} s after their last use, and not some time later as with other handlers"),
            "raise session.gc_maxlifetime",
        ));
    }
    if settings.number("session.gc_probability") > 0 {
        findings.push(Finding::ok(
            "session.gc_probability",
            "it does not matter: expired sessions are gone at once, and their room is reclaimed in passing",
        ));
    }
    if !settings.on("session.lazy_write") {
        findings.push(Finding::warn(
            "session.lazy_write",
            "every request writes its session, also where nothing was changed",
            "set session.lazy_write = 1",
        ));
    }
}

fn locks(settings: &Settings<'_>, findings: &mut Vec<Finding>) {
    let script = settings.text("session.cloakroom_lock");
    // In ini files the word none, without quotes, is one of PHP's for an empty value.
    let mode = if script.is_empty() { settings.text("cloakroom.lock") } else { script };
    if mode.is_empty() || mode == "none" {
        findings.push(Finding::warn(
            "cloakroom.lock",
            "of requests that overlap the last one to write wins, and what the others changed is lost",
            "set cloakroom.lock = merge, which does not wait either, or exclusive",
        ));
    }
    let serializer = settings.text("session.serialize_handler");
    let is_readable = matches!(serializer.as_str(), "php" | "php_serialize" | "php_binary");
    if mode == "merge" && !is_readable {
        findings.push(Finding::warn(
            "cloakroom.lock",
            format!("\"{serializer}\" data cannot be merged, so that of requests that overlap the last one wins"),
            "set session.serialize_handler = php_serialize, or cloakroom.lock = exclusive",
        ));
    }
    if !settings.text("cloakroom.user").trim().is_empty() && !is_readable {
        findings.push(Finding::warn(
            "cloakroom.user",
            format!("whose a session is cannot be found in \"{serializer}\" data"),
            "set session.serialize_handler = php_serialize, or leave cloakroom.user empty",
        ));
    }
    if settings.number("cloakroom.grace") == 0 {
        findings.push(Finding::warn(
            "cloakroom.grace",
            "a request that comes with an id which session_regenerate_id(true) has just replaced gets an empty session, and \
             its cookie may replace the good one",
            "set cloakroom.grace = 10",
        ));
    }
    let (tombstone, limit) = (settings.number("cloakroom.tombstone"), settings.number("max_execution_time"));
    if tombstone < limit {
        findings.push(Finding::warn(
            "cloakroom.tombstone",
            format!("destroyed sessions are remembered for {tombstone} s, while requests may run for {limit} s and write them back"),
            "raise cloakroom.tombstone above max_execution_time",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    const GOOD: [(&str, &str); 19] = [
        ("session.save_handler", "cloakroom"),
        ("session.save_path", "/var/lib/cloakroom"),
        ("session.use_cookies", "1"),
        ("session.use_only_cookies", "1"),
        ("session.use_trans_sid", "0"),
        ("session.cookie_httponly", "On"),
        ("session.cookie_secure", "1"),
        ("session.cookie_samesite", "Lax"),
        ("session.use_strict_mode", "1"),
        ("session.sid_length", "32"),
        ("session.sid_bits_per_character", "4"),
        ("session.gc_maxlifetime", "1440"),
        ("session.gc_probability", "0"),
        ("session.lazy_write", "1"),
        ("session.serialize_handler", "php"),
        ("cloakroom.lock", "exclusive"),
        ("cloakroom.grace", "10"),
        ("cloakroom.tombstone", "3600"),
        ("max_execution_time", "30"),
    ];

    /// The findings where some settings differ from good ones.
    fn with(changes: &[(&str, &str)]) -> Vec<Finding> {
        examine(&|name| {
            let all = changes.iter().chain(GOOD.iter());
            all.clone().find(|(named, _)| *named == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn good_settings_are_all_right() {
        let findings = with(&[]);
        assert_eq!(findings.iter().map(|finding| finding.level).collect::<Vec<_>>(), [Level::Ok]);
    }

    #[test]
    fn each_unsafe_setting_is_found() {
        for (name, value, level) in [
            ("session.save_handler", "files", Level::Warn),
            ("session.save_path", "redis://:hunter2@localhost", Level::Warn),
            ("session.save_path", "redis://localhost?password=hunter2", Level::Warn),
            ("session.use_only_cookies", "0", Level::Bad),
            ("session.use_trans_sid", "1", Level::Bad),
            ("session.cookie_httponly", "", Level::Warn),
            ("session.cookie_secure", "off", Level::Warn),
            ("session.cookie_samesite", "", Level::Warn),
            ("session.use_strict_mode", "0", Level::Bad),
            ("session.sid_length", "22", Level::Bad),
            ("session.gc_maxlifetime", "60", Level::Warn),
            ("session.gc_probability", "1", Level::Ok),
            ("session.lazy_write", "0", Level::Warn),
            ("cloakroom.lock", "none", Level::Warn),
            ("cloakroom.lock", "", Level::Warn),
            ("cloakroom.grace", "0", Level::Warn),
            ("cloakroom.tombstone", "10", Level::Warn),
        ] {
            let findings = with(&[(name, value)]);
            let found: Vec<_> = findings.iter().map(|finding| (finding.subject, finding.level)).collect();
            assert_eq!(found, [(name, level)], "{name} = {value}");
            assert!(!findings[0].found.contains("hunter2") && !findings[0].advice.contains("hunter2"));
            assert_eq!(findings[0].advice.is_empty(), level == Level::Ok);
        }
    }

    #[test]
    fn settings_are_judged_together() {
        assert_eq!(with(&[("session.cookie_lifetime", "86400")])[0].subject, "session.gc_maxlifetime");
        let refused = with(&[("session.cookie_secure", "0"), ("session.cookie_samesite", "None")]);
        assert_eq!((refused[0].level, refused.len()), (Level::Bad, 1));
        let opaque = with(&[("cloakroom.lock", "merge"), ("session.serialize_handler", "igbinary")]);
        assert!(opaque[0].found.contains("igbinary"));
        assert_eq!(with(&[("cloakroom.user", "auth.id")])[0].level, Level::Ok);
        let unread = with(&[("cloakroom.user", "auth.id"), ("session.serialize_handler", "igbinary")]);
        assert_eq!((unread[0].subject, unread[0].level, unread.len()), ("cloakroom.user", Level::Warn, 1));
        let chosen = with(&[("session.cloakroom_lock", "none")]);
        assert_eq!(chosen[0].subject, "cloakroom.lock");
        assert_eq!(with(&[("session.save_path", "redis://user@localhost/0?password_env=X")])[0].level, Level::Ok);
    }
}
