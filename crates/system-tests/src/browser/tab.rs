//! A tab of the browser: what it shows, and what hands and keyboards do with that.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::devtools::SharedDevTools;
use thunderhead_system_tests::live::wait_for;

/// A page that is not there by then does not come. Busy machines are slow, so it is long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the middle of the one link, button or label is that can be seen under a name.
const SEEN: &str = include_str!("seen.js");

/// A tab.
pub(super) struct Tab {
    devtools: SharedDevTools,
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

impl Tab {
    pub(super) fn open_in(devtools: &SharedDevTools, context: &Value) -> Result<Self> {
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

    /// Gives the device a lock by which it keeps passkeys, and which knows its user.
    pub(super) fn device_lock(&self) -> Result<SecurityKey> {
        self.call("WebAuthn.enable", json!({}))?;
        let options = json!({"options": {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserVerified": true,
            "automaticPresenceSimulation": true,
        }});
        let mut lock = self.call("WebAuthn.addVirtualAuthenticator", options)?;
        Ok(SecurityKey(lock["authenticatorId"].take()))
    }

    /// Whether the lock knows from now on who uses the device.
    pub(super) fn know_user(&self, lock: &SecurityKey, knows: bool) -> Result<()> {
        let params = json!({"authenticatorId": lock.0, "isUserVerified": knows});
        self.call("WebAuthn.setUserVerified", params).map(drop)
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
        self.call("Emulation.setScrollbarsHidden", json!({"hidden": true}))?;
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
        self.mark()?;
        self.evaluate(&format!("{expression}; null"))?;
        self.wait_for_another()
    }

    fn mark(&self) -> Result<()> {
        self.evaluate("document.documentElement.dataset.left = ''").map(drop)
    }

    /// Waits for a page without the mark.
    fn wait_for_another(&self) -> Result<()> {
        self.wait_for("document.readyState === 'complete' && !('left' in document.documentElement.dataset)")
    }

    /// Clicks with the mouse on what can be seen under a name, as people do: a link, a button, a box to be ticked.
    pub(super) fn click(&self, name: &str) -> Result<()> {
        let seen = self.evaluate(&format!("({SEEN})({})", json!(name)))?;
        ensure!(seen["problem"].is_null(), "{name:?}: {}", seen["problem"]);
        for (kind, pressed) in [("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let event = json!({"type": kind, "x": seen["x"], "y": seen["y"], "button": button, "buttons": pressed, "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event)?;
        }
        Ok(())
    }

    /// The same, and waits for the page that it leads to.
    pub(super) fn follow(&self, name: &str) -> Result<()> {
        self.mark()?;
        self.click(name)?;
        self.wait_for_another()
    }

    /// Loads the page again. What a form was answered with is asked for by sending the form again.
    pub(super) fn reload(&self) -> Result<()> {
        self.mark()?;
        self.call("Page.reload", json!({}))?;
        self.wait_for_another()
    }

    /// Goes back to the page before.
    pub(super) fn back(&self) -> Result<()> {
        let history = self.call("Page.getNavigationHistory", json!({}))?;
        let place = history["currentIndex"].as_u64().and_then(|place| usize::try_from(place).ok()?.checked_sub(1));
        let before = place.map(|place| &history["entries"][place]["id"]).context("there is no page before")?;
        self.mark()?;
        self.call("Page.navigateToHistoryEntry", json!({"entryId": before}))?;
        self.wait_for_another()
    }

    /// Has the browser say that it is another one.
    pub(super) fn pass_for(&self, user_agent: &str) -> Result<()> {
        self.call("Emulation.setUserAgentOverride", json!({"userAgent": user_agent})).map(drop)
    }

    /// Takes any certificate for good.
    pub(super) fn trust_everybody(&self) -> Result<()> {
        self.call("Security.setIgnoreCertificateErrors", json!({"ignore": true})).map(drop)
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

    /// Sends the form that is being filled in, as the keyboard does.
    pub(super) fn enter(&self) -> Result<()> {
        self.mark()?;
        self.key("Enter")?;
        self.wait_for_another()
    }

    /// Types into what has the focus, once it has: a page gives it when it is first painted.
    pub(super) fn type_text(&self, text: &str) -> Result<()> {
        self.wait_for("document.activeElement !== document.body")?;
        self.call("Input.insertText", json!({"text": text})).map(drop)
    }

    /// The page as the browser has it, with all that is not seen.
    pub(super) fn source(&self) -> Result<String> {
        Ok(self.evaluate("document.documentElement.outerHTML")?.as_str().unwrap_or_default().to_owned())
    }

    /// A picture of what it shows, as PNG.
    pub(super) fn picture(&self) -> Result<Vec<u8>> {
        self.capture(json!({"format": "png"}))
    }

    /// A picture of the page from top to bottom.
    pub(super) fn whole_picture(&self) -> Result<Vec<u8>> {
        let size = self.call("Page.getLayoutMetrics", json!({}))?["cssContentSize"].take();
        let clip = json!({"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1});
        self.capture(json!({"format": "png", "captureBeyondViewport": true, "clip": clip}))
    }

    fn capture(&self, how: Value) -> Result<Vec<u8>> {
        let picture = self.call("Page.captureScreenshot", how)?;
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
