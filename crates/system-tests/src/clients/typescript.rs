//! The clients of @hey-api/openapi-ts and of openapi-typescript with openapi-fetch, under tsc.

use std::process::Command;

use anyhow::Result;

use super::folder::{DOCUMENT, Folder};
use super::wrong;
use thunderhead_tooling::process;

const CLIENTS: [&str; 2] = ["hey-api", "openapi-fetch"];
const WRONG: &str = "typescript/wrong";
const PROGRAMS: [&str; 2] = ["first-session", "second-factor"];

/// Returns how many wrong calls were refused.
pub(super) fn check(folder: &Folder<'_>) -> Result<usize> {
    // What it makes is said in openapi-ts.config.mjs.
    process::run(folder.npm("openapi-ts"), &[])?;
    let mut generate = folder.npm("openapi-typescript");
    generate.args([DOCUMENT, "--output", "typescript/openapi-fetch/schema.d.ts"]);
    process::run(generate, &[])?;
    let tsc = |project: &str| {
        let mut tsc = folder.npm("tsc");
        tsc.args(["--project", project, "--pretty", "false"]);
        tsc
    };
    process::run(tsc("tsconfig.json"), &[])?;
    for client in CLIENTS {
        for program in PROGRAMS {
            let mut node = Command::new("node");
            node.current_dir(folder.path()).arg(format!("out/{client}/{program}.js"));
            process::run(folder.with_account(node, &format!("{client}-{program}"))?, &[])?;
        }
    }
    wrong::are_refused(tsc("tsconfig.wrong.json"), &folder.path().join(WRONG), &format!("{WRONG}/"))
}
