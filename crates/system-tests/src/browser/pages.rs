//! The pages, as people see them: on a phone and on a desktop, light and dark, with script and without.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use super::accessibility::Axe;
use super::chromium::{Chromium, Tab, Viewport};
use thunderhead_system_tests::live::site::Site;
use thunderhead_tooling::process;

const DESKTOP: Viewport = Viewport { width: 1280, height: 900, dark: false, script: true };
const VIEWS: [(&str, Viewport); 4] = [
    ("desktop", DESKTOP),
    ("desktop-dark", Viewport { dark: true, ..DESKTOP }),
    ("phone-dark", Viewport { width: 390, height: 844, dark: true, ..DESKTOP }),
    // What is left of a desktop at 400 %: WCAG 2.2, 1.4.10.
    ("narrow", Viewport { width: 320, height: 640, ..DESKTOP }),
];

/// What anybody may read.
const PUBLIC: [(&str, &str); 2] = [("index", "/"), ("docs", "/docs")];

/// How far a page can be scrolled sideways, in pixels.
const SIDEWAYS: &str = "document.documentElement.scrollWidth - document.documentElement.clientWidth";

pub(super) fn check(chromium: &mut Chromium, axe: &Axe, binary: &Path) -> Result<()> {
    let site = Site::on_sqlite(binary.to_owned())?;
    let server = site.start()?;
    let origin = format!("http://localhost:{}", server.address.port());
    let mut tab = chromium.tab()?;
    for (name, path) in PUBLIC {
        look_at(&mut tab, axe, name, &format!("{}{path}", origin))?;
    }
    search(&mut tab, &format!("{}/docs", origin))
}

/// Fails where there is a barrier, where something is cut off at the side, and where the browser complains.
fn look_at(tab: &mut Tab<'_>, axe: &Axe, name: &str, url: &str) -> Result<()> {
    for (view_name, view) in VIEWS {
        tab.show(view)?;
        tab.open(url)?;
        let mut wrong = axe.violations(tab)?;
        let sideways = tab.evaluate(SIDEWAYS)?;
        if sideways != json!(0) {
            wrong.push(format!("{sideways} pixels are out of sight at the side"));
        }
        wrong.extend(tab.complaints());
        if !wrong.is_empty() {
            let picture = process::target()?.join(format!("browser-{name}-{view_name}.png"));
            fs::write(&picture, tab.picture()?)?;
            bail!("{name}, {view_name} (see {}):\n{}", picture.display(), wrong.join("\n"));
        }
        println!("{name}, {view_name}: no barrier, nothing out of sight, no complaint");
    }
    Ok(())
}

/// The search of the documentation, which is not needed to read it.
fn search(tab: &mut Tab<'_>, url: &str) -> Result<()> {
    let visible =
        "[...document.querySelectorAll('article')].filter((one) => one.checkVisibility()).map((one) => one.id)";
    let count = |tab: &mut Tab<'_>| Ok::<_, anyhow::Error>(tab.evaluate(visible)?.as_array().map_or(0, Vec::len));
    tab.show(Viewport { script: false, ..DESKTOP })?;
    tab.open(url)?;
    let all = count(tab)?;
    let hidden = tab.evaluate("document.getElementById('search').hidden")?;
    ensure!(all > 100 && hidden == json!(true), "without script: {all} articles, a search: {}", hidden == json!(false));
    tab.show(DESKTOP)?;
    tab.open(url)?;
    ensure!(count(tab)? == all, "with script, articles are missing");
    tab.key("/")?;
    tab.type_text("totp confirm")?;
    let found = tab.evaluate(visible)?;
    let ids = found.as_array().map(Vec::as_slice).unwrap_or_default();
    let is_right = ids.iter().filter_map(Value::as_str).any(|id| id.to_lowercase().contains("totp"));
    ensure!(is_right && ids.len() < 10, "the search for `totp confirm` finds {found}");
    tab.key("Escape")?;
    ensure!(count(tab)? == all, "after the search, articles are missing");
    ensure!(tab.complaints().is_empty(), "the browser complains of the search");
    println!("docs: the search finds {} of {all}", ids.len());
    Ok(())
}
