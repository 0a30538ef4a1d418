//! The pages, as people meet them: each is looked at, and what they do there is done.

mod apps;
mod cast;
mod documentation;
mod domain;
mod emergency;
mod flows;
mod forms;
mod look;
mod once;
mod passkeys;
mod readme;
mod redirects;
mod scriptless;
mod states;
mod tasks;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use self::cast::Cast;
use self::look::Looks;
use super::accessibility::Axe;
use super::chromium::Chromium;
use super::scanner::Scanner;
use super::tab::{Tab, Viewport};

/// What can be tried by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PageTest {
    /// The documentation of the API.
    Documentation,
    /// Every page that links lead to, in all sizes.
    Pages,
    /// Pages that no link leads to: what is wrong, refused, shown once, or new.
    States,
    /// Signing in and out.
    Flows,
    /// Passkeys: made, signed in with, confirmed by, and removed.
    Passkeys,
    /// What is changed without script.
    Scriptless,
    /// Authenticator apps, by their QR codes.
    Apps,
    /// What is shown once.
    Once,
    /// What people come for, in few clicks.
    Tasks,
    /// Where a sign-in leads.
    Redirects,
    /// Forms from elsewhere.
    Forms,
    /// The pass for a domain's applications.
    Domain,
    /// The pictures of README.md.
    Readme,
    /// The emergency of staff.
    Emergency,
}

/// Stops at the first that is not as it should be. Of what is looked at, pictures may be kept.
pub(super) fn check(chromium: &Chromium, binary: &Path, parts: &[PageTest], keeps_pictures: bool) -> Result<()> {
    let (axe, scanner) = (Axe::install()?, Scanner::install(chromium)?);
    let cast = Cast::on_stage(binary)?;
    let mut looks = Looks::new(&axe, cast.origin(), keeps_pictures)?;
    for part in parts {
        match part {
            PageTest::Documentation => documentation::check(chromium, &cast, &mut looks),
            PageTest::Pages => look::at_all(chromium, &cast, &mut looks),
            PageTest::States => states::look(chromium, &cast, &mut looks)
                .and_then(|()| states::of_a_new_server(chromium, &axe, binary, keeps_pictures)),
            PageTest::Flows => flows::check(chromium, &cast),
            PageTest::Passkeys => passkeys::check(chromium, &cast, &mut looks),
            PageTest::Scriptless => scriptless::check(chromium, &cast),
            PageTest::Apps => apps::check(chromium, &cast, &scanner),
            PageTest::Once => once::check(chromium, &cast),
            PageTest::Tasks => tasks::check(chromium, &cast, &scanner),
            PageTest::Redirects => redirects::check(chromium, &cast),
            PageTest::Forms => forms::check(chromium, &cast, looks.forms()),
            PageTest::Domain => domain::check(chromium, binary),
            PageTest::Readme => readme::take_pictures(chromium, binary),
            PageTest::Emergency => emergency::check(chromium, &cast),
        }?;
    }
    Ok(())
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
        let picture = look::picture(&tab, what).unwrap_or_else(|error| format!("no picture: {error}"));
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
