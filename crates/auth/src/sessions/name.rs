//! What a session is called when nobody named it: the browser and the system of the client
//! (`docs/MODEL.md`, *Session names*).

mod recognition;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use thunderhead_domain::session::{Origin, SessionName};

use crate::work::WorkPool;
use crate::work::queue::JobOwner;

/// User agents whose name is cached. Most clients are of a few kinds, and recognition costs milliseconds.
const MOST_CACHED: usize = 1_024;

/// Names sessions after the client's User-Agent header.
pub(crate) struct NameMaker {
    pool: WorkPool,
    cached: Mutex<HashMap<String, SessionName>>,
}

impl NameMaker {
    pub(crate) fn new(pool: WorkPool) -> Self {
        Self { pool, cached: Mutex::default() }
    }

    /// The name that was asked for, if it is one, else the name of the client. Where the pool is too busy to
    /// recognise it, the User-Agent itself must do: a name is not worth a refused login.
    pub(crate) async fn name(&self, asked: Option<&str>, user_agent: Option<&str>) -> SessionName {
        if let Some(Ok(name)) = asked.map(|text| SessionName::try_from(text.to_owned())) {
            return name;
        }
        let Some(agent) = user_agent.map(Origin::cut_user_agent) else { return SessionName::unnamed() };
        if let Some(name) = self.cached().get(agent) {
            return name.clone();
        }
        let owned = agent.to_owned();
        match self.pool.run(JobOwner::Known, move || describe(&owned)).await {
            Ok(text) => {
                let name = to_name(&text);
                self.cache(agent, &name);
                name
            }
            Err(_) => to_name(agent),
        }
    }

    fn cached(&self) -> std::sync::MutexGuard<'_, HashMap<String, SessionName>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache(&self, agent: &str, name: &SessionName) {
        let mut cached = self.cached();
        if cached.len() >= MOST_CACHED {
            cached.clear();
        }
        cached.insert(agent.to_owned(), name.clone());
    }
}

/// `<browser> v<major> on <system> v<major>`, or the User-Agent where neither is recognised.
pub fn describe(user_agent: &str) -> String {
    match recognition::recognise(user_agent) {
        (None, None) => user_agent.to_owned(),
        (Some(browser), None) => format!("{browser} on an Unknown OS"),
        (None, Some(system)) => format!("Unknown Browser on {system}"),
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
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
        let first = block_on(maker.name(asked, user_agent));
        assert_eq!(block_on(maker.name(asked, user_agent)), first);
        first.as_str().to_owned()
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
            to_name(&describe(Origin::cut_user_agent(&agent)));
        }
    }
}
