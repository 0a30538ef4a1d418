//! Layers and licences, read off the dependency tree of each member as `cargo tree` prints it.

use anyhow::{Context, Result};

use super::Finding;
use super::manifests::Member;
use thunderhead_tooling::process;

const MIT_OR_APACHE: &str = "MIT OR Apache-2.0";
const GPL: &str = "GPL-3.0-or-later";

/// The shield against floods, whose licence obliges who links it.
const GOVERNOR: &str = "actix-governor";
/// The one member that may depend on it, and is under its licence.
const FLOOD: &str = "thunderhead-flood";
/// What services link: in whichever way they want it, nothing below it is under the GPL.
const GUARD: &str = "thunderhead-guard";
/// Help for tests, never part of a product.
const TESTKIT: &str = "thunderhead-testkit";
/// The one member that sees storage and HTTP together, and that may link the GPL, by a feature that can be left out.
const COMPOSITION_ROOT: &str = "thunderhead-server";

/// What a member's dependencies never hold, however deep. A star stands for any ending.
const ABSENCES: [(&str, &[&str]); 15] = [
    (
        "thunderhead-domain",
        &[
            "thunderhead-*",
            "actix*",
            "tokio*",
            "diesel*",
            "r2d2*",
            "libsqlite3-sys",
            "pq-sys",
            "openssl*",
            "josekit",
            "argon2",
            "serde_json",
            "figment",
            "getrandom",
            "rand*",
            "tracing*",
        ],
    ),
    (
        "thunderhead-auth",
        &["thunderhead-storage", "thunderhead-http", "actix*", "diesel*", "r2d2*", "libsqlite3-sys", "pq-sys"],
    ),
    (
        "thunderhead-webhook-client",
        &["thunderhead-auth", "thunderhead-storage", "thunderhead-http", "actix*", "diesel*", "openssl", "openssl-sys"],
    ),
    ("thunderhead-metrics", &["thunderhead-*", "actix*", "tokio*", "diesel*"]),
    ("thunderhead-storage", &["thunderhead-auth", "thunderhead-http", "actix*", "josekit", "argon2"]),
    ("thunderhead-http", &["thunderhead-storage", "diesel*", "r2d2*", "libsqlite3-sys", "pq-sys"]),
    (FLOOD, &["thunderhead-storage", "diesel*", "r2d2*", "libsqlite3-sys", "pq-sys"]),
    // They are for services of other people, or stand for them: what they use of this project is the domain, and the guard.
    // The rest they ask for.
    (GUARD, &SERVER),
    ("upload-service", &SERVER),
    ("actix-web-service", &SERVER),
    ("axum-service", &SERVER),
    ("websocket-service", &SERVER),
    // They test and measure the binary from outside, and share nothing with what they test.
    ("thunderhead-system-tests", &PRODUCT),
    ("thunderhead-bench", &PRODUCT),
    // It is built before anything is tested or tidied, so it is small.
    ("xtask", &["thunderhead-system-tests", "thunderhead-bench", "actix*", "diesel*", "serde_json", "totp-rs"]),
];

/// What stays on this side of HTTP.
const SERVER: [&str; 10] = [
    "thunderhead-auth",
    "thunderhead-storage",
    "thunderhead-http",
    "thunderhead-metrics",
    "thunderhead-server",
    "actix-governor",
    "diesel*",
    "argon2",
    "libsqlite3-sys",
    "pq-sys",
];

/// What the binary is made of.
const PRODUCT: [&str; 9] = [
    "thunderhead-domain",
    "thunderhead-metrics",
    "thunderhead-auth",
    "thunderhead-storage",
    "thunderhead-http",
    "thunderhead-webhook-client",
    FLOOD,
    "thunderhead-server",
    "thunderhead-testkit",
];

/// A member with all that it links, itself first.
struct Tree {
    manifest: String,
    packages: Vec<Package>,
}

struct Package {
    /// 0 for the member itself, 1 for what it depends on directly.
    depth: usize,
    name: String,
    licence: String,
}

impl Tree {
    fn name(&self) -> &str {
        self.packages.first().map_or("", |package| &package.name)
    }

