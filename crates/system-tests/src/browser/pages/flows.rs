//! What people do: sign in with what they have, with script and without, by keyboard alone; and be signed out from
//! elsewhere.

use anyhow::{Result, bail, ensure};
use serde_json::json;

use super::cast::{Cast, PLAIN, STAFF, WITH_APP, fill_in, sign_in, with_backup_code};
use super::look::DESKTOP;
use super::{does, ensure_at};
use crate::browser::chromium::Chromium;
use crate::browser::tab::{Tab, Viewport};
use crate::browser::test_page;
use thunderhead_system_tests::requests::PASSWORD;

/// Whoever comes to a page by the keyboard is at the end of it after so many steps.
const MOST_STOPS: u32 = 200;
const FOCUSED: &str = "document.activeElement.matches";

pub(super) fn check(chromium: &Chromium, cast: &Cast) -> Result<()> {
    for (script, name) in [true, false].into_iter().zip(WITH_APP) {
        let (how, viewport) = (if script { "with" } else { "without" }, Viewport { script, ..DESKTOP });
        does(chromium, &format!("is led back {how} script"), viewport, |tab| is_led_back(tab, cast))?;
        does(chromium, &format!("signs in by an app {how} script"), viewport, |tab| with_app(tab, cast, name))?;
        does(chromium, &format!("signs in by a backup code {how} script"), viewport, |tab| {
            with_backup_code(tab, cast, name)
        })?;
    }
    does(chromium, "signs in and out by the keyboard", DESKTOP, |tab| by_keyboard(tab, cast))?;
    does(chromium, "signs in by a security key", DESKTOP, |tab| with_security_key(tab, cast))?;
    does(chromium, "is signed out in all tabs", DESKTOP, |tab| in_two_tabs(tab, cast))?;
    does(chromium, "is signed out by another device", DESKTOP, |tab| on_two_devices(chromium, tab, cast))
}

fn is_led_back(tab: &Tab, cast: &Cast) -> Result<()> {
    tab.open(&cast.at("/account/sessions"))?;
    ensure_at(tab, &cast.at("/login?rd=%2Faccount%2Fsessions"))?;
    fill_in(tab, PLAIN, PASSWORD)?;
    ensure_at(tab, &cast.at("/account/sessions"))?;
    ensure!(tab.text()?.contains("this session"), "the session that was opened is not in the list");
    tab.press("form[action='/logout'] button")?;
    ensure_at(tab, &cast.at("/login"))?;
    tab.open(&cast.at("/account"))?;
    ensure_at(tab, &cast.at("/login?rd=%2Faccount"))
}

fn with_app(tab: &Tab, cast: &Cast, name: &str) -> Result<()> {
    sign_in(tab, &cast.at("/login"), name, PASSWORD)?;
    ensure!(tab.url()? != cast.at("/account"), "no second factor is asked for");
    tab.fill("#code", &cast.app_code(name)?)?;
    tab.press("form:has(#code) button")?;
    ensure_at(tab, &cast.at("/account"))
}

fn by_keyboard(tab: &Tab, cast: &Cast) -> Result<()> {
    tab.open(&cast.at("/login"))?;
    ensure!(tab.evaluate(&format!("{FOCUSED}('[name=username]')"))? == json!(true), "the name has not the focus");
    tab.type_text(PLAIN)?;
    tab.key("Tab")?;
    tab.type_text(PASSWORD)?;
    tab.key("Enter")?;
    tab.wait_for("location.pathname === '/account' && document.readyState === 'complete'")?;
    for _ in 0..MOST_STOPS {
        tab.key("Tab")?;
        let is_seen = "getComputedStyle(document.activeElement).outlineStyle !== 'none'";
        ensure!(tab.evaluate(is_seen)? == json!(true), "the focus is not seen");
        if tab.evaluate(&format!("{FOCUSED}('form[action=\"/logout\"] button')"))? == json!(true) {
            tab.key("Enter")?;
            return tab.wait_for("location.pathname === '/login' && document.readyState === 'complete'");
        }
    }
    bail!("the keyboard does not reach the button that signs out");
}

/// The key is enrolled by the API, from a page of this origin.
fn with_security_key(tab: &Tab, cast: &Cast) -> Result<()> {
    const NAME: &str = "grace";
    let (login, api) = (cast.at("/login"), json!(cast.at("/api")));
    let _key = tab.security_key("ctap2")?;
    tab.open(&login)?;
    let script = test_page::HTML.split("<script>").nth(1).and_then(|rest| rest.split("</script>").next());
    let enrol = format!("register({api}, '{NAME}').then(() => enrol({api}, '{NAME}')).then((answer) => answer.status)");
    let status = tab.evaluate(&format!("{}; {enrol}", script.unwrap_or_default()))?;
    ensure!(status == json!(201), "the key was not enrolled: {status}");
    sign_in(tab, &login, NAME, "correct horse battery staple 1903")?;
    tab.press("form[data-webauthn] button")?;
    ensure_at(tab, &cast.at("/account"))
}

fn in_two_tabs(tab: &Tab, cast: &Cast) -> Result<()> {
    sign_in(tab, &cast.at("/login"), PLAIN, PASSWORD)?;
    let other = tab.another()?;
    other.open(&cast.at("/account/sessions"))?;
    other.press("form[action='/logout'] button")?;
    tab.press("a[href='/account/sessions']")?;
    ensure_at(tab, &cast.at("/login?rd=%2Faccount%2Fsessions"))
}

fn on_two_devices(chromium: &Chromium, tab: &Tab, cast: &Cast) -> Result<()> {
    with_backup_code(tab, cast, STAFF)?;
    let other = chromium.tab()?;
    with_backup_code(&other, cast, STAFF)?;
    other.press("a[href='/account/sessions']")?;
    other.press("form[action='/account/sessions/end-others'] button")?;
    ensure_at(&other, &cast.at("/account/sessions"))?;
    tab.press("a[href='/account/sessions']")?;
    ensure_at(tab, &cast.at("/login?rd=%2Faccount%2Fsessions"))
}
