//! What a client was told, kept on the client's side, and compared with what the server says after its restart.
//!
//! Each client has accounts of its own and does one thing after the other, so a kill leaves at most one thing of
//! each client in doubt: that one may have happened or not, but wholly.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use serde_json::json;

use thunderhead_system_tests::live::http::{self, Answer, NoAnswer, Request};
use thunderhead_system_tests::live::report::Violations;
use thunderhead_system_tests::requests::{Dice, PASSWORD, address_of, log_in, log_out, register, who_am_i};

/// Another good password, to change between the two.
const OTHER_PASSWORD: &str = "nine lanterns by the weir";

/// What was acknowledged and checked.
#[derive(Clone, Copy, Default)]
pub(crate) struct KillCounts {
    logins: u64,
    ended: u64,
    deleted: u64,
    changed: u64,
    doubts: u64,
    happened: u64,
    checks: u64,
    losses: u64,
}

impl KillCounts {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            logins: self.logins + other.logins,
            ended: self.ended + other.ended,
            deleted: self.deleted + other.deleted,
            changed: self.changed + other.changed,
            doubts: self.doubts + other.doubts,
            happened: self.happened + other.happened,
            checks: self.checks + other.checks,
            losses: self.losses + other.losses,
        }
    }
}

impl fmt::Display for KillCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { logins, ended, deleted, changed, doubts, happened, checks, losses } = self;
        write!(
            f,
            "acknowledged: {logins} logins, {ended} sessions ended, {deleted} accounts deleted, {changed} changed; \
             {doubts} without an answer, {happened} of them done; {checks} checks, {losses} losses"
        )
    }
}

struct Session {
    token: String,
    live: bool,
}

struct Account {
    name: String,
    email: String,
    password: &'static str,
    exists: bool,
    sessions: Vec<Session>,
}

/// What was asked and not answered.
enum Doubt {
    Register,
    LogIn,
    LogOut(usize),
    Delete,
    Rename(String),
    Readdress(String),
    ChangePassword { by: usize, password: &'static str },
}

/// One client with its accounts.
pub(crate) struct RecordingClient {
    number: u32,
    serial: u32,
    dice: Dice,
    accounts: Vec<Account>,
    /// The account that something is in doubt about.
    doubt: Option<(usize, Doubt)>,
    counts: KillCounts,
}

impl RecordingClient {
    pub(crate) fn new(number: u32) -> Self {
        let dice = Dice::new(u64::from(number) + 100);
        Self { number, serial: 0, dice, accounts: vec![], doubt: None, counts: KillCounts::default() }
    }

    pub(crate) fn counts(&self) -> KillCounts {
        self.counts
    }

