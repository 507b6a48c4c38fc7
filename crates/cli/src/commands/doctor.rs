//! `cloakroom doctor`: the examination of `Cloakroom\doctor()`, from outside of PHP. What PHP's settings are it asks a PHP.

use std::collections::HashMap;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use cloakroom_paths::{Refused, Rights, walk};
use cloakroom_session::doctor::{self, Finding, Level, settings};
use cloakroom_session::seam::printable::harmless;
use cloakroom_session::{AnyStore, StoreError};
use cloakroom_store::{Options, Store};
use serde_json::{Value, json};

use crate::arguments::Place;
use crate::failure::Code;
use crate::place::is_root;
use crate::terminal::{BAD, GOOD, WARN, print, print_json};

/// What of a store is examined under the name of a PHP that is asked for its settings.
const SUBJECT: &str = "PHP";

/// Has PHP print its settings, and of which version it and the extension are.
const ASK: &str = r#"
$found = ['php' => PHP_VERSION, 'ini' => (string) php_ini_loaded_file(), 'extension' => (string) phpversion('cloakroom')];
foreach (array_merge(ini_get_all('session', false), extension_loaded('cloakroom') ? ini_get_all('cloakroom', false) : [])
    as $name => $value) {
    $found[$name] = (string) $value;
}
echo json_encode($found, JSON_INVALID_UTF8_SUBSTITUTE);
"#;

pub(super) fn run(place: &Place, program: &Path, ini: Option<&Path>, as_json: bool) -> Result<Code> {
    let mut findings = vec![Finding::ok(
        "versions",
        format!("Cloakroom {}, store format {}", env!("CARGO_PKG_VERSION"), doctor::STORE_FORMAT),
    )];
    findings.extend(of_php(program, ini, place.user()?));
    findings.extend(of_store(place)?);
    if as_json {
        let described = |finding: &Finding| {
            let Finding { level, subject, found, advice } = finding;
            json!({ "level": level.as_str(), "subject": subject, "found": found, "advice": advice })
        };
        print_json(&findings.iter().map(described).collect::<Vec<Value>>())?;
    } else {
        print(&findings.iter().map(line).collect::<String>())?;
    }
    let is_well = findings.iter().all(|finding| finding.level == Level::Ok);
    Ok(if is_well { Code::Done } else { Code::Failed })
}

fn of_store(place: &Place) -> Result<Vec<Finding>> {
    if let Some(address) = place.address() {
        return Ok(doctor::remote(|| AnyStore::at_address(address)));
    }
    let user = place.user()?.unwrap_or_else(|| rustix::process::geteuid().as_raw());
    let examined = doctor::place::Place { directory: &place.store, user, size: None };
    Ok(doctor::local(&examined, || {
        let attached = Store::attach(&place.store, Options { capacity: None, user: Some(user) });
        attached.map(AnyStore::attached).map_err(|error| StoreError::Unavailable(error.to_string()))
    }))
}

fn line(finding: &Finding) -> String {
    let style = match finding.level {
        Level::Ok => GOOD,
        Level::Warn => WARN,
        Level::Bad => BAD,
    };
    let Finding { level, subject, found, advice } = finding;
    let (found, advice) = (harmless(found), harmless(advice));
    let advice = if advice.is_empty() { String::new() } else { format!("\n      {advice}") };
    format!("{style}{:<4}{style:#}  {subject}: {found}{advice}\n", level.as_str())
}

/// What the settings are of the PHP that `program` is, as it reads them from `ini`, a php.ini or the directory of one. A php.ini
/// names code that PHP runs: root runs it with the rights of `user`, or not at all where others could have written it.
fn of_php(program: &Path, ini: Option<&Path>, user: Option<u32>) -> Vec<Finding> {
    let mut command = Command::new(program);
    match user.filter(|user| is_root() && *user != 0) {
        Some(user) => {
            command.uid(user).gid(Rights::of(user).group());
        }
        None if is_root() => {
            // A name without a slash is looked for in root's own PATH.
            let program = Some(program).filter(|program| program.as_os_str().as_encoded_bytes().contains(&b'/'));
            let more = ini.map(|ini| ini.join("conf.d")).filter(|more| more.is_dir());
            for path in [program, ini, more.as_deref()].into_iter().flatten() {
                if let Err(refused @ (Refused::Link { .. } | Refused::Exchangeable { .. })) = walk::is_of_root(path) {
                    return vec![Finding::warn(
                        SUBJECT,
                        format!("its settings are unknown: {refused}"),
                        "name the user who runs PHP with --user: PHP is then asked with the rights of that user, not with root's",
                    )];
                }
            }
        }
        None => {}
    }
    if let Some(ini) = ini {
        command.arg("-c").arg(ini);
        let more = ini.join("conf.d");
        if more.is_dir() {
            command.env("PHP_INI_SCAN_DIR", more);
        }
    }
    let shown = program.display();
    let answer = match command.args(["-d", "display_errors=0", "-r", ASK]).output() {
        Ok(answer) => answer,
        Err(error) => {
            let advice = "name one with --php, or look at Cloakroom\\doctor() where PHP serves the site";
            return vec![Finding::warn(
                SUBJECT,
                format!("its settings are unknown: cannot run {shown}: {error}"),
                advice,
            )];
        }
    };
    let Ok(settings) = serde_json::from_slice::<HashMap<String, String>>(&answer.stdout) else {
        let advice = "name a PHP for the command line with --php";
        return vec![Finding::warn(SUBJECT, format!("its settings are unknown: {shown} does not tell them"), advice)];
    };
    of_settings(&settings)
}

fn of_settings(settings: &HashMap<String, String>) -> Vec<Finding> {
    let text = |name: &str| settings.get(name).map_or("", String::as_str);
    let ini = if text("ini").is_empty() { "without a php.ini" } else { text("ini") };
    let mut findings =
        vec![Finding::ok(SUBJECT, format!("{} with {ini}; php-fpm may read another, see --php-ini", text("php")))];
    findings.push(match text("extension") {
        "" => Finding::warn(
            "extension",
            "it is not loaded here",
            "add extension=cloakroom to php.ini, or phpenmod cloakroom",
        ),
        version if version == env!("CARGO_PKG_VERSION") => {
            Finding::ok("extension", format!("version {version} is loaded"))
        }
        version => Finding::warn(
            "extension",
            format!("version {version} is loaded"),
            "install the version of this command, or the other way round",
        ),
    });
    findings.extend(settings::examine(&|name| settings.get(name).cloned()));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_examined_with_the_extension_of_that_php() {
        let mut settings: HashMap<String, String> =
            [("php", "8.2.0"), ("extension", env!("CARGO_PKG_VERSION")), ("session.use_strict_mode", "0")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        let level = |settings: &HashMap<String, String>, subject: &str| {
            of_settings(settings).into_iter().find(|finding| finding.subject == subject).map(|finding| finding.level)
        };
        assert_eq!(level(&settings, "extension"), Some(Level::Ok));
        assert_eq!(level(&settings, "session.use_strict_mode"), Some(Level::Bad));
        settings.insert("extension".to_owned(), String::new());
        assert_eq!(level(&settings, "extension"), Some(Level::Warn));
        settings.insert("session.use_strict_mode".to_owned(), "1".to_owned());
        assert_ne!(level(&settings, "session.use_strict_mode"), Some(Level::Bad));
    }
}
