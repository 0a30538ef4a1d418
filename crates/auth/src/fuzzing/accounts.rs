//! Names, addresses, user agents and the hashes of passwords.

use thunderhead_domain::device::AgentName;
use thunderhead_domain::factor::FactorName;
use thunderhead_domain::label::is_label;
use thunderhead_domain::search::UsernamePrefix;
use thunderhead_domain::session::{Origin, SessionName};
use thunderhead_domain::user::Username;

use crate::credentials::password::foreign::{ForeignHash, RefusedHash};
use crate::email::{LONGEST_ADDRESS, existing_email, parse_email};
use crate::import::totp_secret;
use crate::sessions::name::names;

/// The longest name of anything that people read in lists, in characters.
const LONGEST_NAME: usize = 128;

/// What is a name is one by every rule of the documentation and nothing else is; what is made of any text is a name.
pub fn name(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let plain = |character: char| matches!(character, 'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | '.');
    let existing = !text.is_empty() && text.len() <= 64 && text.chars().all(plain);
    let id = text.len() == 13 && text.chars().all(|character| character.is_ascii_digit());
    let new = existing && !id && !text.starts_with('-') && !text.starts_with('.');
    assert_eq!(Username::existing(text.to_owned()).is_ok(), existing, "{text:?}");
    assert_eq!(Username::try_from(text.to_owned()).is_ok(), new, "{text:?}");
    assert_eq!(UsernamePrefix::try_from(text).is_ok(), existing, "{text:?}");

    let session = SessionName::made_of(text);
    assert!(is_label(session.as_str(), LONGEST_NAME), "{text:?} became {:?}", session.as_str());
    if let Ok(asked) = SessionName::try_from(text.to_owned()) {
        assert_eq!(asked.as_str(), text.trim(), "{text:?}");
        assert_eq!(SessionName::made_of(asked.as_str()), asked, "{text:?}");
    }
    let factor = FactorName::made_of(text.to_owned());
    assert!(is_label(factor.as_str(), LONGEST_NAME), "{text:?} became {:?}", factor.as_str());
    assert!(is_label(&AgentName::made_of(text).to_string(), LONGEST_NAME), "{text:?}");
}

/// Every client has names that people can read, and the agent's says no version that the session's does not.
pub fn user_agent(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let names = names(Origin::cut_user_agent(&text));
    assert!(is_label(names.session.as_str(), LONGEST_NAME), "{text:?} became {:?}", names.session.as_str());
    assert!(is_label(&names.agent.to_string(), LONGEST_NAME), "{text:?} became {:?}", names.agent);
}

/// An address is what was typed, on one line, short, with something on either side of an @.
pub fn address(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (typed, existing) = (parse_email(text), existing_email(text));
    assert!(typed.is_err() || existing.is_ok(), "{text:?} can be registered with and not be had");
    let Ok(address) = existing else { return };
    assert_eq!(address.as_str(), text);
    assert!(text.len() <= LONGEST_ADDRESS && !text.contains(char::is_control), "{text:?}");
    let parts = text.rsplit_once('@');
    assert!(parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty()), "{text:?}");
}

/// What is stored of a hash that is taken is read as the same again. A secret of an app is what its base32 says.
pub fn password_hash(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match ForeignHash::parse(text) {
        Ok(hash) => {
            let format = hash.format();
            let stored = hash.into_stored();
            let again = ForeignHash::parse(stored.expose());
            assert!(again.is_ok_and(|again| again.format() == format && again.into_stored() == stored), "{text:?}");
        }
        Err(refused) => {
            let words = refused.to_string();
            assert!(refused != RefusedHash::Unknown || words == "the format of the hash is unknown");
            assert!(words.len() < 200, "{words}");
        }
    }
    if let Ok(secret) = totp_secret(text) {
        assert!(secret.len() <= text.len(), "{text:?}");
    }
}
