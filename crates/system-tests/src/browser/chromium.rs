//! A headless Chromium, with virtual security keys.

use std::cell::RefCell;
use std::env;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::rc::Rc;
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
    devtools: Connection,
    _profile: TempDir,
}

/// To the browser, from all tabs.
type Connection = Rc<RefCell<DevTools<ChildStdin>>>;

/// A tab.
pub(super) struct Tab {
    devtools: Connection,
    /// What it shares with the others of its device, cookies above all.
    context: Value,
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

impl Tab {
    fn open_in(devtools: &Connection, context: &Value) -> Result<Self> {
        let mut browser = devtools.borrow_mut();
        let target = json!({"url": "about:blank", "browserContextId": context});
        let target = browser.call(&Value::Null, "Target.createTarget", target)?;
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call(&Value::Null, "Target.attachToTarget", target)?["sessionId"].take();
        for domain in ["Log.enable", "Runtime.enable"] {
            browser.call(&session, domain, json!({}))?;
        }
        Ok(Self { devtools: Rc::clone(devtools), context: context.clone(), session })
    }

    /// Opens another one on the same device.
    pub(super) fn another(&self) -> Result<Self> {
        Self::open_in(&self.devtools, &self.context)
    }

    /// Plugs in a new security key that speaks this protocol.
    pub(super) fn security_key(&self, protocol: &str) -> Result<SecurityKey> {
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
    pub(super) fn open(&self, url: &str) -> Result<()> {
        let opened = self.call("Page.navigate", json!({"url": url}))?;
        if let Some(error) = opened["errorText"].as_str() {
            bail!("the page does not open: {error}");
        }
        self.wait_for("document.readyState === 'complete'")
    }

    /// Waits until an expression comes to true. It is asked again and again: where scripts are off, no promise is kept.
    pub(super) fn wait_for(&self, expression: &str) -> Result<()> {
        // While one page gives way to another there is nothing to ask.
        let holds = || self.evaluate(expression).is_ok_and(|holds| holds == json!(true)).then_some(());
        wait_for(expression, PATIENCE, holds).map(drop)
    }

    /// Shows pages this way from now on.
    pub(super) fn show(&self, view: Viewport) -> Result<()> {
        let Viewport { width, height, dark, script } = view;
        let is_phone = width < 600;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone});
        self.call("Emulation.setDeviceMetricsOverride", metrics)?;
        let scheme = json!({"name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" }});
        self.call("Emulation.setEmulatedMedia", json!({"features": [scheme]}))?;
        self.call("Emulation.setScriptExecutionDisabled", json!({"value": !script})).map(drop)
    }

    /// Fills a field in.
    pub(super) fn fill(&self, selector: &str, value: &str) -> Result<()> {
        self.evaluate(&format!("document.querySelector({}).value = {}", json!(selector), json!(value))).map(drop)
    }

    /// Clicks on a link or a button, and waits for the page that it leads to.
    pub(super) fn press(&self, selector: &str) -> Result<()> {
        self.leave(&format!("document.querySelector({}).click()", json!(selector)))
    }

    /// Does what leads to another page, and waits for it.
    pub(super) fn leave(&self, expression: &str) -> Result<()> {
        self.evaluate(&format!("document.documentElement.dataset.left = ''; {expression}; null"))?;
        self.wait_for("document.readyState === 'complete' && !('left' in document.documentElement.dataset)")
    }

    /// Where it is.
    pub(super) fn url(&self) -> Result<String> {
        Ok(self.evaluate("location.href")?.as_str().unwrap_or_default().to_owned())
    }

    /// The text of the page, as it is seen.
    pub(super) fn text(&self) -> Result<String> {
        Ok(self.evaluate("document.body.innerText")?.as_str().unwrap_or_default().to_owned())
    }

    /// Presses a key: a character, or one that has a name.
    pub(super) fn key(&self, key: &str) -> Result<()> {
        // What Windows calls it decides what Chromium does; the text of a key is what it types.
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            character => (0, character),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code, "text": text});
            self.call("Input.dispatchKeyEvent", event)?;
        }
        Ok(())
    }

    /// Types into what has the focus.
    pub(super) fn type_text(&self, text: &str) -> Result<()> {
        self.call("Input.insertText", json!({"text": text})).map(drop)
    }

    /// A picture of what it shows, as PNG.
    pub(super) fn picture(&self) -> Result<Vec<u8>> {
        let picture = self.call("Page.captureScreenshot", json!({"format": "png"}))?;
        let picture = picture["data"].as_str().context("no picture")?;
        BASE64_STANDARD.decode(picture).context("a picture that is no base64")
    }

    /// What the browser found wrong since it was last asked: what the policy of a page forbade, what a script threw.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut devtools = self.devtools.borrow_mut();
        let events = devtools.take_events(&self.session, &["Log.entryAdded", "Runtime.exceptionThrown"]);
        let text = |event: Value| match event.get("entry") {
            // Answers that are errors are the business of whoever asked.
            Some(entry) if entry["source"] == "network" => None,
            Some(entry) => Some(entry["text"].to_string()),
            None => Some(event["exceptionDetails"]["exception"]["description"].to_string()),
        };
        events.into_iter().filter_map(text).collect()
    }

    /// The signature counters of the credentials that a key has made.
    pub(super) fn counters(&self, key: &SecurityKey) -> Result<String> {
        let found = self.call("WebAuthn.getCredentials", json!({"authenticatorId": key.0}))?;
        let credentials = found["credentials"].as_array().context("no list of credentials")?;
        let counters = credentials.iter().map(|credential| credential["signCount"].to_string());
        Ok(counters.collect::<Vec<_>>().join(" and "))
    }

    /// What an expression comes to on the page that is open; of a promise, what that comes to.
    pub(super) fn evaluate(&self, expression: &str) -> Result<Value> {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut outcome = self.call("Runtime.evaluate", params)?;
        if let Some(thrown) = outcome.get("exceptionDetails") {
            bail!("the page threw: {}", thrown["exception"]["description"].as_str().unwrap_or("something"));
        }
        Ok(outcome["result"]["value"].take())
    }

    fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.devtools.borrow_mut().call(&self.session, method, params)
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
