//! Users with a session each, who ask.

use anyhow::{Result, bail};

use thunderhead_system_tests::live::http::Client;
use thunderhead_system_tests::live::on_threads;
use thunderhead_system_tests::live::site::Server;
use thunderhead_system_tests::requests::{PASSWORD, log_in, register};

const THREADS: u32 = 8;

/// Users, each with the token of one session.
pub(crate) struct TestUsers {
    all: Vec<TestUser>,
}

pub(crate) struct TestUser {
    pub(crate) name: String,
    pub(crate) token: String,
}

impl TestUsers {
    /// Registers so many users, whose names begin like this.
    pub(crate) fn register(server: &Server, beginning: &str, count: u32) -> Result<Self> {
        let all = on_threads(THREADS, |thread| {
            let mut client = Client::new(server.address);
            let mine = (thread..count).step_by(THREADS as usize);
            mine.map(|number| join(&mut client, format!("{beginning}{number}"))).collect::<Result<Vec<_>>>()
        })?;
        Ok(Self { all: all.into_iter().flatten().collect() })
    }

    /// Logs everybody in so many times more, and returns these tokens. Those of one user are not neighbours.
    pub(crate) fn log_in_again(&self, server: &Server, times: u32) -> Result<Vec<String>> {
        let tokens = on_threads(THREADS, |thread| {
            let mut client = Client::new(server.address);
            let mine = || self.all.iter().skip(thread as usize).step_by(THREADS as usize);
            (0..times).flat_map(|_| mine()).map(|user| enter(&mut client, &user.name)).collect::<Result<Vec<_>>>()
        })?;
        Ok(tokens.into_iter().flatten().collect())
    }

    pub(crate) fn all(&self) -> &[TestUser] {
        &self.all
    }

    pub(crate) fn into_all(self) -> Vec<TestUser> {
        self.all
    }

    pub(crate) fn tokens(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|user| user.token.as_str())
    }
}

fn join(client: &mut Client, name: String) -> Result<TestUser> {
    let answer = client.ask(&register(&name))?;
    if answer.status != 201 {
        bail!("{name} could not register: {answer}");
    }
    Ok(TestUser { name, token: answer.text("token") })
}

fn enter(client: &mut Client, name: &str) -> Result<String> {
    let answer = client.ask(&log_in(name, PASSWORD))?;
    if answer.status != 201 {
        bail!("{name} could not log in: {answer}");
    }
    Ok(answer.text("token"))
}
