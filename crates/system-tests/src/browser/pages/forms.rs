//! Every form that was seen, sent by a page of another origin: it is refused, and nothing is changed.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::json;

use super::cast::{Cast, PLAIN, sign_in};
use super::look::DESKTOP;
use super::{does, ensure_at};
use crate::browser::chromium::Chromium;
use thunderhead_system_tests::requests::PASSWORD;

const STATUS: &str = "performance.getEntriesByType('navigation')[0].responseStatus";
/// Those that there have always been: a test that finds no forms would prove nothing.
const AMONG_THEM: [&str; 3] = ["/login", "/logout", "/account/sessions/end"];

pub(super) fn check(chromium: &Chromium, cast: &Cast, forms: &BTreeSet<String>) -> Result<()> {
    for form in AMONG_THEM {
        ensure!(forms.contains(form), "the form {form} was not seen among {forms:?}");
    }
    // Another port of this site, and another site.
    let same_site = cast.stranger.origin.clone();
    let cross_site = same_site.replace("localhost", "127.0.0.1");
    does(chromium, &format!("sends no form from elsewhere, of {}", forms.len()), DESKTOP, |tab| {
        sign_in(tab, &cast.at("/login"), PLAIN, PASSWORD)?;
        for origin in [same_site, cross_site] {
            for form in forms {
                tab.open(&origin)?;
                let action = json!(cast.at(form));
                tab.leave(&format!(
                    "const form = document.createElement('form'); form.method = 'post'; form.action = {action}; \
                     document.documentElement.append(form); form.submit()"
                ))?;
                let status = tab.evaluate(STATUS)?;
                ensure!(status == json!(403), "{form} from {origin} is answered with {status}");
            }
        }
        tab.open(&cast.at("/account"))?;
        ensure_at(tab, &cast.at("/account"))
    })
}
