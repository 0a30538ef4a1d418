//! The emergency of staff: a token has turned up where it should not be. They find whose it is, end it, ban the user, shut
//! logins, and read what happened.

use anyhow::{Result, ensure};
use serde_json::json;

use super::cast::{Cast, PLAIN, STAFF, sign_in, with_backup_code};
use super::does;
use super::look::DESKTOP;
use super::scriptless::says;
use super::tasks::Hand;
use crate::browser::chromium::Chromium;
use crate::browser::tab::Tab;
use thunderhead_system_tests::live::http::Request;
use thunderhead_system_tests::requests::{PASSWORD, log_in};

const SUSPECT: &str = "moriarty";
/// From the account's page to the end of it.
const MOST: u32 = 12;

pub(super) fn check(chromium: &Chromium, cast: &Cast) -> Result<()> {
    cast.make_account(SUSPECT, &[])?;
    does(chromium, "gets through an emergency of staff", DESKTOP, |tab| gets_through(chromium, tab, cast))
}

fn gets_through(chromium: &Chromium, tab: &Tab, cast: &Cast) -> Result<()> {
    let session = cast.session_elsewhere(SUSPECT, "at home")?;
    let asked = json!({"name": "found in a paste", "permissionFlags": 4, "password": PASSWORD});
    let token = cast.ask(&Request::new("POST", "/api/users/me/sessions").token(&session).json(&asked))?.text("token");
    ensure!(cast.is_live(&token)?, "there is no token to be found");
    with_backup_code(tab, cast, STAFF)?;
    let hand = Hand::at(tab);
    hand.follow("Staff")?;
    hand.click("Find a user or a session")?;
    tab.type_text(&token)?;
    tab.enter()?;
    ensure!(!tab.source()?.contains(&token), "the token is shown again");
    says(tab, SUSPECT)?;
    hand.follow("End the session found in a paste")?;
    hand.follow("End the session")?;
    ensure!(!cast.is_live(&token)? && cast.is_live(&session)?, "another session was ended");
    hand.follow("Ban")?;
    hand.follow("Ban the user")?;
    ensure!(!cast.is_live(&session)?, "the ban ends nothing");
    hand.follow("Kill switches")?;
    hand.follow("Shut ACCOUNT_LOGIN")?;
    hand.follow("Shut it")?;
    let visitor = chromium.tab()?;
    sign_in(&visitor, &cast.at("/login"), PLAIN, PASSWORD)?;
    says(&visitor, "Switched off")?;
    hand.follow("Audit trail")?;
    for words in ["Kill switch shut", "Banned", "Session ended", "Token made", SUSPECT, STAFF] {
        says(tab, words)?;
    }
    hand.done("an emergency of staff", MOST)?;
    tab.follow("Kill switches")?;
    tab.follow("Open ACCOUNT_LOGIN")?;
    tab.follow("Open it")?;
    let answer = cast.ask(&log_in(PLAIN, PASSWORD))?;
    ensure!(answer.status == 201, "nobody can sign in again: {answer}");
    Ok(())
}
