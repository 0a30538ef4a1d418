//! An authenticator app, added as people add it: by the picture on the page.

use anyhow::{Context, Result, ensure};

use super::cast::{Cast, sign_in};
use super::look::DESKTOP;
use super::once::texts_of;
use super::{does, ensure_at};
use crate::browser::chromium::Chromium;
use crate::browser::scanner::Scanner;
use crate::browser::tab::{Tab, Viewport};
use thunderhead_system_tests::requests::{PASSWORD, totp_code};

pub(super) fn check(chromium: &Chromium, cast: &Cast, scanner: &Scanner) -> Result<()> {
    for (how, name, viewport) in [
        ("with", "vera", DESKTOP),
        ("without", "rosa", Viewport { script: false, ..DESKTOP }),
        ("in the dark with", "lise", Viewport { width: 390, height: 844, dark: true, ..DESKTOP }),
    ] {
        cast.make_account(name, &[])?;
        does(chromium, &format!("adds an app by its QR code {how} script, and signs in by it"), viewport, |tab| {
            adds_one(tab, cast, scanner, name)
        })?;
    }
    Ok(())
}

fn adds_one(tab: &Tab, cast: &Cast, scanner: &Scanner, name: &str) -> Result<()> {
    sign_in(tab, &cast.at("/login"), name, PASSWORD)?;
    tab.open(&cast.at("/account/security/totp"))?;
    tab.follow("Show the picture")?;
    let secret = scan(tab, scanner)?;
    tab.fill("#code", &totp_code(&secret, 0)?)?;
    tab.follow("Add it")?;
    let codes = texts_of(tab, "#codes li")?;
    ensure!(codes.len() == 10, "there are {} backup codes", codes.len());
    tab.reload()?;
    ensure_at(tab, &cast.at("/account/security"))?;
    let source = tab.source()?;
    ensure!(!codes.iter().any(|code| source.contains(code)), "the codes are shown again");
    tab.press("form[action='/logout'] button")?;
    sign_in(tab, &cast.at("/login"), name, PASSWORD)?;
    tab.fill("#code", &totp_code(&secret, 30)?)?;
    tab.press("form:has(#code) button")?;
    ensure_at(tab, &cast.at("/account"))
}

/// The secret in the picture that a page shows, as a phone reads it.
pub(super) fn scan(tab: &Tab, scanner: &Scanner) -> Result<String> {
    let uri = scanner.read(&tab.whole_picture()?)?;
    let (_, query) =
        uri.split_once('?').filter(|_| uri.starts_with("otpauth://totp/")).context("no secret is in it")?;
    let secret = query.split('&').find_map(|pair| pair.strip_prefix("secret=")).context("no secret is in it")?;
    let by_hand = texts_of(tab, "#secret")?.concat();
    ensure!(secret == by_hand.replace(' ', ""), "the secret in the picture is not that beside it");
    Ok(secret.to_owned())
}
