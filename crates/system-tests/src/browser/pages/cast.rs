//! A server with pages, those who use them, and pages of others.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::ensure_at;
use crate::browser::tab::Tab;
use crate::browser::test_page::TestPage;
use thunderhead_system_tests::live::http::{Answer, Client, Request};
use thunderhead_system_tests::live::site::{Server, Site};
use thunderhead_system_tests::requests::{PASSWORD, address_of, log_in, register, totp_code, who_am_i};

/// Has nothing but a password.
pub(super) const PLAIN: &str = "ada";
/// Have an authenticator app and backup codes as well.
pub(super) const WITH_APP: [&str; 2] = ["mary", "emmy"];
/// Is staff, with an app.
pub(super) const STAFF: &str = "hopper";
/// Has more sessions than anybody, tokens, and nothing short.
pub(super) const BUSY: &str = "a-name-of-sixty-four-characters-which-is-the-longest-there-can-b";
const SESSIONS: u32 = 1_000;
/// Of the tokens: everything, all that users may have, uploads.
const FLAGS: [u32; 3] = [1, 0x1fe, 2];
/// How many others have names as long.
const OTHERS: u32 = 12;
/// The longest name of a session, in characters.
const LONGEST: usize = 128;
/// An application where people may be led, and which is not there.
const LISTED: &str = "https://app.example.org";

/// Who is there.
pub(super) struct Cast {
    site: Site,
    server: Server,
    /// Where it tells what there is to be measured, and with it which routes it has.
    metrics: SocketAddr,
    /// A page of another origin where people may be led.
    pub(super) application: TestPage,
    /// One where they may not.
    pub(super) stranger: TestPage,
    apps: RefCell<BTreeMap<String, Rc<App>>>,
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
        let [listen, metrics] = [free_address()?, free_address()?];
        site.set("LISTEN", &listen.to_string());
        site.set("METRICS_LISTEN", &metrics.to_string());
        site.set("REDIRECT__ORIGINS", &format!("{},{LISTED}", application.origin));
        let server = site.start()?;
        let cast = Self { site, server, metrics, application, stranger, apps: RefCell::default() };
        for name in [PLAIN, BUSY] {
            cast.make_account(name, &[])?;
        }
        for name in WITH_APP {
            cast.make_account_with_app(name, &[])?;
        }
        cast.make_account_with_app(STAFF, &["--staff"])?;
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

    /// Takes note of backup codes that somebody was given instead of those before.
    pub(super) fn know_codes(&self, name: &str, codes: Vec<String>) -> Result<()> {
        *self.app(name)?.codes.borrow_mut() = codes;
        Ok(())
    }

    fn app(&self, name: &str) -> Result<Rc<App>> {
        self.apps.borrow().get(name).cloned().with_context(|| format!("{name} has no app"))
    }

    /// The unsafe methods and paths of all routes, as the table writes them.
    pub(super) fn changing_routes(&self) -> Result<BTreeSet<(String, String)>> {
        let told = Client::new(self.metrics).ask(&Request::new("GET", "/metrics"))?;
        let label = |line: &str, name: &str| {
            let (_, rest) = line.split_once(&format!("{name}=\""))?;
            Some(rest.split('"').next()?.to_owned())
        };
        let counted = told.body.lines().filter(|line| line.starts_with("thunderhead_http_requests_total{"));
        let routes = counted.filter_map(|line| Some((label(line, "method")?, label(line, "route")?)));
        Ok(routes.filter(|(method, _)| !["GET", "HEAD", "OPTIONS"].contains(&method.as_str())).collect())
    }

    /// Whether the next request with a token, which may see the account, is let in.
    pub(super) fn is_live(&self, token: &str) -> Result<bool> {
        Ok(self.ask(&who_am_i(token))?.status == 200)
    }

    /// The token of a session that was opened elsewhere, by the API.
    pub(super) fn session_elsewhere(&self, user: &str, name: &str) -> Result<String> {
        let opened = self.ask(&log_in(user, PASSWORD).header("X-Session-Name", name))?;
        ensure!(opened.status == 201, "no session was opened: {opened}");
        Ok(opened.text("token"))
    }

    /// A command of the operator.
    pub(super) fn operate(&self, arguments: &[&str]) -> Result<String> {
        self.site.operate(arguments, "")
    }

    pub(super) fn ask(&self, request: &Request) -> Result<Answer> {
        Ok(Client::new(self.server.address).ask(request)?)
    }

    pub(super) fn make_account(&self, name: &str, flags: &[&str]) -> Result<()> {
        let address = address_of(name);
        let arguments = [&["user", "create", name, "--email", &address, "--password-stdin"], flags].concat();
        self.site.operate(&arguments, PASSWORD).map(drop)
    }

    pub(super) fn make_account_with_app(&self, name: &str, flags: &[&str]) -> Result<()> {
        self.make_account(name, flags)?;
        let app = Rc::new(self.enrol(name)?);
        self.apps.borrow_mut().insert(name.to_owned(), app);
        Ok(())
    }

    fn enrol(&self, name: &str) -> Result<App> {
        let token = self.session_elsewhere(name, "the device with the app")?;
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
        let longest = |number: u32| -> String {
            format!("{number:03} {}", "a-long-name".repeat(LONGEST)).chars().take(LONGEST).collect()
        };
        for number in 0..SESSIONS {
            self.session_elsewhere(BUSY, &longest(number))?;
        }
        let token = self.session_elsewhere(BUSY, &longest(SESSIONS))?;
        for (number, flags) in (0..).zip(FLAGS) {
            let asked = json!({"name": longest(number), "permissionFlags": flags, "password": PASSWORD});
            let made = self.ask(&Request::new("POST", "/api/users/me/sessions").token(&token).json(&asked))?;
            ensure!(made.status == 201, "no token was made: {made}");
        }
        for number in 0..OTHERS {
            let name: String = format!("{number:02}-{BUSY}").chars().take(BUSY.len()).collect();
            let made = self.ask(&register(&name))?;
            ensure!(made.status == 201, "no account was made: {made}");
        }
        Ok(())
    }
}

fn free_address() -> Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).context("no free port")
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
