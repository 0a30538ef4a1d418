//! Every page, found by following links, in several sizes, light and dark.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::cast::{BUSY, Cast, PLAIN, STAFF, WITH_APP, sign_in, with_backup_code};
use crate::browser::accessibility::Axe;
use crate::browser::chromium::Chromium;
use crate::browser::tab::{Tab, Viewport};
use thunderhead_system_tests::requests::PASSWORD;
use thunderhead_tooling::process;

pub(super) const DESKTOP: Viewport = Viewport { width: 1280, height: 900, dark: false, script: true };
const PHONE: Viewport = Viewport { width: 390, height: 844, ..DESKTOP };
const VIEWPORTS: [(&str, Viewport); 6] = [
    ("desktop", DESKTOP),
    ("desktop-dark", Viewport { dark: true, ..DESKTOP }),
    // Half of a screen.
    ("half", Viewport { width: 980, height: 900, ..DESKTOP }),
    ("phone", PHONE),
    ("phone-dark", Viewport { dark: true, ..PHONE }),
    // What is left of a desktop at 400 %: WCAG 2.2, 1.4.10.
    ("narrow", Viewport { width: 320, height: 640, ..DESKTOP }),
];

/// How far a page can be scrolled sideways, in pixels.
const SIDEWAYS: &str = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
/// What leads on from a page of ours, and the forms that stand on it.
const LINKS: &str = "[...document.links].filter((link) => link.origin === location.origin).map((link) => link.href)";
const FORMS: &str = "[...document.forms].filter((form) => form.method === 'post').map((form) => form.action)";
/// More pages than this are a loop.
const MOST: usize = 200;

/// What has been looked at.
pub(super) struct Looks<'a> {
    axe: &'a Axe,
    origin: String,
    /// The paths of forms.
    forms: BTreeSet<String>,
    /// Where pictures are kept.
    pictures: Option<PathBuf>,
}

impl<'a> Looks<'a> {
    pub(super) fn new(axe: &'a Axe, origin: String, keeps_pictures: bool) -> Result<Self> {
        let pictures = if keeps_pictures { Some(process::target()?.join("browser")) } else { None };
        if let Some(folder) = &pictures {
            fs::create_dir_all(folder)?;
        }
        Ok(Self { axe, origin, forms: BTreeSet::new(), pictures })
    }

    pub(super) const fn forms(&self) -> &BTreeSet<String> {
        &self.forms
    }

    /// Looks at what comes up when a page is gone to. Fails where there is a barrier, where something is cut off at the
    /// side, and where the browser complains.
    pub(super) fn at(&mut self, tab: &Tab, name: &str, go: impl Fn(&Tab) -> Result<()>) -> Result<()> {
        for (size, viewport) in VIEWPORTS {
            tab.show(viewport)?;
            go(tab).with_context(|| format!("{name}, {size}"))?;
            let mut wrong = self.axe.violations(tab)?;
            let sideways = tab.evaluate(SIDEWAYS)?;
            if sideways != json!(0) {
                wrong.push(format!("{sideways} pixels are out of sight at the side"));
            }
            wrong.extend(tab.complaints());
            if let Some(folder) = &self.pictures {
                fs::write(folder.join(format!("{}.png", file_name(&format!("{name}-{size}")))), tab.whole_picture()?)?;
            }
            if !wrong.is_empty() {
                bail!("{name}, {size} (see {}):\n{}", picture(tab, &format!("{name}-{size}"))?, wrong.join("\n"));
            }
        }
        let forms = tab.evaluate(FORMS)?;
        let paths = texts(&forms).filter_map(|action| self.path(action));
        let paths: Vec<_> = paths.map(|path| without_query(&path)).collect();
        self.forms.extend(paths);
        println!("{name}: looked at in {} sizes", VIEWPORTS.len());
        Ok(())
    }

    fn path(&self, url: &str) -> Option<String> {
        let path = url.strip_prefix(&self.origin)?;
        Some(path.split('#').next().unwrap_or_default().to_owned())
    }