    fn dependencies(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.depth > 0)
    }

    fn links(&self, name: &str) -> bool {
        self.dependencies().any(|package| package.name == name)
    }

    fn finding(&self, message: String) -> Finding {
        Finding::file(&self.manifest, message)
    }
}

pub(super) fn check(members: &[Member]) -> Result<Vec<Finding>> {
    let mut findings = vec![];
    for member in members {
        let features: &[&str] = if member.name == GUARD { &["--all-features"] } else { &[] };
        let tree = tree(member, features)?;
        findings.extend(absences(&tree));
        findings.extend(composition(&tree));
        findings.extend(direct(&tree));
        findings.extend(licences(&tree, tree.name() == COMPOSITION_ROOT));
        if tree.name() == COMPOSITION_ROOT {
            findings.extend(licences(&self::tree(member, &["--no-default-features"])?, false));
        }
    }
    Ok(findings)
}

fn tree(member: &Member, features: &[&str]) -> Result<Tree> {
    let format = ["--edges", "normal,build", "--prefix", "depth", "--format", "{p}|{l}"];
    let mut command = process::cargo(["tree", "--package", &member.name]);
    command.args(format).args(features);
    let packages = parse(&process::output(command)?)?;
    Ok(Tree { manifest: member.manifest().to_owned(), packages })
}

/// Lines such as `2serde v1.0.228|MIT OR Apache-2.0 (*)`; the star marks a package that was shown before.
fn parse(text: &str) -> Result<Vec<Package>> {
    let package = |line: &str| {
        let (description, licence) = line.split_once('|')?;
        let digits = description.find(|letter: char| !letter.is_ascii_digit())?;
        let (depth, description) = description.split_at(digits);
        let name = description.split_whitespace().next()?.to_owned();
        let licence = licence.trim_end_matches("(*)").trim().to_owned();
        Some(Package { depth: depth.parse().ok()?, name, licence })
    };
    let line = |line| package(line).with_context(|| format!("`cargo tree` printed an unexpected line: {line}"));
    text.lines().filter(|line| !line.is_empty()).map(line).collect()
}

fn absences(tree: &Tree) -> Vec<Finding> {
    let Some((_, patterns)) = ABSENCES.iter().find(|(name, _)| *name == tree.name()) else { return vec![] };
    let mut found: Vec<&str> = tree.dependencies().map(|package| package.name.as_str()).collect();
    found.retain(|name| patterns.iter().any(|pattern| fits(pattern, name)));
    found.sort_unstable();
    found.dedup();
    let why = |name: &str| {
        format!(
            "{member} must not depend on {name}, not even indirectly: move what needs it to an outer layer \
             (see who brings it: cargo tree -p {member} -e normal,build -i {name})",
            member = tree.name()
        )
    };
    found.into_iter().map(|name| tree.finding(why(name))).collect()
}

fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

fn composition(tree: &Tree) -> Option<Finding> {
    let both = tree.links("thunderhead-storage") && tree.links("thunderhead-http");
    let message = || format!("only {COMPOSITION_ROOT} may see storage and http together: take one of them out");
    (both && tree.name() != COMPOSITION_ROOT).then(|| tree.finding(message()))
}

fn direct(tree: &Tree) -> Vec<Finding> {
    let names = tree.packages.iter().filter(|package| package.depth == 1).map(|package| package.name.as_str());
    let message = |name| match name {
        TESTKIT => Some(format!("{TESTKIT} is for tests: make it a dev-dependency")),
        GOVERNOR if tree.name() != FLOOD => Some(format!("only {FLOOD} may depend on {GOVERNOR}: take it out")),
        _ => None,
    };
    names.filter_map(message).map(|message| tree.finding(message)).collect()
}

