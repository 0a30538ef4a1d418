//! Passkeys, as people use them: made, signed in with where nothing is typed, confirmed by, and removed. The device's lock
//! is Chromium's virtual authenticator, which keeps keys and knows its user, or does not.

use anyhow::{Context, Result, ensure};

use super::cast::{Cast, sign_in};
use super::look::{DESKTOP, Looks};
use super::{does, ensure_at};
use crate::browser::chromium::Chromium;
use crate::browser::tab::{SecurityKey, Tab};
use thunderhead_system_tests::requests::PASSWORD;

/// Has a passkey, and a password beside it.
const HOLDER: &str = "hedy";
/// Has never had a password.
const INVITED: &str = "ida";
const BUTTON: &str = "button[data-use-passkey]";
/// A passkey's answer for nobody in particular, sent as the page sends it.
const UNVERIFIED: &str = "(async () => {
    const form = document.querySelector('form[data-passkey]');
    const options = { ...JSON.parse(form.dataset.passkey), userVerification: 'discouraged' };
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    const credential = await navigator.credentials.get({ publicKey });
    form.elements['passkey-response'].value = JSON.stringify(credential.toJSON());
    form.submit();
})()";

pub(super) fn check(chromium: &Chromium, cast: &Cast, looks: &mut Looks<'_>) -> Result<()> {
    cast.make_account(HOLDER, &[])?;
    does(chromium, "makes a passkey, signs in and confirms by it, and removes it", DESKTOP, |tab| {
        all_its_life(tab, cast, looks)
    })?;
    does(chromium, "makes a passkey by a link, and never has a password", DESKTOP, |tab| by_link(tab, cast))
}

fn all_its_life(tab: &Tab, cast: &Cast, looks: &mut Looks<'_>) -> Result<()> {
    let [login, add, security] = ["/login", "/account/security/passkey", "/account/security"].map(|path| cast.at(path));
    let lock = tab.device_lock()?;
    sign_in(tab, &login, HOLDER, PASSWORD)?;
    tab.open(&add)?;
    tab.follow("Begin")?;
    tab.know_user(&lock, false)?;
    tab.click("Make the passkey")?;
    tab.wait_for("document.querySelector('[role=status]').innerText.startsWith('There was no answer')")?;
    tab.know_user(&lock, true)?;
    tab.follow("Make the passkey")?;
    ensure!(tab.text()?.contains("Keep them where you find them"), "no backup codes came with it");
    tab.open(&security)?;
    ensure!(tab.text()?.contains("Do without a password"), "it is not among the passkeys");
    sign_out(tab, cast, &lock)?;

    signs_in(tab, cast, &lock, ("/login?rd=%2Faccount%2Fsessions", "/account/sessions"))?;
    ensure!(tab.text()?.contains("passkey"), "the session does not say how it was proved");
    sign_out(tab, cast, &lock)?;
    // What is filled in by the browser signs in by itself: here nobody has to choose it.
    tab.know_user(&lock, true)?;
    tab.open(&login)?;
    tab.wait_for("location.pathname === '/account'")?;
    sign_out(tab, cast, &lock)?;

    // The browser asks for somebody whom it knows; whoever gets round it is refused.
    tab.open(&login)?;
    tab.evaluate(&format!("document.querySelector('{BUTTON}').click()"))?;
    tab.wait_for("document.querySelector('[role=status]').innerText.startsWith('There was no answer')")?;
    tab.leave(UNVERIFIED)?;
    ensure!(tab.text()?.contains("was not accepted"), "a user who was not verified is let in");
    looks.at(tab, "a passkey that was not accepted", |_| Ok(()))?;

    signs_in(tab, cast, &lock, ("/login", "/account"))?;
    tab.open(&cast.at("/account/confirm?rd=%2Faccount%2Fsecurity"))?;
    looks.at(tab, "confirming by a passkey", |_| Ok(()))?;
    tab.follow("Use a passkey")?;
    ensure_at(tab, &security)?;
    looks.at(tab, "security with a passkey", |_| Ok(()))?;
    tab.press("form[action='/account/security/factors/remove'] button")?;
    ensure!(tab.text()?.contains("There is none"), "it is still there");
    sign_out(tab, cast, &lock)?;
    tab.know_user(&lock, true)?;
    tab.open(&login)?;
    tab.evaluate(&format!("document.querySelector('{BUTTON}').click()"))?;
    // Browsers that were told that it is gone offer it no more; the server knows it no more.
    tab.wait_for("/There was no answer|is not known here/.test(document.body.innerText)")
}

/// Signs in with nothing typed: by the button, or by what the browser fills in, which may be quicker.
fn signs_in(tab: &Tab, cast: &Cast, lock: &SecurityKey, (from, to): (&str, &str)) -> Result<()> {
    tab.know_user(lock, false)?;
    tab.open(&cast.at(from))?;
    tab.know_user(lock, true)?;
    // The page may be gone by now.
    drop(tab.evaluate(&format!("document.querySelector('{BUTTON}')?.click()")));
    tab.wait_for(&format!("location.pathname === '{to}' && document.readyState === 'complete'"))
}

/// Signs out; the lock does not know its user from then on.
fn sign_out(tab: &Tab, cast: &Cast, lock: &SecurityKey) -> Result<()> {
    tab.know_user(lock, false)?;
    tab.press("form[action='/logout'] button")?;
    ensure_at(tab, &cast.at("/login"))
}

fn by_link(tab: &Tab, cast: &Cast) -> Result<()> {
    let lock = tab.device_lock()?;
    let made = cast.operate(&["user", "create", INVITED, "--email", "ida@example.org", "--link"])?;
    let link = made.split_once("/link/").map(|(_, rest)| rest.split_whitespace().next().unwrap_or_default());
    tab.open(&cast.at(&format!("/link/{}", link.context("no link was made")?)))?;
    tab.follow("Make a passkey")?;
    ensure!(tab.text()?.contains("Keep them where you find them"), "no backup codes came with it");
    signs_in(tab, cast, &lock, ("/login", "/account"))?;
    tab.open(&cast.at("/account/security"))?;
    ensure!(tab.text()?.contains("You have none, and sign in by passkeys"), "there is a password");
    Ok(())
}
