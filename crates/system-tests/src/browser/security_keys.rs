//! Security keys in a real browser: a small page that uses `navigator.credentials` against a real server, with the virtual
//! authenticator of Chromium's DevTools. The page lies at two origins: the server knows both as callers, and one of them as
//! a place where security keys may be used.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::chromium::Chromium;
use super::test_page::TestPage;
use thunderhead_system_tests::live::site::Site;

/// The kinds of security keys: those that speak CTAP 2, and the older ones.
const PROTOCOLS: [&str; 2] = ["ctap2", "u2f"];

#[derive(Clone, Copy)]
enum At {
    Ours,
    Foreign,
}

/// Something that the page does, and the status of the server's last answer to it.
struct Step {
    says: &'static str,
    at: At,
    /// A call of a function of the page, for the account of this name.
    call: &'static str,
    status: u64,
}

/// In this order: later steps use what earlier ones have made.
const STEPS: [Step; 8] = [
    Step { says: "makes an account", at: At::Ours, call: "register", status: 201 },
    Step { says: "cannot enrol the key from a foreign origin", at: At::Foreign, call: "enrol", status: 401 },
    Step { says: "enrols the key", at: At::Ours, call: "enrol", status: 201 },
    Step { says: "cannot log in with the key from a foreign origin", at: At::Foreign, call: "logIn", status: 401 },
    Step { says: "logs in with the key", at: At::Ours, call: "logIn", status: 201 },
    Step { says: "proves its identity with the key, and is renamed", at: At::Ours, call: "rename", status: 200 },
    Step { says: "may not enrol the key twice, says the browser", at: At::Ours, call: "enrolTwice", status: 200 },
    Step { says: "removes the key by itself", at: At::Ours, call: "removeAll", status: 200 },
];

/// Goes through all steps with each kind of key, and stops at the first that fails.
pub(super) fn check(chromium: &Chromium, binary: &Path) -> Result<()> {
    let (ours, foreign) = (TestPage::serve()?, TestPage::serve()?);
    let mut site = Site::on_sqlite(binary.to_owned())?;
    site.set("CORS_ORIGINS", &format!("{},{}", ours.origin, foreign.origin));
    site.set("RELYING_PARTY__ORIGINS", &ours.origin);
    let server = site.start()?;
    let api = format!("http://{}/api", server.address);
    println!("Security keys: server at {}, page at {}", api, ours.origin);
    for protocol in PROTOCOLS {
        let tab = chromium.tab()?;
        let key = tab.security_key(protocol)?;
        for step in &STEPS {
            let page = match step.at {
                At::Ours => &ours,
                At::Foreign => &foreign,
            };
            tab.open(&page.origin)?;
            let seen = tab.evaluate(&format!("{}({}, {})", step.call, json!(api), json!(protocol)));
            let seen = seen.with_context(|| format!("{protocol}: {}", step.says))?;
            println!("{protocol}: {}: {}", step.says, told(&seen));
            ensure!(seen["status"] == json!(step.status), "expected {}", step.status);
            // A refusal for another reason than the answer itself would prove nothing.
            let refused = seen["body"]["code"] == json!("INVALID_SECOND_FACTOR_RESPONSE_ERROR");
            ensure!(refused == (step.status == 401), "refused for another reason");
        }
        println!("{protocol}: the counters of the key stand at {}", tab.counters(&key)?);
    }
    Ok(())
}

/// What is worth seeing of an answer: nothing that logs anybody in.
fn told(seen: &Value) -> String {
    let body = &seen["body"];
    let words = ["code", "type", "name", "username"].map(|name| body[name].as_str().unwrap_or_default());
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    format!("{} {}", seen["status"], words.join(" ")).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_an_answer_holds_no_token() {
        let seen = json!({"status": 201, "body": {"token": "secret", "exp": 1, "type": "webauthn", "codes": ["A"]}});
        assert_eq!(told(&seen), "201 webauthn");
    }

    #[test]
    fn every_step_calls_a_function_of_the_page() {
        for step in STEPS {
            assert!(
                crate::browser::test_page::HTML.contains(&format!("async function {}(", step.call)),
                "{}",
                step.call
            );
        }
    }
}
