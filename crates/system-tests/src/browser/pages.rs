//! The pages, as people meet them: each is looked at, and what they do there is done.

mod cast;
mod documentation;
mod flows;
mod forms;
mod look;
mod redirects;

use std::path::Path;

use anyhow::{Context, Result, ensure};

use self::cast::Cast;
use self::look::Looks;
use super::accessibility::Axe;
use super::chromium::{Chromium, Tab, Viewport};

/// Stops at the first that is not as it should be.
pub(super) fn check(chromium: &Chromium, axe: &Axe, binary: &Path) -> Result<()> {
    let cast = Cast::on_stage(binary)?;
    let mut looks = Looks::new(axe, cast.origin());
    documentation::check(chromium, &cast, &mut looks)?;
    look::at_all(chromium, &cast, &mut looks)?;
    flows::check(chromium, &cast)?;
    redirects::check(chromium, &cast)?;
    forms::check(chromium, &cast, looks.forms())
}

/// Does something in a fresh tab, of which the browser may complain nowhere. Where it fails there is a picture.
fn does(chromium: &Chromium, what: &str, viewport: Viewport, act: impl FnOnce(&Tab) -> Result<()>) -> Result<()> {
    let tab = chromium.tab()?;
    tab.show(viewport)?;
    let done = act(&tab).and_then(|()| {
        let complaints = tab.complaints();
        ensure!(complaints.is_empty(), "the browser complains: {complaints:?}");
        Ok(())
    });
    if done.is_err() {
        let picture = look::picture(&tab, what)?;
        return done.with_context(|| format!("{what} (see {picture}, at {})", tab.url().unwrap_or_default()));
    }
    println!("{what}");
    Ok(())
}

fn ensure_at(tab: &Tab, url: &str) -> Result<()> {
    let is = tab.url()?;
    ensure!(is == url, "{url} was expected, and {is} came");
    Ok(())
}
