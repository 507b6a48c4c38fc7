//! Certificates for tests of TLS, made by the `openssl` command: an authority, a server's and a client's certificate, and
//! an authority that nobody has reason to trust.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process::Settings;

/// The files, in PEM.
pub(crate) struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    /// Makes them in the new directory `dir`. The server's certificate is for `localhost` and 127.0.0.1, and
    /// for members of a cluster, each of which is a client of the others.
    pub(crate) fn make(dir: &Path) -> Result<Certificates, String> {
        std::fs::create_dir_all(dir).map_err(|error| error.to_string())?;
        let made = Certificates { dir: dir.to_owned() };
        for authority in ["ca", "stranger"] {
            made.key(authority)?;
            made.openssl(&format!(
                "req -x509 -new -key {authority}.key -out {authority}.pem -days 30 -subj /CN={authority} \
                 -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign"
            ))?;
        }
        for (name, authority, purpose) in [
            ("server", "ca", "serverAuth,clientAuth"),
            ("client", "ca", "clientAuth"),
            ("intruder", "stranger", "clientAuth"),
        ] {
            made.key(name)?;
            made.openssl(&format!("req -new -key {name}.key -out {name}.csr -subj /CN={name}"))?;
            let extensions = format!(
                "basicConstraints=critical,CA:FALSE\nextendedKeyUsage={purpose}\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n"
            );
            std::fs::write(dir.join("extensions"), extensions).map_err(|error| error.to_string())?;
            made.openssl(&format!(
                "x509 -req -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days 30 \
                 -extfile extensions -out {name}.pem"
            ))?;
        }
        Ok(made)
    }

    fn key(&self, name: &str) -> Result<(), String> {
        self.openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key"))
    }

    fn openssl(&self, arguments: &str) -> Result<(), String> {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("openssl: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// The path of one of the files.
    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// Settings of a server that shows its certificate and, where `mutual`, demands one.
    pub(crate) fn settings(&self, mutual: bool) -> Settings {
        let clients = if mutual { "yes" } else { "no" };
        let lines = vec![
            format!("tls-cert-file {}", self.path("server.pem")),
            format!("tls-key-file {}", self.path("server.key")),
            format!("tls-ca-cert-file {}", self.path("ca.pem")),
            format!("tls-auth-clients {clients}"),
        ];
        Settings { lines, tls: true, ..Settings::default() }
    }
}
