//! What is shown once: a page that has shown a secret does not show it again, and makes no other one.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::cast::{Cast, fill_in, sign_in, with_backup_code};
use super::look::DESKTOP;
use super::{does, ensure_at};
use crate::browser::chromium::Chromium;
use crate::browser::tab::{Tab, Viewport};
use thunderhead_system_tests::requests::PASSWORD;

const TOKENS: &str = "/account/tokens";
const NEW_TOKEN: &str = "/account/tokens/new";
const SECURITY: &str = "/account/security";
const CODES: &str = "/account/security/codes";
/// Makes links.
const STAFF: &str = "marple";

pub(super) fn check(chromium: &Chromium, cast: &Cast) -> Result<()> {
    cast.make_account_with_app(STAFF, &["--staff"])?;
    for (how, script, names) in [("with", true, ["noether", "curie"]), ("without", false, ["meitner", "hodgkin"])] {
        let viewport = Viewport { script, ..DESKTOP };
        let [of_token, of_codes] = names;
        cast.make_account(of_token, &[])?;
        cast.make_account_with_app(of_codes, &[])?;
        does(chromium, &format!("sees a token once {how} script"), viewport, |tab| token(tab, cast, of_token))?;
        does(chromium, &format!("sees backup codes once {how} script"), viewport, |tab| codes(tab, cast, of_codes))?;
        does(chromium, &format!("sees a one-time link once {how} script"), viewport, |tab| link(tab, cast, of_token))?;
    }
    Ok(())
}

fn token(tab: &Tab, cast: &Cast, name: &str) -> Result<()> {
    sign_in(tab, &cast.at("/login"), name, PASSWORD)?;
    let first = make_token(tab, cast, "the first")?;
    ensure!(cast.is_live(&first)?, "the token is good for nothing");
    let other = tab.another()?;
    for path in [NEW_TOKEN, TOKENS] {
        other.open(&cast.at(path))?;
        is_gone(&other, &[&first]).with_context(|| format!("from a GET of {path}"))?;
    }
    tab.reload()?;
    ensure_at(tab, &cast.at(TOKENS))?;
    is_gone(tab, &[&first]).context("from the page, loaded again")?;
    ensure!(tab.text()?.contains("made already"), "nobody is told that it was made already");
    let second = make_token(tab, cast, "the second")?;
    tab.follow("To the tokens")?;
    tab.back()?;
    is_gone(tab, &[&first, &second]).context("from the page before")?;
    other.reload()?;
    let names = texts_of(&other, "td .name")?;
    ensure!(names == ["the second", "the first"], "two tokens were made, and there are {names:?}");
    ensure!(cast.is_live(&first)? && cast.is_live(&second)?, "a token has ended");
    Ok(())
}

/// Makes a token that may see the account, and returns it.
fn make_token(tab: &Tab, cast: &Cast, name: &str) -> Result<String> {
    tab.open(&cast.at(NEW_TOKEN))?;
    tab.fill("#name", name)?;
    tab.click("see your account ACCOUNT_READ")?;
    tab.press("main form button")?;
    sole(tab, "#token")
}

fn codes(tab: &Tab, cast: &Cast, name: &str) -> Result<()> {
    with_backup_code(tab, cast, name)?;
    let first = renew(tab, cast)?;
    let other = tab.another()?;
    other.open(&cast.at(CODES))?;
    is_gone(&other, &first).context("from a GET")?;
    tab.reload()?;
    ensure_at(tab, &cast.at(SECURITY))?;
    is_gone(tab, &first).context("from the page, loaded again")?;
    ensure!(tab.text()?.contains("10 of 10"), "not all codes are left");
    let second = renew(tab, cast)?;
    tab.follow("I have kept them")?;
    tab.back()?;
    is_gone(tab, &[first, second.clone()].concat()).context("from the page before")?;
    // Those that were shown last are the ones that count.
    tab.open(&cast.at("/account"))?;
    tab.press("form[action='/logout'] button")?;
    fill_in(tab, name, PASSWORD)?;
    tab.fill("#backup", second.first().context("no code")?)?;
    tab.press("form:has(#backup) button")?;
    ensure_at(tab, &cast.at("/account"))
}

fn renew(tab: &Tab, cast: &Cast) -> Result<Vec<String>> {
    tab.open(&cast.at(SECURITY))?;
    tab.follow("Make new ones")?;
    let codes = texts_of(tab, "#codes li")?;
    ensure!(codes.len() == 10, "there are {} codes", codes.len());
    Ok(codes)
}

/// Staff make it for somebody.
fn link(tab: &Tab, cast: &Cast, name: &str) -> Result<()> {
    with_backup_code(tab, cast, STAFF)?;
    tab.open(&cast.at(&format!("/staff/search?q={name}")))?;
    tab.follow(name)?;
    let user = tab.url()?;
    let first = make_link(tab)?;
    let other = tab.another()?;
    other.open(&tab.url()?)?;
    is_gone(&other, &[&first]).context("from a GET")?;
    tab.reload()?;
    ensure_at(tab, &user)?;
    is_gone(tab, &[&first]).context("from the page, loaded again")?;
    let second = make_link(tab)?;
    tab.follow(&format!("Back to {name}"))?;
    tab.back()?;
    is_gone(tab, &[&first, &second]).context("from the page before")?;
    other.open(&user)?;
    let made = texts_of(&other, "td.lead .name")?.iter().filter(|kind| *kind == "One-time link made").count();
    ensure!(made == 2, "two links were made, and {made} are recorded");
    other.open(&second)?;
    ensure!(sole(&other, "h1")? == "Set a password", "the link is good for nothing");
    Ok(())
}

fn make_link(tab: &Tab) -> Result<String> {
    tab.follow("One-time link")?;
    tab.follow("Make the link")?;
    sole(tab, "#link")
}

fn is_gone(tab: &Tab, secrets: &[impl AsRef<str>]) -> Result<()> {
    let source = tab.source()?;
    ensure!(!secrets.iter().any(|secret| source.contains(secret.as_ref())), "what was shown is not gone");
    Ok(())
}

/// The texts of some elements.
pub(super) fn texts_of(tab: &Tab, selector: &str) -> Result<Vec<String>> {
    let texts = format!("[...document.querySelectorAll({})].map((one) => one.textContent.trim())", json!(selector));
    let texts = tab.evaluate(&texts)?;
    Ok(texts.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// The text of an element that must be there.
pub(super) fn sole(tab: &Tab, selector: &str) -> Result<String> {
    let mut texts = texts_of(tab, selector)?;
    ensure!(texts.len() == 1, "{selector} is there {} times", texts.len());
    texts.pop().context("there is none")
}