fn licences(tree: &Tree, may_link_gpl: bool) -> Vec<Finding> {
    let is_gpl = tree.name() == FLOOD;
    let expected = if is_gpl { GPL } else { MIT_OR_APACHE };
    let mut findings = vec![];
    for package in &tree.packages {
        if package.depth == 0 && package.licence != expected {
            let message = format!("the licence is {:?}: it must be {expected:?}", package.licence);
            findings.push(tree.finding(message));
        }
        if package.depth > 0 && !is_gpl && !may_link_gpl && needs_gpl(&package.licence) {
            let message = format!("{} is under {}, which {MIT_OR_APACHE} cannot link", package.name, package.licence);
            findings.push(tree.finding(message));
        }
    }
    findings
}

/// Whether every alternative of a licence is of the GPL family.
fn needs_gpl(licence: &str) -> bool {
    licence.split(" OR ").all(|alternative| alternative.contains("GPL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Tree {
        Tree { manifest: "Cargo.toml".to_owned(), packages: parse(text).unwrap() }
    }

    #[test]
    fn a_forbidden_package_is_found_once_however_deep_it_hides() {
        let clean = "0thunderhead-domain v0.1.0 (/x)|MIT OR Apache-2.0\n1uuid v1.0.0|MIT\n";
        assert_eq!(absences(&tree(clean)), []);
        let found =
            absences(&tree(&format!("{clean}2tokio-util v1.0.0|MIT\n1uuid v1.0.0|MIT (*)\n3tokio-util v1.0.0|MIT\n")));
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("tokio-util"), "{found:?}");
        assert_eq!(absences(&tree("0thunderhead-server v1.0.0|MIT\n1diesel v2.0.0|MIT\n")), []);
    }

    #[test]
    fn only_the_composition_root_sees_storage_and_http_together() {
        let below = "1thunderhead-storage v1.0.0|MIT\n1thunderhead-http v1.0.0|MIT\n";
        assert!(composition(&tree(&format!("0thunderhead-auth v1.0.0|MIT\n{below}"))).is_some());
        assert!(composition(&tree(&format!("0thunderhead-server v1.0.0|MIT\n{below}"))).is_none());
        assert!(composition(&tree("0thunderhead-storage v1.0.0|MIT\n1thunderhead-http v1.0.0|MIT\n")).is_none());
    }

    #[test]
    fn the_governor_belongs_to_the_shield_and_the_testkit_to_tests() {
        assert_eq!(direct(&tree("0thunderhead-flood v1.0.0|x\n1actix-governor v1.0.0|x\n")), []);
        assert_eq!(
            direct(&tree("0thunderhead-server v1.0.0|x\n1thunderhead-flood v1.0.0|x\n2actix-governor v1.0.0|x\n")),
            []
        );
        assert_eq!(direct(&tree("0thunderhead-server v1.0.0|x\n1actix-governor v1.0.0|x\n")).len(), 1);
        assert_eq!(direct(&tree("0thunderhead-http v1.0.0|x\n1thunderhead-testkit v1.0.0|x\n")).len(), 1);
    }

    #[test]
    fn free_members_link_nothing_that_only_the_gpl_allows() {
        let free = "0thunderhead-auth v1.0.0|MIT OR Apache-2.0\n1a v1.0.0|MIT OR Apache-2.0 OR LGPL-2.1-or-later\n";
        assert_eq!(licences(&tree(free), false), []);
        assert_eq!(licences(&tree(&format!("{free}2b v1.0.0|GPL-3.0-or-later\n")), false).len(), 1);
        assert_eq!(licences(&tree("0thunderhead-auth v1.0.0|GPL-3.0-or-later\n"), false).len(), 1);
        let bound = "0thunderhead-flood v1.0.0|GPL-3.0-or-later\n1actix-governor v1.0.0|GPL-3.0-or-later\n";
        assert_eq!(licences(&tree(bound), false), []);
        let server = "0thunderhead-server v1.0.0|MIT OR Apache-2.0\n1thunderhead-flood v1.0.0|GPL-3.0-or-later\n";
        assert_eq!(licences(&tree(server), true), []);
        assert_eq!(licences(&tree(server), false).len(), 1);
    }

    #[test]
    fn an_unexpected_line_is_an_error_and_not_a_clean_tree() {
        assert!(parse("thunderhead-domain v0.1.0|MIT").is_err());
        assert!(parse("0thunderhead-domain v0.1.0").is_err());
    }
}
