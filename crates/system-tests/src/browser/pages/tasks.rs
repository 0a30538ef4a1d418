//! What people come for, by clicking on what they see, and by as few clicks as there are from the account's page.

use std::cell::Cell;

use anyhow::{Result, ensure};

use super::apps::scan;
use super::cast::{Cast, sign_in};
use super::look::DESKTOP;
use super::once::{sole, texts_of};
use super::scriptless::says;
use super::{does, ensure_at};
use crate::browser::chromium::Chromium;
use crate::browser::scanner::Scanner;
use crate::browser::tab::{Tab, Viewport};
use thunderhead_system_tests::live::http::Request;
use thunderhead_system_tests::requests::{PASSWORD, totp_code};

/// More clicks than this make a task long.
const MOST: u32 = 3;
const PHONE: Viewport = Viewport { width: 390, height: 844, ..DESKTOP };

/// A hand at a mouse, which counts.
pub(super) struct Hand<'a> {
    pub(super) tab: &'a Tab,
    clicks: Cell<u32>,
}

impl<'a> Hand<'a> {
    pub(super) const fn at(tab: &'a Tab) -> Self {
        Self { tab, clicks: Cell::new(0) }
    }

    /// Clicks on what leads to another page.
    pub(super) fn follow(&self, name: &str) -> Result<()> {
        self.clicks.set(self.clicks.get() + 1);
        self.tab.follow(name)
    }

    /// Clicks on what stays on the page.
    pub(super) fn click(&self, name: &str) -> Result<()> {
        self.clicks.set(self.clicks.get() + 1);
        self.tab.click(name)
    }

    pub(super) fn done(&self, what: &str, most: u32) -> Result<()> {
        let clicks = self.clicks.get();
        println!("{what}: {clicks} clicks");
        ensure!(clicks <= most, "{what} takes {clicks} clicks, which is more than {most}");
        Ok(())
    }
}

/// Somebody of this name is signed in, and looks at their account.
struct Person<'a> {
    cast: &'a Cast,
    scanner: &'a Scanner,
    name: String,
}

type Task = fn(&Person<'_>, &Hand<'_>) -> Result<()>;

const TASKS: [(&str, &str, Task); 5] = [
    ("ends the session on a lost phone", "ends-a-session", ends_the_lost_phone),
    ("makes an upload token for 30 days", "makes-a-token", makes_an_upload_token),
    ("adds an authenticator app", "adds-an-app", adds_an_app),
    ("sees who ended a session, and when", "sees-who-ended", sees_who_ended),
    ("signs out everywhere", "signs-out", signs_out_everywhere),
];

pub(super) fn check(chromium: &Chromium, cast: &Cast, scanner: &Scanner) -> Result<()> {
    for (what, name, task) in TASKS {
        for (device, viewport) in [("desktop", DESKTOP), ("phone", PHONE)] {
            let person = Person { cast, scanner, name: format!("{name}-on-a-{device}") };
            cast.make_account(&person.name, &[])?;
            does(chromium, &format!("{what}, on a {device}"), viewport, |tab| {
                sign_in(tab, &cast.at("/login"), &person.name, PASSWORD)?;
                ensure_at(tab, &cast.at("/account"))?;
                let hand = Hand::at(tab);
                task(&person, &hand)?;
                hand.done(what, MOST)
            })?;
        }
    }
    Ok(())
}

fn ends_the_lost_phone(person: &Person<'_>, hand: &Hand<'_>) -> Result<()> {
    let phone = person.cast.session_elsewhere(&person.name, "my phone")?;
    hand.follow("Sessions")?;
    hand.follow("End my phone")?;
    ensure!(!person.cast.is_live(&phone)?, "the phone is still signed in");
    Ok(())
}

fn makes_an_upload_token(person: &Person<'_>, hand: &Hand<'_>) -> Result<()> {
    hand.follow("Make a token")?;
    hand.tab.type_text("holiday pictures")?;
    hand.click("upload files UPLOAD_FILE")?;
    hand.follow("Make a token")?;
    let text = hand.tab.text()?;
    ensure!(text.contains("in 30 days") || text.contains("in 29 days"), "it is good for another time: {text}");
    let token = sole(hand.tab, "#token")?;
    for (scope, status) in [("UPLOAD_FILE", 204), ("FILE_READ", 403)] {
        let check = Request::new("GET", &format!("/forward-auth?scope={scope}")).token(&token);
        let answer = person.cast.ask(&check)?;
        ensure!(answer.status == status, "{scope}: {answer}");
    }
    Ok(())
}

fn adds_an_app(person: &Person<'_>, hand: &Hand<'_>) -> Result<()> {
    hand.follow("Add an authenticator app")?;
    hand.follow("Show the picture")?;
    let secret = scan(hand.tab, person.scanner)?;
    hand.tab.type_text(&totp_code(&secret, 0)?)?;
    hand.follow("Add it")?;
    ensure!(texts_of(hand.tab, "#codes li")?.len() == 10, "there are no backup codes");
    Ok(())
}

fn sees_who_ended(person: &Person<'_>, hand: &Hand<'_>) -> Result<()> {
    person.cast.session_elsewhere(&person.name, "my laptop")?;
    person.cast.operate(&["session", "end-all", "--user", &person.name, "--yes"])?;
    // That has ended the browser's, too.
    sign_in(hand.tab, &person.cast.at("/login"), &person.name, PASSWORD)?;
    hand.follow("Sessions")?;
    let rows = texts_of(hand.tab, "table:last-of-type tr")?;
    let row = rows.iter().find(|row| row.contains("my laptop")).map(String::as_str).unwrap_or_default();
    for word in ["just now", "those who run this site", "command line"] {
        ensure!(row.contains(word), "{word:?} is not said of the session that was ended: {rows:?}");
    }
    Ok(())
}

fn signs_out_everywhere(person: &Person<'_>, hand: &Hand<'_>) -> Result<()> {
    let elsewhere = person.cast.session_elsewhere(&person.name, "an old tablet")?;
    hand.follow("Sessions")?;
    hand.follow("Sign out everywhere")?;
    ensure_at(hand.tab, &person.cast.at("/login"))?;
    says(hand.tab, "You are signed out everywhere.")?;
    ensure!(!person.cast.is_live(&elsewhere)?, "the tablet is still signed in");
    Ok(())
}
