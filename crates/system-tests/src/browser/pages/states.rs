//! Pages that no link leads to: forms with what is wrong, what is shown once, what is refused, and what is new and empty.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::cast::{Cast, PLAIN, STAFF, WITH_APP, sign_in, with_backup_code};
use super::look::Looks;
use super::once::texts_of;
use crate::browser::accessibility::Axe;
use crate::browser::chromium::Chromium;
use crate::browser::tab::Tab;
use thunderhead_system_tests::live::site::Site;
use thunderhead_system_tests::live::wait_for;
use thunderhead_system_tests::requests::PASSWORD;

const BANNED: &str = "capone";
const WITHOUT_FACTOR: &str = "intern";
/// Browsers check forms before they send them; what other programs send is checked by the server.
const SEND_UNCHECKED: &str =
    "const form = document.querySelector('main form:not([data-webauthn]):not(:has(~ form:not([data-webauthn])))');
    form.noValidate = true;
    form.requestSubmit()";

pub(super) fn look(chromium: &Chromium, cast: &Cast, looks: &mut Looks<'_>) -> Result<()> {
    cast.make_account(BANNED, &[])?;
    cast.make_account(WITHOUT_FACTOR, &["--staff"])?;
    of_visitors(chromium, cast, looks)?;
    of_users(chromium, cast, looks)?;
    of_secrets(chromium, cast, looks)?;
    refusals(chromium, cast, looks)?;
    of_staff(chromium, cast, looks)
}

/// A page with this heading.
fn headed(tab: &Tab, title: &str) -> Result<()> {
    let titles = texts_of(tab, "h1")?;
    ensure!(titles.len() == 1 && titles.concat().starts_with(title), "{title:?} was expected, and {titles:?} came");
    Ok(())
}

/// Opens a page, fills fields of its last form, and sends it.
fn send(tab: &Tab, url: &str, fields: &[(&str, &str)]) -> Result<()> {
    tab.open(url)?;
    for (selector, value) in fields {
        tab.fill(selector, value)?;
    }
    tab.leave(&format!("(() => {{ {SEND_UNCHECKED} }})()"))
}

fn of_visitors(chromium: &Chromium, cast: &Cast, looks: &mut Looks<'_>) -> Result<()> {
    let visitor = chromium.tab()?;
    let (login, register) = (cast.at("/login"), cast.at("/register"));
    looks.at(&visitor, "mistakes in a registration", |tab| {
        let fields = [("#username", "a name"), ("#email", "nowhere"), ("#new-password", "short")];
        send(tab, &register, &fields)?;
        ensure!(texts_of(tab, ".error")?.len() == 3, "not all that is wrong is told");
        Ok(())
    })?;
    looks.at(&visitor, "a name that is taken", |tab| {
        let fields = [("#username", PLAIN), ("#email", "a@example.org"), ("#new-password", PASSWORD)];
        send(tab, &register, &[&fields[..], &[("#confirm-password", PASSWORD)]].concat())?;
        ensure!(texts_of(tab, ".error")?.concat().contains("taken"), "nothing is taken");
        Ok(())
    })?;
    looks.at(&visitor, "nobody of this name", |tab| sign_in(tab, &login, "nobody-at-all", PASSWORD))?;
    looks.at(&visitor, "a sign-in without anything", |tab| send(tab, &login, &[]))?;
    looks.at(&visitor, "a wrong backup code", |tab| {
        sign_in(tab, &login, WITH_APP[1], PASSWORD)?;
        tab.fill("#backup", "not a code")?;
        tab.press("form:has(#backup) button")
    })?;
    let link = cast.operate(&["user", "link", PLAIN])?;
    let link = link.split_once("/link/").map(|(_, rest)| rest.split_whitespace().next().unwrap_or_default());
    let link = cast.at(&format!("/link/{}", link.context("no link was made")?));
    looks.at(&visitor, "a link", |tab| tab.open(&link))?;
    looks.at(&visitor, "mistakes at a link", |tab| send(tab, &link, &[("#new-password", "short")]))?;
    let over = cast.at("/link/thk_none");
    looks.at(&visitor, "a link that is over", |tab| {
        tab.open(&over)?;
        headed(tab, "This link does not work")
    })
}

