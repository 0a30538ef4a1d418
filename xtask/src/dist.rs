//! `cargo xtask dist`: the release as one archive, with its SHA-256 beside it. The same files give the same bytes:
//! order, times and owners in the archive are fixed. The build is told when and where it is, so that it does not tell.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use thunderhead_tooling::process;

/// What goes into the archive as it lies in the workspace.
const FILES: [&str; 6] = [
    "README.md",
    "LICENSE-APACHE",
    "LICENSE-GPL",
    "LICENSE-MIT",
    "deploy/thunderhead.service",
    "deploy/thunderhead.lua",
];
/// Shells, and the names under which they look for completions.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "thunderhead.bash"), ("fish", "thunderhead.fish"), ("zsh", "_thunderhead")];

/// Builds the release and packs it. Prints where it is.
pub(crate) fn run() -> Result<()> {
    let root = process::workspace()?;
    let triple = host_triple()?;
    let epoch = epoch(&root)?;
    let binary = build(&root, &triple, &epoch)?;
    let name = format!("thunderhead-{}-{triple}", env!("CARGO_PKG_VERSION"));
    let dist = root.join("target/dist");
    fs::create_dir_all(&dist).with_context(|| format!("cannot make {}", dist.display()))?;
    let staging = tempfile::tempdir_in(&dist).context("cannot make a folder to pack in")?;
    stage(&root, &binary, &staging.path().join(&name))?;
    let archive = format!("{name}.tar.gz");
    pack(staging.path(), &name, &dist.join(&archive), &epoch)?;
    let sum = checksum(&dist, &archive)?;
    fs::write(dist.join(format!("{archive}.sha256")), &sum).context("cannot write the checksum")?;
    println!("target/dist/{archive}");
    print!("{sum}");
    Ok(())
}

/// The machine that this runs on is the one that is built for: the completions are printed by the new binary.
fn host_triple() -> Result<String> {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.arg("-vV");
    let version = process::output(rustc)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

/// The time that everything bears, in Unix seconds: `SOURCE_DATE_EPOCH`, else that of the last commit.
fn epoch(root: &Path) -> Result<String> {
    if let Ok(epoch) = env::var("SOURCE_DATE_EPOCH") {
        return Ok(epoch);
    }
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%ct"]).current_dir(root);
    let epoch = process::output(git).context("without git, set SOURCE_DATE_EPOCH to Unix seconds")?;
    Ok(epoch.trim().to_owned())
}

/// The release binary. It is built for a named target, so that the flags reach what is shipped and nothing else.
fn build(root: &Path, triple: &str, epoch: &str) -> Result<PathBuf> {
    let mut cargo = process::cargo(["build", "--release", "--locked", "--package", "thunderhead-server"]);
    cargo.args(["--target", triple]).env("SOURCE_DATE_EPOCH", epoch);
    // Messages of panics name source files; where they lay when this was built is nobody's business.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", remap(root, cargo_home().as_deref()));
    process::run(cargo, &[])?;
    Ok(process::target()?.join(triple).join("release/thunderhead"))
}

fn cargo_home() -> Option<PathBuf> {
    let home = || env::home_dir().map(|home| home.join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)
}

/// Flags for the compiler, separated as cargo wants them.
fn remap(root: &Path, cargo_home: Option<&Path>) -> String {
    let places = [(Some(root), "/thunderhead"), (cargo_home, "/cargo")];
    let flag = |(from, to): (Option<&Path>, &str)| Some(format!("--remap-path-prefix={}={to}", from?.display()));
    places.into_iter().filter_map(flag).collect::<Vec<_>>().join("\u{1f}")
}

/// Lays out what the archive holds.
fn stage(root: &Path, binary: &Path, folder: &Path) -> Result<()> {
    for part in ["docs", "completions"] {
        fs::create_dir_all(folder.join(part)).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    copy(binary, &folder.join("thunderhead"))?;
    for file in FILES {
        let path = root.join(file);
        copy(&path, &folder.join(path.file_name().context("a file has a name")?))?;
    }
    for entry in fs::read_dir(root.join("docs")).context("cannot read docs")? {
        let path = entry?.path();
        copy(&path, &folder.join("docs").join(path.file_name().context("a file has a name")?))?;
    }
    for (shell, file) in COMPLETIONS {
        let mut command = Command::new(binary);
        command.args(["completions", shell]);
        let script = process::output(command)?;
        fs::write(folder.join("completions").join(file), script).context("cannot write completions")?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

/// GNU tar and gzip, told to leave out whatever depends on who packs and when.
fn pack(parent: &Path, name: &str, archive: &Path, epoch: &str) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("--create").arg("--file").arg(archive).arg("--directory").arg(parent).arg(name);
    tar.args(["--sort=name", "--format=ustar", "--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"]);
    tar.args([&format!("--mtime=@{epoch}"), "--use-compress-program=gzip --best --no-name"]);
    process::run(tar, &[])
}

/// One line as `sha256sum --check` reads it.
fn checksum(folder: &Path, file: &str) -> Result<String> {
    let mut command = Command::new("sha256sum");
    command.arg(file).current_dir(folder);
    process::output(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_is_told_to_forget_where_the_sources_lie() {
        let flags = remap(Path::new("/a"), Some(Path::new("/b")));
        assert_eq!(flags, "--remap-path-prefix=/a=/thunderhead\u{1f}--remap-path-prefix=/b=/cargo");
        assert_eq!(remap(Path::new("/a"), None), "--remap-path-prefix=/a=/thunderhead");
    }

    #[test]
    fn an_archive_does_not_depend_on_when_and_in_which_order_its_files_were_written() {
        let archive = |files: [&str; 2], age: u64| {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("name")).unwrap();
            for file in files {
                let path = folder.path().join("name").join(file);
                fs::write(&path, file).unwrap();
                let modified = std::time::UNIX_EPOCH + std::time::Duration::from_secs(age);
                fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
            }
            let archive = folder.path().join("name.tar.gz");
            pack(folder.path(), "name", &archive, "1700000000").unwrap();
            fs::read(archive).unwrap()
        };
        assert!(archive(["a", "b"], 1_000_000_000) == archive(["b", "a"], 1_100_000_000));
        assert!(archive(["a", "b"], 1_000_000_000) != archive(["a", "c"], 1_000_000_000));
    }

    #[test]
    fn a_checksum_is_the_one_that_others_compute() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(checksum(folder.path(), "a").unwrap(), format!("{digest}  a\n"));
    }

    #[test]
    fn everything_that_is_packed_is_in_the_workspace() {
        let root = process::workspace().unwrap();
        for file in FILES {
            assert!(root.join(file).is_file(), "{file}");
        }
    }
}
