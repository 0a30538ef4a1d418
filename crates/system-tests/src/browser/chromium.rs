//! A headless Chromium.

use std::cell::RefCell;
use std::env;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::devtools::{DevTools, SharedDevTools};
use super::tab::Tab;

/// Chromium's end of the pipes are the descriptors 3 and 4, which a shell can set.
const WITH_PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >&2"#;

/// It opens our pages, and is to talk to nobody else. Without a sandbox it runs in containers, too.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
];

/// A made-up domain whose hosts are all this machine.
pub(super) const DOMAIN: &str = "thunderhead.test";

/// A running browser with a profile of its own. Dropping it ends it and removes the profile.
pub(super) struct Chromium {
    child: Child,
    devtools: SharedDevTools,
    _profile: TempDir,
}

impl Chromium {
    pub(super) fn start() -> Result<Self> {
        let profile = tempfile::tempdir().context("no folder for the profile")?;
        let program = env::var_os("CHROMIUM").unwrap_or_else(|| "chromium".into());
        let mut command = Command::new("sh");
        command.args(["-c", WITH_PIPES]).arg(&program).args(FLAGS);
        command.arg(format!("--host-resolver-rules=MAP *.{DOMAIN} 127.0.0.1"));
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("cannot run sh")?;
        let (write, read) = child.stdin.take().zip(child.stdout.take()).context("Chromium has no pipes")?;
        let devtools = Rc::new(RefCell::new(DevTools::new(write, read)));
        Ok(Self { child, devtools, _profile: profile })
    }

    pub(super) fn version(&self) -> Result<String> {
        let version = self.devtools.borrow_mut().call(&Value::Null, "Browser.getVersion", json!({}));
        let version = version.context("is Chromium installed? CHROMIUM may name the program")?;
        Ok(version["product"].as_str().unwrap_or("an unknown browser").to_owned())
    }

    /// Opens a tab that finds nothing of what another one has kept, as on another device.
    pub(super) fn tab(&self) -> Result<Tab> {
        let context = self.devtools.borrow_mut().call(&Value::Null, "Target.createBrowserContext", json!({}))?;
        Tab::open_in(&self.devtools, &context["browserContextId"])
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