fn of_users(chromium: &Chromium, cast: &Cast, looks: &mut Looks<'_>) -> Result<()> {
    let user = chromium.tab()?;
    sign_in(&user, &cast.at("/login"), PLAIN, PASSWORD)?;
    let [confirm, logout, security, new] =
        ["/account/confirm", "/logout", "/account/security", "/account/tokens/new"].map(|path| cast.at(path));
    looks.at(&user, "signing out", |tab| tab.open(&logout))?;
    looks.at(&user, "confirming", |tab| tab.open(&confirm))?;
    looks.at(&user, "a wrong password to confirm by", |tab| send(tab, &confirm, &[("#password", "something else")]))?;
    looks.at(&user, "mistakes in a token", |tab| {
        send(tab, &new, &[])?;
        ensure!(texts_of(tab, ".error")?.len() == 2, "not all that is wrong is told");
        Ok(())
    })?;
    looks.at(&user, "a form of long ago", |tab| {
        tab.open(&new)?;
        tab.click("upload files UPLOAD_FILE")?;
        tab.fill("[name=name]", "a token")?;
        tab.fill("[name=once]", "of long ago")?;
        tab.press("main form button")?;
        ensure!(tab.text()?.contains("lay open for too long"), "it is taken");
        Ok(())
    })?;
    looks.at(&user, "a mistake in a password", |tab| {
        tab.open(&security)?;
        tab.fill("#new-password", "password1")?;
        tab.fill("#confirm-password", "password1")?;
        tab.follow("Change the password")
    })?;
    looks.at(&user, "a mistake in an address", |tab| send(tab, &security, &[("#new-email", "nowhere")]))?;
    looks.at(&user, "what was done", |tab| {
        tab.open(&cast.at("/account/sessions"))?;
        cast.session_elsewhere(PLAIN, "a phone")?;
        tab.open(&cast.at("/account/sessions"))?;
        tab.follow("End all others")
    })
}

fn of_secrets(chromium: &Chromium, cast: &Cast, looks: &mut Looks<'_>) -> Result<()> {
    let user = chromium.tab()?;
    sign_in(&user, &cast.at("/login"), PLAIN, PASSWORD)?;
    let [new, totp, key] =
        ["/account/tokens/new", "/account/security/totp", "/account/security/webauthn"].map(|path| cast.at(path));
    looks.at(&user, "a new token", |tab| {
        tab.open(&new)?;
        tab.fill("#name", "a script that uploads")?;
        tab.click("upload files UPLOAD_FILE")?;
        tab.follow("Make a token")
    })?;
    looks.at(&user, "a picture for an app", |tab| send(tab, &totp, &[]))?;
    looks.at(&user, "a wrong code of a new app", |tab| {
        send(tab, &totp, &[])?;
        tab.fill("#code", "000000")?;
        tab.follow("Add it")
    })?;
    looks.at(&user, "a new security key", |tab| send(tab, &key, &[]))?;
    let with_app = chromium.tab()?;
    with_backup_code(&with_app, cast, WITH_APP[1])?;
    let security = cast.at("/account/security");
    looks.at(&with_app, "security with an app", |tab| tab.open(&security))?;
    // Elsewhere these codes are signed in with: others take their place.
    let renewed = looks.at(&with_app, "new backup codes", |tab| {
        tab.open(&security)?;
        tab.follow("Make new ones")
    });
    cast.know_codes(WITH_APP[1], texts_of(&with_app, "#codes li")?)?;
    renewed
}

fn refusals(chromium: &Chromium, cast: &Cast, looks: &mut Looks<'_>) -> Result<()> {
    let visitor = chromium.tab()?;
    let login = cast.at("/login");
    cast.operate(&["user", "ban", BANNED])?;
    looks.at(&visitor, "a banned user", |tab| {
        sign_in(tab, &login, BANNED, PASSWORD)?;
        headed(tab, "This account is banned")
    })?;
    cast.operate(&["kill-switch", "on", "ACCOUNT_LOGIN"])?;
    let shut = looks.at(&visitor, "a sign-in for staff alone", |tab| tab.open(&login)).and_then(|()| {
        looks.at(&visitor, "a sign-in that is switched off", |tab| {
            sign_in(tab, &login, PLAIN, PASSWORD)?;
            headed(tab, "Switched off")
        })
    });
    cast.operate(&["kill-switch", "off", "ACCOUNT_LOGIN"])?;
    shut?;
    let user = chromium.tab()?;
    sign_in(&user, &login, PLAIN, PASSWORD)?;
    let [staff, end] = ["/staff", "/account/sessions/end"].map(|path| cast.at(path));
    looks.at(&user, "for staff alone", |tab| {
        tab.open(&staff)?;
        headed(tab, "For staff")
    })?;
    looks.at(&user, "an address of a form", |tab| {
        tab.open(&end)?;
        headed(tab, "Not possible")
    })?;
    let (stranger, action) = (&cast.stranger.origin, json!(end));
    looks.at(&user, "a form from elsewhere", |tab| {
        tab.open(stranger)?;
        tab.leave(&format!(
            "const form = document.createElement('form'); form.method = 'post'; form.action = {action}; \
             document.documentElement.append(form); form.submit()"
        ))?;
        headed(tab, "Not from this site")
    })?;
    let intern = chromium.tab()?;
    sign_in(&intern, &login, WITHOUT_FACTOR, PASSWORD)?;
    looks.at(&intern, "staff without a second factor", |tab| {
        tab.open(&staff)?;
        headed(tab, "Show a second factor")
    })
}

