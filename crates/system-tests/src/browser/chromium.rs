//! A headless Chromium, with virtual security keys.

use std::env;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::devtools::DevTools;
use thunderhead_system_tests::live::wait_for;

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

/// A page that is not there by then does not come. Busy machines are slow, so it is long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running browser with a profile of its own. Dropping it ends it and removes the profile.
pub(super) struct Chromium {
    child: Child,
    devtools: DevTools<ChildStdin>,
    _profile: TempDir,
}

/// A tab.
pub(super) struct Tab<'a> {
    devtools: &'a mut DevTools<ChildStdin>,
    session: Value,
}

/// How a tab shows pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Viewport {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) dark: bool,
    pub(super) script: bool,
}

/// A security key in a tab, which is touched whenever it is asked for.
pub(super) struct SecurityKey(Value);

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

    /// Opens a tab.
    pub(super) fn tab(&mut self) -> Result<Tab<'_>> {
        let devtools = &mut self.devtools;
        // A context of its own: nothing that another tab has kept.
        let context = devtools.call(&Value::Null, "Target.createBrowserContext", json!({}))?;
        let target = json!({"url": "about:blank", "browserContextId": context["browserContextId"]});
        let target = devtools.call(&Value::Null, "Target.createTarget", target)?;
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let session = devtools.call(&Value::Null, "Target.attachToTarget", target)?["sessionId"].take();
        for domain in ["Log.enable", "Runtime.enable"] {
            devtools.call(&session, domain, json!({}))?;
        }
        Ok(Tab { devtools, session })
    }
}

impl Tab<'_> {
    /// Plugs in a new security key that speaks this protocol.
    pub(super) fn security_key(&mut self, protocol: &str) -> Result<SecurityKey> {
        self.call("WebAuthn.enable", json!({}))?;
        let options = json!({"options": {
            "protocol": protocol,
            "transport": "usb",
            "automaticPresenceSimulation": true,
        }});
        let mut key = self.call("WebAuthn.addVirtualAuthenticator", options)?;
        Ok(SecurityKey(key["authenticatorId"].take()))
    }

    /// Opens an address, and waits until it is there.
    pub(super) fn open(&mut self, url: &str) -> Result<()> {
        let opened = self.call("Page.navigate", json!({"url": url}))?;
        if let Some(error) = opened["errorText"].as_str() {
            bail!("the page does not open: {error}");
        }
        self.wait_for("document.readyState === 'complete'")
    }

    /// Waits until an expression comes to true. It is asked again and again: where scripts are off, no promise is kept.
    pub(super) fn wait_for(&mut self, expression: &str) -> Result<()> {
        // While one page gives way to another there is nothing to ask.
        let holds = || self.evaluate(expression).is_ok_and(|holds| holds == json!(true)).then_some(());
        wait_for(expression, PATIENCE, holds).map(drop)
    }

    /// Shows pages this way from now on.
    pub(super) fn show(&mut self, view: Viewport) -> Result<()> {
        let Viewport { width, height, dark, script } = view;
        let is_phone = width < 600;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone});
        self.call("Emulation.setDeviceMetricsOverride", metrics)?;
        let scheme = json!({"name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" }});
        self.call("Emulation.setEmulatedMedia", json!({"features": [scheme]}))?;
        self.call("Emulation.setScriptExecutionDisabled", json!({"value": !script})).map(drop)
    }

    /// Presses a key: `/`, or one that has a name.
    pub(super) fn key(&mut self, key: &str) -> Result<()> {
        let mut down = json!({"type": "keyDown", "key": key});
        if key.chars().count() == 1 {
            down["text"] = json!(key);
        }
        self.call("Input.dispatchKeyEvent", down)?;
        self.call("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key})).map(drop)
    }

    /// Types into what has the focus.
    pub(super) fn type_text(&mut self, text: &str) -> Result<()> {
        self.call("Input.insertText", json!({"text": text})).map(drop)
    }

    /// A picture of what it shows, as PNG.
    pub(super) fn picture(&mut self) -> Result<Vec<u8>> {
        let picture = self.call("Page.captureScreenshot", json!({"format": "png"}))?;
        let picture = picture["data"].as_str().context("no picture")?;
        BASE64_STANDARD.decode(picture).context("a picture that is no base64")
    }

    /// What the browser found wrong since it was last asked: what the policy of a page forbade, what a script threw.
    pub(super) fn complaints(&mut self) -> Vec<String> {
        let events = self.devtools.take_events(&self.session, &["Log.entryAdded", "Runtime.exceptionThrown"]);
        let text = |event: Value| match event.get("entry") {
            // Answers that are errors are the business of whoever asked.
            Some(entry) if entry["source"] == "network" => None,
            Some(entry) => Some(entry["text"].to_string()),
            None => Some(event["exceptionDetails"]["exception"]["description"].to_string()),
        };
        events.into_iter().filter_map(text).collect()
    }

    /// The signature counters of the credentials that a key has made.
    pub(super) fn counters(&mut self, key: &SecurityKey) -> Result<String> {
        let found = self.call("WebAuthn.getCredentials", json!({"authenticatorId": key.0}))?;
        let credentials = found["credentials"].as_array().context("no list of credentials")?;
        let counters = credentials.iter().map(|credential| credential["signCount"].to_string());
        Ok(counters.collect::<Vec<_>>().join(" and "))
    }

    /// What an expression comes to on the page that is open; of a promise, what that comes to.
    pub(super) fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut outcome = self.call("Runtime.evaluate", params)?;
        if let Some(thrown) = outcome.get("exceptionDetails") {
            bail!("the page threw: {}", thrown["exception"]["description"].as_str().unwrap_or("something"));
        }
        Ok(outcome["result"]["value"].take())
    }

    fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.devtools.call(&self.session, method, params)
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
