//! What a session is called when nobody named it: the browser and the system of the client
//! (`docs/MODEL.md`, *Session names*).

mod recognition;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use thunderhead_domain::device::AgentName;
use thunderhead_domain::session::{Origin, SessionName};

use self::recognition::Recognised;
use crate::work::WorkPool;
use crate::work::queue::JobOwner;

/// User agents whose name is cached. Most clients are of a few kinds, and recognition costs milliseconds.
const MOST_CACHED: usize = 1_024;

/// What a client is called.
#[derive(Clone, Debug)]
pub struct ClientNames {
    /// Its session: `<browser> v<major> on <system> v<major>`, or the User-Agent where neither is recognised.
    pub session: SessionName,
    /// What it is, without versions.
    pub agent: AgentName,
}

/// Names sessions after the client's User-Agent header.
pub(crate) struct NameMaker {
    pool: WorkPool,
    cached: Mutex<HashMap<String, ClientNames>>,
}

impl NameMaker {
    pub(crate) fn new(pool: WorkPool) -> Self {
        Self { pool, cached: Mutex::default() }
    }

    /// The names of a client whose session is to have the one that was asked for, if that is one.
    pub(crate) async fn login(&self, asked: Option<&str>, user_agent: Option<&str>) -> ClientNames {
        let names = self.client(user_agent).await;
        match asked.map(|text| SessionName::try_from(text.to_owned())) {
            Some(Ok(session)) => ClientNames { session, ..names },
            _ => names,
        }
    }

    /// The names of a client. Where the pool is too busy to recognise it, the User-Agent itself must do: a name is not worth
    /// a refused login.
    pub(crate) async fn client(&self, user_agent: Option<&str>) -> ClientNames {
        let Some(agent) = user_agent.map(Origin::cut_user_agent) else {
            return ClientNames { session: SessionName::unnamed(), agent: AgentName::unknown() };
        };
        if let Some(names) = self.cached().get(agent) {
            return names.clone();
        }
        let owned = agent.to_owned();
        match self.pool.run(JobOwner::Known, move || names(&owned)).await {
            Ok(names) => {
                self.cache(agent, &names);
                names
            }
            Err(_) => ClientNames { session: to_name(agent), agent: AgentName::made_of(agent) },
        }
    }

    fn cached(&self) -> std::sync::MutexGuard<'_, HashMap<String, ClientNames>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache(&self, agent: &str, names: &ClientNames) {
        let mut cached = self.cached();
        if cached.len() >= MOST_CACHED {
            cached.clear();
        }
        cached.insert(agent.to_owned(), names.clone());
    }
}

/// The names of a client by its User-Agent.
pub fn names(user_agent: &str) -> ClientNames {
    let (browser, system) = recognition::recognise(user_agent);
    let text = |part: &Option<Recognised>| part.as_ref().map(Recognised::to_string);
    let session = described(text(&browser), text(&system));
    let agent = described(browser.map(|it| it.family), system.map(|it| it.family));
    let agent = agent.as_deref().or_else(|| recognition::own_name(user_agent));
    ClientNames {
        session: to_name(session.as_deref().unwrap_or(user_agent)),
        agent: AgentName::made_of(agent.unwrap_or(user_agent)),
    }
}

fn described(browser: Option<String>, system: Option<String>) -> Option<String> {
    match (browser, system) {
        (None, None) => None,
        (Some(browser), None) => Some(format!("{browser} on an Unknown OS")),
        (None, Some(system)) => Some(format!("Unknown Browser on {system}")),
        (Some(browser), Some(system)) => Some(format!("{browser} on {system}")),
    }
}

/// Makes any text a name: it is cut, and what is not printable becomes a space.
fn to_name(text: &str) -> SessionName {
    SessionName::made_of(text.trim())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn name(asked: Option<&str>, user_agent: Option<&str>) -> String {
        let maker = NameMaker::new(WorkPool::start(1, 4).unwrap());
        let [first, again] = [(); 2].map(|()| block_on(maker.login(asked, user_agent)).session);
        assert_eq!(first, again);
        first.as_str().to_owned()
    }

    #[test]
    fn what_a_client_is_has_no_version() {
        let firefox =
            |version| format!("Mozilla/5.0 (X11; Linux x86_64; rv:{version}) Gecko/20100101 Firefox/{version}");
        for (agent, expected) in [
            (firefox("128.0").as_str(), "Firefox on Linux"),
            (&firefox("145.0"), "Firefox on Linux"),
            ("curl/8.5.0", "curl on an Unknown OS"),
            ("Foo (Windows NT 10.0)", "Unknown Browser on Windows"),
            ("Skylark/5.2.1 (Linux; Android 14; Pixel 8 Build/UQ1A)", "Skylark on Android"),
            ("Cumulonimbus-Wrapper/5.1.0", "Cumulonimbus-Wrapper"),
            ("Mozilla/5.0", "Mozilla/5.0"),
            ("1.2.3.4", "1.2.3.4"),
            (" ", "unknown"),
        ] {
            assert_eq!(names(agent).agent.to_string(), expected, "{agent}");
        }
        let maker = NameMaker::new(WorkPool::start(1, 4).unwrap());
        let asked = block_on(maker.login(Some("Way Cool Session"), Some("curl/8.5.0")));
        assert_eq!((asked.session.as_str(), asked.agent), ("Way Cool Session", names("curl/7").agent));
        assert_eq!(block_on(maker.client(None)).agent, AgentName::unknown());
    }

    #[test]
    fn a_session_is_named_after_browser_and_system_with_what_is_known_of_them() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/126.0.0.0 Safari/537.36";
        assert_eq!(name(None, Some(firefox)), "Firefox v128 on Linux");
        assert_eq!(name(None, Some(chrome)), "Chrome v126 on Windows v10");
        assert_eq!(name(None, Some("curl/8.5.0")), "curl v8 on an Unknown OS");
        assert_eq!(name(None, Some("Foo (Windows NT 10.0)")), "Unknown Browser on Windows v10");
        assert_eq!(name(None, Some("Cumulonimbus-Wrapper/5.1.0")), "Cumulonimbus-Wrapper/5.1.0");
        assert_eq!(name(None, None), "Unknown device");
        assert_eq!(name(None, Some("  ")), "Unknown device");
        assert_eq!(name(None, Some(&"x".repeat(4_000))), "x".repeat(128));
    }

    #[test]
    fn a_name_that_was_asked_for_wins_unless_it_cannot_be_one() {
        assert_eq!(name(Some("Way Cool Session"), Some("curl/8.5.0")), "Way Cool Session");
        assert_eq!(name(Some(" Way Cool Session\u{a0}"), None), "Way Cool Session");
        for asked in ["", " ", "a\u{7}b", "a\u{202e}b", "\u{3164}", &"x".repeat(129)] {
            assert_eq!(name(Some(asked), Some("curl/8.5.0")), "curl v8 on an Unknown OS", "{asked:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_user_agent_gives_a_name(agent in "\\PC{0,600}") {
            names(Origin::cut_user_agent(&agent));
        }
    }
}
