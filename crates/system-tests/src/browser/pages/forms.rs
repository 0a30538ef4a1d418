//! Every form that there is, sent by a page of another origin in the name of staff who may do it: it is refused, and
//! nothing is changed. What there is, the routes' table says.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::cast::{Cast, STAFF, with_backup_code};
use super::look::DESKTOP;
use super::once::texts_of;
use super::{does, ensure_at};
use crate::browser::chromium::Chromium;
use crate::browser::tab::Tab;
use thunderhead_system_tests::live::http::Request;
use thunderhead_system_tests::requests::who_am_i;

const STATUS: &str = "performance.getEntriesByType('navigation')[0].responseStatus";
/// What all but pages begin with.
const OTHERS: [&str; 4] = ["/api/", "/auth/", "/introspect", "/revoke"];
/// Whom the forms are about.
const TARGET: &str = "sitting-duck";

/// `seen` are the paths of forms that links led to.
pub(super) fn check(chromium: &Chromium, cast: &Cast, seen: &BTreeSet<String>) -> Result<()> {
    let routes = cast.changing_routes()?;
    let routes = routes.into_iter().filter(|(_, path)| !OTHERS.iter().any(|other| path.starts_with(other)));
    let routes: Vec<_> = routes.collect();
    for form in seen {
        ensure!(routes.iter().any(|(_, route)| is_of(form, route)), "the form {form} is not among {routes:?}");
    }
    ensure!(routes.len() >= 25, "a table of {} routes proves little", routes.len());
    let target = Target::make(cast)?;
    // Another port of this site, and another site.
    let same_site = cast.stranger.origin.clone();
    let cross_site = same_site.replace("localhost", "127.0.0.1");
    does(chromium, &format!("sends no form from elsewhere, of {}", routes.len()), DESKTOP, |tab| {
        with_backup_code(tab, cast, STAFF)?;
        for origin in [&same_site, &cross_site] {
            for (method, route) in &routes {
                ensure!(method == "POST", "no form sends {method} {route}");
                is_refused(tab, origin, &cast.at(&target.path(route)))?;
            }
        }
        tab.open(&cast.at("/account"))?;
        ensure_at(tab, &cast.at("/account"))?;
        tab.open(&cast.at("/staff/switches"))?;
        ensure!(texts_of(tab, "td .tag.off")?.is_empty(), "a switch was turned");
        target.is_untouched(tab, cast)
    })
}

fn is_refused(tab: &Tab, origin: &str, form: &str) -> Result<()> {
    tab.open(origin)?;
    tab.leave(&format!(
        "const form = document.createElement('form'); form.method = 'post'; form.action = {}; \
         document.documentElement.append(form); form.submit()",
        json!(form)
    ))?;
    let (status, says) = (tab.evaluate(STATUS)?, texts_of(tab, "h1")?.concat());
    ensure!(status == json!(403) && says == "Not from this site", "{form} from {origin}: {status} {says:?}");
    Ok(())
}

/// Whether a path is that of a route.
fn is_of(path: &str, route: &str) -> bool {
    let (path, route): (Vec<_>, Vec<_>) = (path.split('/').collect(), route.split('/').collect());
    path.len() == route.len() && path.iter().zip(route).all(|(part, of)| *part == of || of.starts_with('{'))
}

/// Somebody whom every form could do something to.
struct Target {
    token: String,
    id: String,
    session: String,
    link: String,
}

impl Target {
    fn make(cast: &Cast) -> Result<Self> {
        cast.make_account(TARGET, &[])?;
        let link = cast.operate(&["user", "link", TARGET, "--json"])?;
        let link = link.split("/link/").nth(1).context("no link was made")?;
        let link = link.split(|sign: char| sign == '"' || sign.is_whitespace()).next().unwrap_or_default().to_owned();
        let token = cast.session_elsewhere(TARGET, "a duck")?;
        let session = cast.ask(&Request::new("GET", "/auth/sessions/whoami").header("X-Session-Token", &token))?;
        Ok(Self { id: cast.ask(&who_am_i(&token))?.text("id"), session: session.text("id"), token, link })
    }

    /// The path of a route about them.
    fn path(&self, route: &str) -> String {
        let places = [("{uid}", self.id.as_str()), ("{uuid}", &self.session), ("{token}", &self.link)];
        let path = places.iter().fold(route.to_owned(), |path, (place, value)| path.replace(place, value));
        path.replace("{name}", "ACCOUNT_CREATE")
    }

    fn is_untouched(&self, tab: &Tab, cast: &Cast) -> Result<()> {
        let account = cast.ask(&who_am_i(&self.token))?;
        ensure!(account.text("username") == TARGET, "the account was changed: {account}");
        tab.open(&cast.at(&format!("/link/{}", self.link)))?;
        ensure!(texts_of(tab, "h1")? == ["Set a password"], "the link was used");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_that_of_its_route_alone() {
        assert!(is_of("/staff/users/1767225600000/ban", "/staff/users/{uid}/ban"));
        assert!(!is_of("/staff/users/1767225600000/unban", "/staff/users/{uid}/ban"));
        assert!(!is_of("/staff/users", "/staff/users/{uid}"));
    }
}
