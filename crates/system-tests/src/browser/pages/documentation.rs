//! The documentation of the API, and the search in it, without which it can be read as well.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::cast::Cast;
use super::does;
use super::look::{DESKTOP, Looks};
use crate::browser::chromium::Chromium;
use crate::browser::tab::{Tab, Viewport};

const ARTICLES: &str =
    "[...document.querySelectorAll('article')].filter((one) => one.checkVisibility()).map((one) => one.id)";

pub(super) fn check(chromium: &Chromium, cast: &Cast, looks: &mut Looks<'_>) -> Result<()> {
    let url = cast.at("/docs");
    looks.at(&chromium.tab()?, "documentation", |tab| tab.open(&url))?;
    does(chromium, "reads the documentation without script", Viewport { script: false, ..DESKTOP }, |tab| {
        tab.open(&url)?;
        let is_hidden = tab.evaluate("document.getElementById('search').hidden")?;
        ensure!(articles(tab)?.len() > 100 && is_hidden == json!(true), "articles are missing, or there is a search");
        Ok(())
    })?;
    does(chromium, "searches the documentation", DESKTOP, |tab| {
        tab.open(&url)?;
        let all = articles(tab)?.len();
        tab.key("/")?;
        tab.type_text("totp confirm")?;
        let found = articles(tab)?;
        let is_right = found.iter().any(|id| id.to_lowercase().contains("totp"));
        ensure!(is_right && found.len() < 10, "the search for `totp confirm` finds {found:?}");
        tab.key("Escape")?;
        ensure!(articles(tab)?.len() == all, "after the search, articles are missing");
        Ok(())
    })
}

/// The ids of those that can be seen.
fn articles(tab: &Tab) -> Result<Vec<String>> {
    let ids = tab.evaluate(ARTICLES)?;
    Ok(ids.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
}
