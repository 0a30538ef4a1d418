//! Where a sign-in leads: where it may, and nowhere else, whatever the address looks like.

use anyhow::{Result, ensure};

use super::cast::{Cast, PLAIN, sign_in};
use super::look::DESKTOP;
use super::{does, ensure_at};
use crate::browser::chromium::Chromium;
use thunderhead_system_tests::requests::PASSWORD;

/// What parsers read differently. `https://app.example.org` is where people may be led.
const EVIL: [&str; 18] = [
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%09/evil.example",
    "/\t/evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https://evil.example",
    "https://app.example.org@evil.example",
    "https://app.example.org:443@evil.example",
    "https://app.example.org.evil.example",
    "https://evil.example#app.example.org",
    "https://evil.example\\@app.example.org",
    "https://app.example.org:8443",
    "http://app.example.org",
    "https://xn--pp-6kc.example.org",
    "https://аpp.example.org",
    "javascript:alert(1)",
];

pub(super) fn check(chromium: &Chromium, cast: &Cast) -> Result<()> {
    let login = |place: &str| cast.at(&format!("/login?rd={}", escaped(place)));
    for place in EVIL {
        does(chromium, &format!("is not led to {place:?}"), DESKTOP, |tab| {
            sign_in(tab, &login(place), PLAIN, PASSWORD)?;
            let url = tab.url()?;
            ensure!(url.starts_with(&cast.at("/")), "it leads to {url}");
            // Whoever is signed in is led on at once.
            tab.open(&login(place))?;
            let url = tab.url()?;
            ensure!(url.starts_with(&cast.at("/")), "it leads to {url}, once signed in");
            Ok(())
        })?;
    }
    let place = format!("{}/deep?page=1", cast.application.origin);
    does(chromium, "is led to an application", DESKTOP, |tab| {
        tab.open(&login(&place))?;
        let host = cast.application.origin.trim_start_matches("http://");
        ensure!(tab.text()?.contains(host), "nobody is told that it goes on to {host}");
        sign_in(tab, &login(&place), PLAIN, PASSWORD)?;
        ensure_at(tab, &place)?;
        tab.open(&login(&place))?;
        ensure_at(tab, &place)
    })
}

/// As a value in a query.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