fn of_staff(chromium: &Chromium, cast: &Cast, looks: &mut Looks<'_>) -> Result<()> {
    let staff = chromium.tab()?;
    with_backup_code(&staff, cast, STAFF)?;
    cast.operate(&["service", "create", "uploads"])?;
    let services = cast.at("/staff/services");
    looks.at(&staff, "services", |tab| tab.open(&services))?;
    webhooks(&staff, cast, looks)?;
    for (name, what) in [(BANNED, "a banned user"), (WITH_APP[0], "a user with an app")] {
        staff.open(&cast.at(&format!("/staff/search?q={name}")))?;
        staff.follow(name)?;
        let page = staff.url()?;
        looks.at(&staff, &format!("staff at {what}"), |tab| tab.open(&page))?;
        for path in texts_of(&staff, "main .row a.button")? {
            staff.open(&page)?;
            staff.follow(&path)?;
            let url = staff.url()?;
            looks.at(&staff, &format!("staff at {what}, {path}"), |tab| tab.open(&url))?;
        }
        let rename = format!("{page}/rename");
        looks.at(&staff, &format!("staff at {what}, who cannot be called so"), |tab| {
            send(tab, &rename, &[("#username", "no name")])
        })?;
    }
    let search = cast.at(&format!("/staff/search?q={}", WITH_APP[0]));
    looks.at(&staff, "a new one-time link", |tab| {
        tab.open(&search)?;
        tab.follow(WITH_APP[0])?;
        tab.follow("One-time link")?;
        tab.follow("Make the link")
    })?;
    let token = cast.session_elsewhere(PLAIN, "found in a paste")?;
    let start = cast.at("/staff");
    for (what, text) in [("whose token this is", token.as_str()), ("no token of ours", "thk_none")] {
        looks.at(&staff, what, |tab| {
            tab.open(&start)?;
            tab.fill("#q", text)?;
            tab.press("form.box button")
        })?;
    }
    for (what, path) in [
        ("nothing found", "/staff/search?q=nobody-at-all"),
        ("many found", "/staff/search?q=0"),
        ("many sessions found", "/staff/search?q=127.0.0.1"),
        ("sessions narrowed down", "/staff/sessions?state=live&dialect=pages"),
        ("no such session", "/staff/sessions?ip=192.0.2.1"),
        ("mistakes in a search", "/staff/sessions?user=nobody-at-all&ip=1.2.3&after=tomorrow"),
        ("mistakes in filters", "/staff/audit?user=nobody-at-all&address=1.2.3&from=tomorrow"),
        ("no such record", "/staff/audit?address=192.0.2.1"),
    ] {
        let url = cast.at(path);
        looks.at(&staff, what, |tab| tab.open(&url))?;
    }
    cast.operate(&["kill-switch", "on", "FILE_CREATE"])?;
    let switches = cast.at("/staff/switches");
    let seen = looks.at(&staff, "a switch that is on", |tab| tab.open(&switches));
    cast.operate(&["kill-switch", "off", "FILE_CREATE"])?;
    seen
}

/// No endpoint; then one that waits for what comes, and one that is not there.
fn webhooks(staff: &Tab, cast: &Cast, looks: &mut Looks<'_>) -> Result<()> {
    let page = cast.at("/staff/webhooks");
    looks.at(staff, "no webhooks", |tab| tab.open(&page))?;
    let longest = "a-webhook-of-sixty-four-characters-which-is-the-longest-there-is";
    cast.operate(&["webhook", "add", longest, "https://hooks.a-rather-long-name.example:8443/in", "--types", "key.*"])?;
    cast.operate(&["webhook", "add", "nowhere", "http://127.0.0.1:9/in", "--with-personal"])?;
    cast.session_elsewhere(PLAIN, "that is told of")?;
    let tried = || cast.operate(&["webhook", "list"]).ok()?.contains("nowhere  retrying").then_some(());
    wait_for("an attempt", Duration::from_secs(30), tried)?;
    looks.at(staff, "webhooks", |tab| tab.open(&page))?;
    cast.operate(&["webhook", "remove", "nowhere"])?;
    cast.operate(&["webhook", "remove", longest])?;
    Ok(())
}

/// What people see of a server that is new, and of one that they have asked too often.
pub(super) fn of_a_new_server(chromium: &Chromium, axe: &Axe, binary: &Path, keeps_pictures: bool) -> Result<()> {
    let mut site = Site::on_sqlite(binary.to_owned())?;
    let free = TcpListener::bind("127.0.0.1:0").context("no free port")?.local_addr()?;
    site.set("LISTEN", &free.to_string());
    let origin = format!("http://localhost:{}", free.port());
    let (login, visitor) = (format!("{origin}/login"), chromium.tab()?);
    let mut looks = Looks::new(axe, origin, keeps_pictures)?;
    let server = site.start()?;
    looks.at(&visitor, "a server without accounts", |tab| {
        tab.open(&login)?;
        ensure!(tab.text()?.contains("Nobody has an account yet"), "nobody is told how to make one");
        Ok(())
    })?;
    server.kill()?;
    let _server = site.start_with(&[("LIMITS__GENERAL", "1/1h"), ("REGISTRATION", "closed")])?;
    visitor.open(&login)?;
    looks.at(&visitor, "too many requests", |tab| {
        tab.open(&login)?;
        headed(tab, "Slow down")
    })
}
