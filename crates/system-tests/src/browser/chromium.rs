//! A headless Chromium with a virtual security key.

use std::env;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::devtools::DevTools;

/// Chromium's end of the pipes are the descriptors 3 and 4, which a shell can set.
const WITH_PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >&2"#;

/// It opens one page, ours, and is to talk to nobody else. Without a sandbox it runs in containers, too.
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

/// A promise that is kept when the page is there.
const LOADED: &str =
    "new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))";

/// A running browser with a profile of its own. Dropping it ends it and removes the profile.
pub(super) struct Chromium {
    child: Child,
    devtools: DevTools<ChildStdin>,
    _profile: TempDir,
}

/// A tab with a security key that is touched whenever it is asked for.
pub(super) struct Tab<'a> {
    devtools: &'a mut DevTools<ChildStdin>,
    session: Value,
    authenticator: Value,
}

impl Chromium {
    pub(super) fn start() -> Result<Self> {
        let profile = tempfile::tempdir().context("no folder for the profile")?;
        let program = env::var_os("CHROMIUM").unwrap_or_else(|| "chromium".into());
        let mut command = Command::new("sh");
        command.args(["-c", WITH_PIPES]).arg(&program).args(FLAGS);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("cannot run sh")?;
        let (write, read) = child.stdin.take().zip(child.stdout.take()).context("Chromium has no pipes")?;
        Ok(Self { child, devtools: DevTools::new(write, read), _profile: profile })
    }

    pub(super) fn version(&mut self) -> Result<String> {
        let version = self.devtools.call(&Value::Null, "Browser.getVersion", json!({}));
        let version = version.context("is Chromium installed? CHROMIUM may name the program")?;
        Ok(version["product"].as_str().unwrap_or("an unknown browser").to_owned())
    }

    /// Opens a tab with a new security key that speaks this protocol.
    pub(super) fn tab(&mut self, protocol: &str) -> Result<Tab<'_>> {
        let devtools = &mut self.devtools;
        // A context of its own: nothing that another tab has kept.
        let context = devtools.call(&Value::Null, "Target.createBrowserContext", json!({}))?;
        let target = json!({"url": "about:blank", "browserContextId": context["browserContextId"]});
        let target = devtools.call(&Value::Null, "Target.createTarget", target)?;
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let session = devtools.call(&Value::Null, "Target.attachToTarget", target)?["sessionId"].take();
        devtools.call(&session, "WebAuthn.enable", json!({}))?;
        let options = json!({"options": {
            "protocol": protocol,
            "transport": "usb",
            "automaticPresenceSimulation": true,
        }});
        let authenticator = devtools.call(&session, "WebAuthn.addVirtualAuthenticator", options)?;
        let authenticator = authenticator["authenticatorId"].clone();
        Ok(Tab { devtools, session, authenticator })
    }
}

impl Tab<'_> {
    /// Opens the page at an origin and evaluates an expression there; returns what its promise comes to.
    pub(super) fn on(&mut self, origin: &str, expression: &str) -> Result<Value> {
        let opened = self.devtools.call(&self.session, "Page.navigate", json!({"url": format!("{origin}/")}))?;
        if let Some(error) = opened["errorText"].as_str() {
            bail!("the page does not open: {error}");
        }
        self.evaluate(LOADED)?;
        self.evaluate(expression)
    }

    /// The signature counters of the credentials that its key has made.
    pub(super) fn counters(&mut self) -> Result<String> {
        let of = json!({"authenticatorId": self.authenticator});
        let found = self.devtools.call(&self.session, "WebAuthn.getCredentials", of)?;
        let credentials = found["credentials"].as_array().context("no list of credentials")?;
        let counters = credentials.iter().map(|credential| credential["signCount"].to_string());
        Ok(counters.collect::<Vec<_>>().join(" and "))
    }

    fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut outcome = self.devtools.call(&self.session, "Runtime.evaluate", params)?;
        if let Some(thrown) = outcome.get("exceptionDetails") {
            bail!("the page threw: {}", thrown["exception"]["description"].as_str().unwrap_or("something"));
        }
        Ok(outcome["result"]["value"].take())
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
