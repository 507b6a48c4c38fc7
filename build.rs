//! Compiles `src/zend/shim.c` and `src/handlers/class.c` against the headers of the PHP that the extension is built for.
//!
//! `php-config` names them: the one in `PHP_CONFIG`, or the first on the path. ext-php-rs reads the same variable,
//! so both halves are always built for one PHP.

use std::env;
use std::process::{Command, exit};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/zend/shim.c");
    println!("cargo:rerun-if-changed=src/handlers/class.c");
    println!("cargo:rerun-if-changed=src/zend/session_module.h");
    println!("cargo:rerun-if-env-changed=PHP_CONFIG");
    println!("cargo:rerun-if-env-changed=PATH");

    let php_config = env::var("PHP_CONFIG").unwrap_or_else(|_| "php-config".to_owned());
    let version: u32 = ask(&php_config, "--vernum").parse().unwrap_or(0);
    if version < 80_200 {
        fail(&format!("{php_config} belongs to a PHP older than 8.2, which Cloakroom does not run on"));
    }

    let mut shim = cc::Build::new();
    shim.files(["src/zend/shim.c", "src/handlers/class.c"]).include("src/zend").std("gnu11").warnings_into_errors(true);
    for include in ask(&php_config, "--includes").split_whitespace() {
        // As system headers, so that our warnings are about our code.
        shim.flag(include.replacen("-I", "-isystem", 1));
    }
    shim.compile("cloakroom_shim");

    // PHP unloads an extension at shutdown, while threads of its process may still run code of it.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}

/// What `php-config` answers to `question`.
fn ask(php_config: &str, question: &str) -> String {
    match Command::new(php_config).arg(question).output() {
        Ok(answer) if answer.status.success() => String::from_utf8_lossy(&answer.stdout).trim().to_owned(),
        Ok(answer) => fail(&format!("{php_config} {question} failed: {}", String::from_utf8_lossy(&answer.stderr))),
        Err(error) => fail(&format!(
            "{php_config} cannot be run ({error}): install PHP's development files (Debian: php-dev), or name it in PHP_CONFIG"
        )),
    }
}

fn fail(message: &str) -> ! {
    println!("cargo:warning={message}");
    exit(1);
}
