//! The client of openapi-python-client, under mypy.

use anyhow::Result;

use super::folder::{DOCUMENT, Folder};
use super::wrong;
use thunderhead_tooling::process;

const PROGRAMS: [&str; 2] = ["first_session", "second_factor"];

/// Returns how many wrong calls were refused.
pub(super) fn check(folder: &Folder<'_>) -> Result<usize> {
    let mut generate = folder.pip("openapi-python-client");
    // A warning is about a part of the document that the client goes without.
    generate.args(["generate", "--fail-on-warning", "--meta", "none", "--output-path", "thunderhead_client"]);
    generate.arg("--path").arg(folder.path().join(DOCUMENT));
    process::run(generate, &[])?;
    // What is generated has types, and does not care to be told where mypy would have them stricter.
    let mypy = || {
        let mut mypy = folder.pip("mypy");
        mypy.args(["--strict", "--follow-imports", "silent", "--no-color-output"]);
        mypy
    };
    let mut right = mypy();
    right.args(PROGRAMS.map(|program| format!("{program}.py")));
    process::run(right, &[])?;
    for program in PROGRAMS {
        let mut python = folder.pip("python");
        python.arg(format!("{program}.py"));
        let name = format!("python-{}", program.replace('_', "-"));
        process::run(folder.with_account(python, &name)?, &[])?;
    }
    let mut wrong = mypy();
    wrong.arg("wrong");
    wrong::are_refused(wrong, &folder.path().join("python/wrong"), "wrong/")
}