    /// Looks at all that links lead to, beginning here. Pages of one kind are looked at once.
    fn from(&mut self, tab: &Tab, whose: &str, start: &str) -> Result<()> {
        let mut seen = BTreeMap::new();
        let mut ahead = VecDeque::from([start.to_owned()]);
        while let Some(path) = ahead.pop_front() {
            let kind = kind(&path);
            if seen.contains_key(&kind) || !is_a_page(&path) {
                continue;
            }
            ensure!(seen.len() < MOST, "there is no end of pages: {:?}", seen.keys());
            let url = format!("{}{path}", self.origin);
            self.at(tab, &format!("{whose} {kind}"), |tab| tab.open(&url))?;
            let links = tab.evaluate(LINKS)?;
            ahead.extend(texts(&links).filter_map(|url| self.path(url)));
            seen.insert(kind, path);
        }
        Ok(())
    }
}

/// What visitors see, what users see who have little, and what those see who have much.
pub(super) fn at_all(chromium: &Chromium, cast: &Cast, looks: &mut Looks<'_>) -> Result<()> {
    let visitor = chromium.tab()?;
    looks.from(&visitor, "a visitor at", "/login")?;
    let (login, elsewhere) = (cast.at("/login"), cast.at(&format!("/login?rd={}", cast.application.origin)));
    looks.at(&visitor, "a way elsewhere", |tab| tab.open(&elsewhere))?;
    looks.at(&visitor, "a wrong password", |tab| sign_in(tab, &login, PLAIN, "something else"))?;
    looks.at(&visitor, "a second factor", |tab| sign_in(tab, &login, WITH_APP[0], PASSWORD))?;
    looks.at(&visitor, "a wrong code", |tab| {
        sign_in(tab, &login, WITH_APP[0], PASSWORD)?;
        tab.fill("#code", "000000")?;
        tab.press("form:has(#code) button")
    })?;
    looks.at(&visitor, "no page", |tab| tab.open(&cast.at("/account/nowhere")))?;
    for (name, whose) in [(PLAIN, "a user at"), (BUSY, "a busy user at")] {
        let user = chromium.tab()?;
        sign_in(&user, &login, name, PASSWORD)?;
        looks.from(&user, whose, "/account")?;
    }
    let staff = chromium.tab()?;
    with_backup_code(&staff, cast, STAFF)?;
    looks.from(&staff, "staff at", "/account")
}

/// Takes a picture, and says where it is.
pub(super) fn picture(tab: &Tab, name: &str) -> Result<String> {
    let path = process::target()?.join(format!("browser-{}.png", file_name(name)));
    fs::write(&path, tab.picture()?)?;
    Ok(path.display().to_string())
}

fn file_name(name: &str) -> String {
    name.chars().map(|sign| if sign.is_ascii_alphanumeric() { sign } else { '-' }).collect()
}

/// The path, with its ids and with the values of its query left out.
fn kind(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let is_id = |part: &str| part.contains(|sign: char| sign.is_ascii_digit());
    let parts = path.split('/').map(|part| if is_id(part) { "…" } else { part });
    let names = query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty());
    let path = parts.collect::<Vec<_>>().join("/");
    names.fold(path, |kind, name| kind + " " + name)
}

/// What is read by programs, or saved, is no page; the documentation is looked at by itself.
fn is_a_page(path: &str) -> bool {
    !["/docs", "/openapi.json", "/.well-known/", "/health/"].iter().any(|other| path.starts_with(other))
        && !path.contains(".csv")
}

fn without_query(path: &str) -> String {
    path.split('?').next().unwrap_or_default().to_owned()
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_one_kind_differ_in_ids_and_values_alone() {
        assert_eq!(kind("/account"), "/account");
        assert_eq!(kind("/staff/users/1767225600000/ban"), "/staff/users/…/ban");
        assert_eq!(kind("/account/sessions?after=1.2&x=3"), "/account/sessions after x");
    }
}
