//! PHP's settings: which handler is used, and whether ids and cookies are as safe as they can be.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::Finding;

/// Prints the settings that are looked at as JSON.
const ASK: &str = r#"
$names = ['session.save_handler', 'session.save_path', 'session.use_strict_mode', 'session.use_only_cookies',
    'session.cookie_httponly', 'session.cookie_secure', 'session.cookie_samesite', 'session.gc_maxlifetime',
    'session.sid_length', 'session.sid_bits_per_character', 'session.lazy_write', 'cloakroom.size'];
$found = ['version' => PHP_VERSION, 'extension' => phpversion('cloakroom'), 'ini' => php_ini_loaded_file()];
foreach ($names as $name) { $found[$name] = ini_get($name); }
echo json_encode($found, JSON_PARTIAL_OUTPUT_ON_ERROR);
"#;

/// Asks `program` for its settings, as it reads them from `ini`, a php.ini or the directory of one.
pub(super) fn look(program: &Path, ini: Option<&Path>, directory: &Path) -> Vec<Finding> {
    let mut command = Command::new(program);
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
            return vec![Finding::note(format!("PHP's settings were not looked at: cannot run {shown}: {error}"))];
        }
    };
    match serde_json::from_slice::<Value>(&answer.stdout) {
        Ok(settings) => of_settings(&settings, directory),
        Err(_) => vec![Finding::note(format!(
            "PHP's settings were not looked at: {shown} does not answer; it must be a PHP for the command line"
        ))],
    }
}

/// What to say of the settings of a PHP whose sessions are to be in `directory`.
fn of_settings(settings: &Value, directory: &Path) -> Vec<Finding> {
    let text = |name: &str| settings.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_on = |name: &str| matches!(text(name).to_ascii_lowercase().as_str(), "1" | "on" | "yes" | "true");
    let ini = if text("ini").is_empty() { "no php.ini" } else { text("ini") };
    let mut findings =
        vec![Finding::note(format!("PHP {} with {ini}; php-fpm may read another: see --php-ini", text("version")))];

    match text("extension") {
        "" => findings.push(Finding::problem("the extension is not loaded: add extension=cloakroom".to_owned())),
        version if version == env!("CARGO_PKG_VERSION") => {
            findings.push(Finding::good(format!("the extension is loaded, version {version}")));
        }
        version => findings.push(Finding::note(format!(
            "the extension has version {version}, this command {}: install the same",
            env!("CARGO_PKG_VERSION")
        ))),
    }
    match text("session.save_handler") {
        "cloakroom" => findings.push(Finding::good("session.save_handler = cloakroom".to_owned())),
        other => findings.push(Finding::problem(format!(
            "session.save_handler = {other}: set it to cloakroom, unless the application uses Cloakroom\\SessionHandler"
        ))),
    }
    let path = text("session.save_path");
    if same_directory(Path::new(path), directory) {
        findings.push(Finding::good(format!("session.save_path = {path}")));
    } else {
        findings.push(Finding::note(format!("session.save_path = {path}, which is not the directory looked at")));
    }
    let wanted: [(&str, &str); 3] = [
        ("session.use_strict_mode", "else visitors can choose ids, and an attacker can choose one for a victim"),
        ("session.use_only_cookies", "else ids are taken from addresses, which are logged and shared"),
        ("session.cookie_httponly", "else scripts in the page can read the cookie"),
    ];
    for (name, reason) in wanted {
        findings.push(if is_on(name) {
            Finding::good(format!("{name} = 1"))
        } else {
            Finding::problem(format!("{name} is off: set it to 1, {reason}"))
        });
    }
    if !is_on("session.cookie_secure") {
        findings.push(Finding::note(
            "session.cookie_secure is off: set it to 1 where the site is only reached over HTTPS".to_owned(),
        ));
    }
    if text("session.cookie_samesite").is_empty() {
        findings.push(Finding::note(
            "session.cookie_samesite is empty: set it to Lax, unless other sites post to this one".to_owned(),
        ));
    }
    let number = |name: &str| text(name).parse::<u32>().unwrap_or_default();
    let bits = number("session.sid_length") * number("session.sid_bits_per_character");
    if bits > 0 && bits < 128 {
        findings.push(Finding::problem(format!(
            "ids have {bits} bits: raise session.sid_length or session.sid_bits_per_character to 128 bits or more"
        )));
    }
    findings
}

fn same_directory(one: &Path, other: &Path) -> bool {
    one == other || std::fs::canonicalize(one).ok().is_some_and(|one| std::fs::canonicalize(other).ok() == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Weight;

    fn problems(settings: &Value) -> Vec<String> {
        let findings = of_settings(settings, Path::new("/srv/sessions"));
        findings.into_iter().filter(|finding| finding.weight == Weight::Problem).map(|finding| finding.text).collect()
    }

    #[test]
    fn unsafe_settings_are_told_and_safe_ones_are_not() {
        let good = serde_json::json!({
            "version": "8.2.0", "extension": env!("CARGO_PKG_VERSION"), "ini": "/etc/php.ini",
            "session.save_handler": "cloakroom", "session.save_path": "/srv/sessions",
            "session.use_strict_mode": "1", "session.use_only_cookies": "1", "session.cookie_httponly": "On",
            "session.cookie_secure": "1", "session.cookie_samesite": "Lax",
            "session.sid_length": "32", "session.sid_bits_per_character": "5",
        });
        assert_eq!(problems(&good), Vec::<String>::new());
        for (name, value) in [
            ("extension", ""),
            ("session.save_handler", "files"),
            ("session.use_strict_mode", "0"),
            ("session.use_only_cookies", ""),
            ("session.cookie_httponly", "0"),
            ("session.sid_bits_per_character", "3"),
        ] {
            let mut bad = good.clone();
            bad[name] = Value::from(value);
            assert_eq!(problems(&bad).len(), 1, "{name}");
        }
    }
}
