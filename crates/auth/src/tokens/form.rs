//! Forms that are good once: what such a form makes has an id, or a secret, that follows from the form and from the session
//! that sends it, so that a page that is loaded again makes nothing, on whichever replica.

use std::sync::Arc;

use hmac::{Hmac, Mac};
use secrecy::SecretString;
use sha2::Sha256;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::{Clock, Random};
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use crate::environment::random_uuid;
use crate::tokens::keys::EncryptionKey;
use crate::tokens::secret;

/// How long a form may lie open, in seconds: far shorter than what it makes is remembered.
const FORM_SECONDS: i64 = 60 * 60;

/// A form that is good once, and for an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneTimeForm {
    issued_at: Timestamp,
    nonce: Uuid,
}

/// Makes such forms, and tells what they stand for.
pub struct Forms {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    sessions: Hmac<Sha256>,
    links: Hmac<Sha256>,
}

impl OneTimeForm {
    /// What stands in the form.
    pub fn text(&self) -> String {
        format!("{}.{}", self.issued_at.unix_seconds(), self.nonce.simple())
    }
}

impl Forms {
    pub(crate) fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>, key: &EncryptionKey) -> Self {
        Self {
            clock,
            random,
            sessions: key.mac_for(b"thunderhead: one-time forms\0"),
            links: key.mac_for(b"thunderhead: links of one-time forms\0"),
        }
    }

    /// A new form.
    pub fn begin(&self) -> OneTimeForm {
        let issued_at = Timestamp::from_unix_seconds(self.clock.now().unix_seconds());
        OneTimeForm { issued_at, nonce: random_uuid(&*self.random) }
    }

    /// The form that a text stands for; `None` where it is none, or too old.
    pub fn find(&self, text: &str) -> Option<OneTimeForm> {
        let (seconds, nonce) = text.split_once('.')?;
        let form = OneTimeForm {
            issued_at: Timestamp::from_unix_seconds(seconds.parse().ok()?),
            nonce: Uuid::try_parse(nonce).ok()?,
        };
        let now = self.clock.now();
        let is_good = form.issued_at <= now && now < form.issued_at.plus_seconds(FORM_SECONDS);
        // Other spellings of the same form are none.
        (is_good && form.text() == text).then_some(form)
    }

    /// The session that a form makes for whoever sends it with this session. Nobody can foresee it.
    pub(crate) fn session_of(&self, form: &OneTimeForm, sender: SessionUuid) -> SessionUuid {
        let mut mac = self.sessions.clone();
        mac.update(sender.0.as_bytes());
        mac.update(form.text().as_bytes());
        let code = mac.finalize().into_bytes();
        let bytes = std::array::from_fn(|index| code[index]);
        SessionUuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The secret of the link that a form makes for a user where it is sent with this session. Nobody can foresee it.
    pub(crate) fn link_of(&self, form: &OneTimeForm, sender: SessionUuid, user: UserId) -> SecretString {
        let mut mac = self.links.clone();
        mac.update(sender.0.as_bytes());
        mac.update(&user.number().to_be_bytes());
        mac.update(form.text().as_bytes());
        secret::of_bytes(&mac.finalize().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::testing::SameByte;

    struct At(i64);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix_seconds(self.0)
        }
    }

    fn forms(now: i64, key: u8) -> Forms {
        Forms::new(Arc::new(At(now)), Arc::new(SameByte(7)), &EncryptionKey::generate(&SameByte(key)))
    }

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn a_form_is_good_for_an_hour_and_in_one_spelling() {
        let form = forms(NOW, 1).begin();
        let text = form.text();
        assert_eq!(forms(NOW + 3_599, 1).find(&text), Some(form.clone()));
        for now in [NOW - 1, NOW + 3_600] {
            assert_eq!(forms(now, 1).find(&text), None, "{now}");
        }
        for other in
            ["".to_owned(), "x".to_owned(), text.to_uppercase() + "0", text.replace('.', "-"), format!("0{text}")]
        {
            assert_eq!(forms(NOW, 1).find(&other), None, "{other}");
        }
    }

    #[test]
    fn what_a_form_makes_follows_from_it_its_sender_and_the_key() {
        let form = forms(NOW, 1).begin();
        let [one, two] = [1, 2].map(|number| SessionUuid(Uuid::from_u128(number)));
        let made = forms(NOW, 1).session_of(&form, one);
        assert_eq!(forms(NOW, 1).session_of(&form, one), made);
        assert_ne!(forms(NOW, 1).session_of(&form, two), made);
        assert_ne!(forms(NOW, 2).session_of(&form, one), made);
    }

    #[test]
    fn the_link_of_a_form_is_a_secret_of_its_sender_its_user_and_the_key() {
        let form = forms(NOW, 1).begin();
        let [one, two] = [1, 2].map(|number| SessionUuid(Uuid::from_u128(number)));
        let [ada, grace] = [1_687_067_614_042, 1_687_067_614_043].map(UserId::from_number);
        let link = |key, sender, user| forms(NOW, key).link_of(&form, sender, user).expose_secret().to_owned();
        let made = link(1, one, ada);
        assert!(secret::has_form(&made), "{made}");
        assert_eq!(link(1, one, ada), made);
        for other in [link(1, two, ada), link(1, one, grace), link(2, one, ada)] {
            assert_ne!(other, made);
        }
    }
}
