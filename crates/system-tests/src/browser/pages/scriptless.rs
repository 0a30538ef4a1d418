//! What is changed in a browser that runs no script: everything but security keys.

use anyhow::{Result, ensure};

use super::cast::{Cast, STAFF, fill_in, sign_in, with_backup_code};
use super::look::DESKTOP;
use super::once::sole;
use super::{does, ensure_at};
use crate::browser::chromium::Chromium;
use crate::browser::tab::{Tab, Viewport};
use thunderhead_system_tests::requests::{PASSWORD, address_of, register};

/// Whose account it is that is changed.
const NAME: &str = "hypatia";
const NEW_PASSWORD: &str = "nine lanterns under the bridge";
/// Whom staff ban.
const BANNED: &str = "mallory";

type Act = fn(&Tab, &Cast) -> Result<()>;

const ACTS: [(&str, Act); 7] = [
    ("registers, and signs out", registers),
    ("ends one session", ends_one),
    ("ends all sessions", ends_all),
    ("makes a token, and ends it", makes_a_token),
    ("changes the password", changes_the_password),
    ("bans, and lifts the ban", bans),
    ("turns a switch on and off", turns_a_switch),
];

pub(super) fn check(chromium: &Chromium, cast: &Cast) -> Result<()> {
    cast.make_account(BANNED, &[])?;
    for (what, act) in ACTS {
        let viewport = Viewport { script: false, ..DESKTOP };
        does(chromium, &format!("{what}, without script"), viewport, |tab| act(tab, cast))?;
    }
    Ok(())
}

fn registers(tab: &Tab, cast: &Cast) -> Result<()> {
    tab.open(&cast.at("/register"))?;
    tab.fill("#username", NAME)?;
    tab.fill("#email", &address_of(NAME))?;
    tab.fill("#new-password", PASSWORD)?;
    tab.fill("#confirm-password", PASSWORD)?;
    tab.press("main form button")?;
    ensure_at(tab, &cast.at("/account"))?;
    tab.press("form[action='/logout'] button")?;
    ensure_at(tab, &cast.at("/login"))?;
    says(tab, "You are signed out.")?;
    tab.open(&cast.at("/account"))?;
    ensure_at(tab, &cast.at("/login?rd=%2Faccount"))
}

fn ends_one(tab: &Tab, cast: &Cast) -> Result<()> {
    let [phone, laptop] = ["a phone", "a laptop"].map(|name| cast.session_elsewhere(NAME, name));
    let (phone, laptop) = (phone?, laptop?);
    sign_in(tab, &cast.at("/login?rd=/account/sessions"), NAME, PASSWORD)?;
    tab.follow("End a phone")?;
    ensure_at(tab, &cast.at("/account/sessions"))?;
    says(tab, "The session is ended.")?;
    ensure!(!cast.is_live(&phone)? && cast.is_live(&laptop)?, "another session was ended than was chosen");
    tab.reload()?;
    ensure!(!tab.text()?.contains("The session is ended."), "it is said twice");
    Ok(())
}

fn ends_all(tab: &Tab, cast: &Cast) -> Result<()> {
    let elsewhere = cast.session_elsewhere(NAME, "a phone")?;
    sign_in(tab, &cast.at("/login?rd=/account/sessions"), NAME, PASSWORD)?;
    tab.follow("Sign out everywhere")?;
    ensure_at(tab, &cast.at("/login"))?;
    says(tab, "You are signed out everywhere.")?;
    ensure!(!cast.is_live(&elsewhere)?, "a session goes on");
    tab.open(&cast.at("/account"))?;
    ensure_at(tab, &cast.at("/login?rd=%2Faccount"))
}

fn makes_a_token(tab: &Tab, cast: &Cast) -> Result<()> {
    sign_in(tab, &cast.at("/login?rd=/account/tokens"), NAME, PASSWORD)?;
    tab.follow("Make a token")?;
    tab.fill("#name", "a script")?;
    tab.click("see your account ACCOUNT_READ")?;
    tab.follow("Make a token")?;
    let token = sole(tab, "#token")?;
    ensure!(cast.is_live(&token)?, "the token is good for nothing");
    tab.follow("To the tokens")?;
    tab.follow("End a script")?;
    says(tab, "The token is ended.")?;
    ensure!(!cast.is_live(&token)?, "the token is still good");
    Ok(())
}

fn changes_the_password(tab: &Tab, cast: &Cast) -> Result<()> {
    let elsewhere = cast.session_elsewhere(NAME, "a phone")?;
    sign_in(tab, &cast.at("/login?rd=/account/security"), NAME, PASSWORD)?;
    tab.fill("#new-password", NEW_PASSWORD)?;
    tab.fill("#confirm-password", NEW_PASSWORD)?;
    tab.follow("Change the password")?;
    ensure_at(tab, &cast.at("/account/security"))?;
    says(tab, "The password is changed")?;
    ensure!(!cast.is_live(&elsewhere)?, "a session goes on");
    tab.press("form[action='/logout'] button")?;
    fill_in(tab, NAME, PASSWORD)?;
    says(tab, "The password is wrong.")?;
    fill_in(tab, NAME, NEW_PASSWORD)?;
    ensure_at(tab, &cast.at("/account"))
}

fn bans(tab: &Tab, cast: &Cast) -> Result<()> {
    let theirs = cast.session_elsewhere(BANNED, "theirs")?;
    with_backup_code(tab, cast, STAFF)?;
    tab.open(&cast.at(&format!("/staff/search?q={BANNED}")))?;
    tab.follow(BANNED)?;
    let page = tab.url()?;
    tab.follow("Ban")?;
    ensure!(cast.is_live(&theirs)?, "asking is enough");
    tab.fill("#reason", "for a test")?;
    tab.follow("Ban the user")?;
    ensure_at(tab, &page)?;
    says(tab, "The user is banned.")?;
    ensure!(!cast.is_live(&theirs)?, "the ban ends nothing");
    tab.follow("Lift the ban")?;
    tab.follow("Lift the ban")?;
    says(tab, "The ban is lifted.")?;
    let again = cast.session_elsewhere(BANNED, "once more")?;
    tab.open(&page)?;
    tab.follow("End the session once more")?;
    ensure!(cast.is_live(&again)?, "asking is enough");
    tab.follow("End the session")?;
    says(tab, "The session is ended.")?;
    ensure!(!cast.is_live(&again)?, "the session goes on");
    Ok(())
}

fn turns_a_switch(tab: &Tab, cast: &Cast) -> Result<()> {
    with_backup_code(tab, cast, STAFF)?;
    tab.open(&cast.at("/staff/switches"))?;
    tab.follow("Shut ACCOUNT_CREATE")?;
    tab.follow("Shut it")?;
    says(tab, "It is shut")?;
    let refused = cast.ask(&register("somebody"))?;
    ensure!(refused.status == 503, "the door is open: {refused}");
    tab.follow("Open ACCOUNT_CREATE")?;
    tab.follow("Open it")?;
    says(tab, "It is open again.")?;
    let made = cast.ask(&register("somebody"))?;
    ensure!(made.status == 201, "the door is shut: {made}");
    Ok(())
}

/// Whether the page says what was done.
pub(super) fn says(tab: &Tab, words: &str) -> Result<()> {
    ensure!(tab.text()?.contains(words), "nothing says {words:?}");
    Ok(())
}
