//! A server with pages, those who use them, and pages of others.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::ensure_at;
use crate::browser::chromium::Tab;
use crate::browser::test_page::TestPage;
use thunderhead_system_tests::live::http::{Answer, Client, Request};
use thunderhead_system_tests::live::site::{Server, Site};
use thunderhead_system_tests::requests::{PASSWORD, address_of, log_in, totp_code};

/// Has nothing but a password.
pub(super) const PLAIN: &str = "ada";
/// Have an authenticator app and backup codes as well.
pub(super) const WITH_APP: [&str; 2] = ["mary", "emmy"];
/// Is staff, with an app.
pub(super) const STAFF: &str = "hopper";
/// Has as many sessions as make a second page, and nothing short.
pub(super) const BUSY: &str = "a-name-of-sixty-four-characters-which-is-the-longest-there-can-b";
const SESSIONS: u32 = 60;
/// The longest name of a session, in characters.
const LONGEST: usize = 128;
/// An application where people may be led, and which is not there.
const LISTED: &str = "https://app.example.org";

/// Who is there.
pub(super) struct Cast {
    site: Site,
    server: Server,
    /// A page of another origin where people may be led.
    pub(super) application: TestPage,
    /// One where they may not.
    pub(super) stranger: TestPage,
    apps: BTreeMap<&'static str, App>,
}

/// What somebody has besides a password.
struct App {
    secret: String,
    codes: RefCell<Vec<String>>,
}

impl Cast {
    pub(super) fn on_stage(binary: &Path) -> Result<Self> {
        let (application, stranger) = (TestPage::serve()?, TestPage::serve()?);
        let mut site = Site::on_sqlite(binary.to_owned())?;
        // Pages are told by their settings where they are, so the port must be known before.
        let free = TcpListener::bind("127.0.0.1:0").context("no free port")?.local_addr()?;
        site.set("LISTEN", &free.to_string());
        site.set("REDIRECT__ORIGINS", &format!("{},{LISTED}", application.origin));
        let server = site.start()?;
        let mut cast = Self { site, server, application, stranger, apps: BTreeMap::new() };
        for name in [PLAIN, BUSY].into_iter().chain(WITH_APP) {
            cast.make_account(name, &[])?;
        }
        cast.make_account(STAFF, &["--staff"])?;
        for name in WITH_APP.into_iter().chain([STAFF]) {
            let app = cast.enrol(name)?;
            cast.apps.insert(name, app);
        }
        cast.open_sessions()?;
        Ok(cast)
    }

    /// Where browsers find the pages.
    pub(super) fn origin(&self) -> String {
        format!("http://localhost:{}", self.server.address.port())
    }

    pub(super) fn at(&self, path: &str) -> String {
        self.origin() + path
    }

    /// The next code of an authenticator app. Each is good once, and the present one was used to enrol it.
    pub(super) fn app_code(&self, name: &str) -> Result<String> {
        totp_code(&self.app(name)?.secret, 30)
    }

    /// A backup code that was not used yet.
    pub(super) fn backup_code(&self, name: &str) -> Result<String> {
        self.app(name)?.codes.borrow_mut().pop().context("all backup codes are used")
    }

    fn app(&self, name: &str) -> Result<&App> {
        self.apps.get(name).with_context(|| format!("{name} has no app"))
    }

    fn ask(&self, request: &Request) -> Result<Answer> {
        Ok(Client::new(self.server.address).ask(request)?)
    }

    fn make_account(&self, name: &str, flags: &[&str]) -> Result<()> {
        let address = address_of(name);
        let arguments = [&["user", "create", name, "--email", &address, "--password-stdin"], flags].concat();
        self.site.operate(&arguments, PASSWORD).map(drop)
    }

    fn enrol(&self, name: &str) -> Result<App> {
        let token = self.ask(&log_in(name, PASSWORD))?.text("token");
        let call = |path: &str, body| self.ask(&Request::new("POST", path).token(&token).json(&body));
        let offer = call("/api/users/me/2fa/totp", json!({"password": PASSWORD}))?;
        let secret = offer.text("secret");
        let confirmation = json!({"token": offer.text("token"), "name": "phone", "code": totp_code(&secret, 0)?});
        let enrolled = call("/api/users/me/2fa/totp/confirm", confirmation)?;
        let codes = enrolled.member("codes");
        let codes = codes.as_array().with_context(|| format!("no app was enrolled: {enrolled}"))?;
        let codes = codes.iter().filter_map(|code| Some(code.as_str()?.to_owned())).collect();
        Ok(App { secret, codes: RefCell::new(codes) })
    }

    fn open_sessions(&self) -> Result<()> {
        for number in 0..SESSIONS {
            let name: String = format!("{number:03} {}", "a-long-name".repeat(LONGEST)).chars().take(LONGEST).collect();
            let opened = self.ask(&log_in(BUSY, PASSWORD).header("X-Session-Name", &name))?;
            ensure!(opened.status == 201, "no session was opened: {opened}");
        }
        Ok(())
    }
}

/// Signs in with a password, as somebody who sees the page does.
pub(super) fn sign_in(tab: &Tab, url: &str, name: &str, password: &str) -> Result<()> {
    tab.open(url)?;
    fill_in(tab, name, password)
}

/// The same on the page that is open.
pub(super) fn fill_in(tab: &Tab, name: &str, password: &str) -> Result<()> {
    tab.fill("[name=username]", name)?;
    tab.fill("[name=password]", password)?;
    tab.press("main form button")
}

/// Signs in with a password and a backup code.
pub(super) fn with_backup_code(tab: &Tab, cast: &Cast, name: &str) -> Result<()> {
    sign_in(tab, &cast.at("/login"), name, PASSWORD)?;
    tab.fill("#backup", &cast.backup_code(name)?)?;
    tab.press("form:has(#backup) button")?;
    ensure_at(tab, &cast.at("/account"))
}