    /// Changes one thing after the other until the server is gone.
    pub(crate) fn change_things(&mut self, address: SocketAddr, acknowledged: &AtomicU64, violations: &Violations) {
        let mut http = http::Client::new(address);
        loop {
            let (index, request, change) = self.choose();
            match http.ask(&request) {
                Ok(answer) if answer.status == 200 || answer.status == 201 => {
                    self.count(&change);
                    self.apply(index, change, &answer.text("token"));
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                Ok(answer) => {
                    violations.add(format!("kill9: {} {}: {answer}", request.method, request.path));
                    return;
                }
                Err(NoAnswer::NotConnected) => return,
                Err(NoAnswer::Lost(_)) => {
                    self.counts.doubts += 1;
                    self.doubt = Some((index, change));
                    return;
                }
            }
        }
    }

    /// What comes next: with which account, what is asked, and what it changes.
    fn choose(&mut self) -> (usize, Request, Doubt) {
        self.serial += 1;
        let fresh = format!("k{}n{}", self.number, self.serial);
        let usable = |account: &Account| account.exists && account.sessions.iter().any(|session| session.live);
        let usable: Vec<_> = (0..self.accounts.len()).filter(|index| usable(&self.accounts[*index])).collect();
        let dice = self.dice.below(100);
        if usable.len() < 3 || dice < 15 {
            let request = register(&fresh);
            let (name, email) = (fresh.clone(), address_of(&fresh));
            self.accounts.push(Account { name, email, password: PASSWORD, exists: false, sessions: vec![] });
            return (self.accounts.len() - 1, request, Doubt::Register);
        }
        let index = usable[self.dice.below(usable.len() as u64) as usize];
        let account = &self.accounts[index];
        let live: Vec<_> = (0..account.sessions.len()).filter(|index| account.sessions[*index].live).collect();
        let by = live[self.dice.below(live.len() as u64) as usize];
        let token = &account.sessions[by].token;
        let put = |what: &str, body| Request::new("PUT", &format!("/api/users/me/{what}")).token(token).json(&body);
        let password = account.password;
        let (request, change) = match dice {
            15..45 => (log_in(&account.name, password), Doubt::LogIn),
            45..65 => (log_out(token), Doubt::LogOut(by)),
            65..75 => {
                let request = Request::new("DELETE", "/api/users/me").token(token);
                (request.json(&json!({"password": password})), Doubt::Delete)
            }
            75..85 => (put("username", json!({"username": fresh, "password": password})), Doubt::Rename(fresh)),
            85..92 => {
                let email = address_of(&fresh);
                (put("email", json!({"email": email, "password": password})), Doubt::Readdress(email))
            }
            _ => {
                let new = if password == PASSWORD { OTHER_PASSWORD } else { PASSWORD };
                let body = json!({"newPassword": new, "confirmNewPassword": new, "password": password});
                (put("password", body), Doubt::ChangePassword { by, password: new })
            }
        };
        (index, request, change)
    }

    fn count(&mut self, change: &Doubt) {
        let counts = &mut self.counts;
        let counter = match change {
            Doubt::Register | Doubt::LogIn => &mut counts.logins,
            Doubt::LogOut(_) => &mut counts.ended,
            Doubt::Delete => &mut counts.deleted,
            Doubt::Rename(_) | Doubt::Readdress(_) | Doubt::ChangePassword { .. } => &mut counts.changed,
        };
        *counter += 1;
    }

    /// Notes what has happened. A login of which nobody saw the token leaves none.
    fn apply(&mut self, index: usize, change: Doubt, token: &str) {
        let account = &mut self.accounts[index];
        match change {
            Doubt::Register | Doubt::LogIn => {
                account.exists = true;
                if !token.is_empty() {
                    account.sessions.push(Session { token: token.to_owned(), live: true });
                }
            }
            Doubt::LogOut(by) => account.sessions[by].live = false,
            Doubt::Delete => {
                account.exists = false;
                account.sessions.iter_mut().for_each(|session| session.live = false);
            }
            Doubt::Rename(name) => account.name = name,
            Doubt::Readdress(email) => account.email = email,
            Doubt::ChangePassword { by, password } => {
                account.password = password;
                let others = account.sessions.iter_mut().enumerate().filter(|(index, _)| *index != by);
                others.for_each(|(_, session)| session.live = false);
            }
        }
    }

    /// Compares everything with the server. What was in doubt is settled first, by one sign of it; whatever else
    /// belongs to it must agree.
    pub(crate) fn check_everything(&mut self, address: SocketAddr, violations: &Violations) -> Result<()> {
        let mut http = http::Client::new(address);
        if let Some((index, doubt)) = self.doubt.take()
            && self.has_happened(&mut http, index, &doubt)?
        {
            self.counts.happened += 1;
            self.apply(index, doubt, "");
        }
        for account in &self.accounts {
            let mut check = Check { http: &mut http, account, violations, counts: &mut self.counts };
            check.sessions()?;
            check.login()?;
        }
        // Their sessions stay in the ledger, the ones of these checks do not.
        Ok(())
    }

    fn has_happened(&self, http: &mut http::Client, index: usize, doubt: &Doubt) -> Result<bool> {
        let account = &self.accounts[index];
        let mut status = |request: Request| http.ask(&request).map(|answer: Answer| answer.status);
        Ok(match doubt {
            Doubt::Register => status(log_in(&account.name, account.password))? == 201,
            Doubt::LogIn => false,
            Doubt::LogOut(by) => status(who_am_i(&account.sessions[*by].token))? == 401,
            Doubt::Delete => status(log_in(&account.name, account.password))? == 404,
            Doubt::Rename(name) => status(log_in(name, account.password))? == 201,
            Doubt::Readdress(email) => {
                let live = account.sessions.iter().find(|session| session.live);
                let token = live.map(|session| session.token.as_str()).unwrap_or_default();
                http.ask(&who_am_i(token))?.text("email") == *email
            }
            Doubt::ChangePassword { password, .. } => status(log_in(&account.name, password))? == 201,
        })
    }
}

/// The comparison of one account.
struct Check<'a> {
    http: &'a mut http::Client,
    account: &'a Account,
    violations: &'a Violations,
    counts: &'a mut KillCounts,
}

impl Check<'_> {
    fn expect(&mut self, what: &str, request: &Request, holds: impl FnOnce(&Answer) -> bool) -> Result<()> {
        let answer = self.http.ask(request)?;
        self.counts.checks += 1;
        if !holds(&answer) {
            self.counts.losses += 1;
            self.violations.add(format!("kill9: {what}, account {}: {answer}", self.account.name));
        }
        Ok(())
    }

    /// Live sessions work and show the account as it is; ended ones do not work.
    fn sessions(&mut self) -> Result<()> {
        let account = self.account;
        for session in &account.sessions {
            if session.live {
                let same = |answer: &Answer| {
                    answer.status == 200
                        && answer.text("username") == account.name
                        && answer.text("email") == account.email
                };
                self.expect("an acknowledged session or change is lost", &who_am_i(&session.token), same)?;
            } else {
                let refused = |answer: &Answer| answer.status == 401;
                self.expect("what was ended or deleted lives", &who_am_i(&session.token), refused)?;
            }
        }
        Ok(())
    }

    /// The name and the password count, or nobody has the name.
    fn login(&mut self) -> Result<()> {
        let (wanted, what) = if self.account.exists {
            (201, "an acknowledged account or password is lost")
        } else {
            (404, "a deleted account lives")
        };
        let request = log_in(&self.account.name, self.account.password);
        self.expect(what, &request, |answer| answer.status == wanted)
    }
}
