//! The pass: who signs in at one host of a domain is known to the application at another, behind a proxy and over TLS.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::cast::fill_in;
use super::look::DESKTOP;
use super::{does, ensure_at};
use crate::browser::chromium::{Chromium, DOMAIN};
use crate::browser::tab::Tab;
use crate::proxies::domain::TwoHosts;
use thunderhead_system_tests::live::http::Client;
use thunderhead_system_tests::live::site::Site;
use thunderhead_system_tests::requests::{PASSWORD, address_of, log_in, log_out};

const NAME: &str = "ada";
const PLACE: &str = "/deep/inside?page=2&of=a%20few";

pub(super) fn check(chromium: &Chromium, binary: &Path) -> Result<()> {
    let mut site = Site::on_sqlite(binary.to_owned())?;
    let hosts = TwoHosts::start(&mut site, DOMAIN)?;
    site.operate(&["user", "create", NAME, "--email", &address_of(NAME), "--password-stdin"], PASSWORD)?;
    does(chromium, "signs in for an application at another host of the domain", DESKTOP, |tab| {
        tab.trust_everybody()?;
        comes_back(tab, &hosts)?;
        tab.open(&format!("{}/logout", hosts.pages))?;
        tab.press("main form button")?;
        is_sent_to_sign_in(tab, &hosts)
    })?;
    does(chromium, "is out there when the session has ended", DESKTOP, |tab| {
        tab.trust_everybody()?;
        comes_back(tab, &hosts)?;
        let mut client = Client::new(hosts.server.address);
        let token = client.ask(&log_in(NAME, PASSWORD))?.text("token");
        tab.open(&format!("{}{PLACE}", hosts.application))?;
        ensure_at(tab, &format!("{}{PLACE}", hosts.application))?;
        let other = tab.another()?;
        other.trust_everybody()?;
        other.open(&format!("{}/account/sessions", hosts.pages))?;
        other.press("form[action='/account/sessions/end-all'] button")?;
        ensure!(client.ask(&log_out(&token))?.status == 401, "a session is left");
        is_sent_to_sign_in(tab, &hosts)
    })
}

/// From the application to the pages, and from there to the same path and query. The application is told who it is, and
/// gets no cookie of ours.
fn comes_back(tab: &Tab, hosts: &TwoHosts) -> Result<()> {
    is_sent_to_sign_in(tab, hosts)?;
    fill_in(tab, NAME, PASSWORD)?;
    ensure_at(tab, &format!("{}{PLACE}", hosts.application))?;
    let asked: Value = serde_json::from_str(&tab.text()?).context("the application says something else")?;
    let headers = asked["headers"].as_array().into_iter().flatten();
    let headers: Vec<_> = headers.map(|header| (header[0].as_str(), header[1].as_str().unwrap_or_default())).collect();
    ensure!(asked["path"] == PLACE, "the application was asked for {}", asked["path"]);
    ensure!(headers.contains(&(Some("x-user-name"), NAME)), "the application is not told who it is: {headers:?}");
    ensure!(!headers.iter().any(|(_, value)| value.contains("thunderhead_")), "it sees our cookies: {headers:?}");
    Ok(())
}

fn is_sent_to_sign_in(tab: &Tab, hosts: &TwoHosts) -> Result<()> {
    tab.open(&format!("{}{PLACE}", hosts.application))?;
    let url = tab.url()?;
    ensure!(url.starts_with(&format!("{}/login?rd=", hosts.pages)), "{url} came, and nobody is signed in");
    Ok(())
}
