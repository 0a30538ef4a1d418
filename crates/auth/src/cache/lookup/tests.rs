//! Who calls, with and without a cache.

use std::time::Duration;

use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::id::SessionId;
use thunderhead_domain::policy::{SessionLimits, SessionPolicy};
use thunderhead_domain::session::{Actor, EndReason};
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, block_on};

use super::*;
use crate::testing::{NOW, Replica, Stream};
use crate::tokens::keys::{EncryptionKeys, next_key};
use crate::tokens::secret;
use crate::tokens::token::{PlainToken, TokenSigner};
use secrecy::ExposeSecret as _;

const OPERATOR: ActionContext = ActionContext { at: NOW, by: Actor::CommandLine, client_ip: None };
/// Bytes of a cache, and of none.
const SIZES: [u64; 2] = [1_000_000, 0];

struct Scene {
    database: TestDatabase,
    replica: Replica,
    tokens: Arc<Tokens>,
    lookup: SessionLookup,
}

fn encryption_keys() -> EncryptionKeys {
    EncryptionKeys::parse(&"01".repeat(32)).unwrap()
}

impl Scene {
    async fn new(bytes: u64) -> Self {
        Self::under(bytes, SessionPolicy::default()).await
    }

    async fn under(bytes: u64, policy: SessionPolicy) -> Self {
        let database = TestDatabase::sqlite();
        let replica = Replica::under(&database, 1, policy);
        let Environment { storage, clock, random } = &replica.environment;
        let signer = TokenSigner::load("here".to_owned(), &**storage, &encryption_keys(), &**clock, &**random).await;
        let tokens = Arc::new(Tokens::new(replica.environment.clone(), signer.unwrap()));
        let settings = CacheSettings {
            bytes,
            max_staleness_millis: 0,
            longest_spacing: Duration::ZERO,
            deadline: Duration::from_secs(600),
        };
        let lookup = SessionLookup::new(replica.environment.clone(), Arc::clone(&tokens), settings);
        Self { database, replica, tokens, lookup }
    }

    /// A user with a session, and its signed token.
    async fn user(&self, name: &str) -> (Session, PlainToken) {
        let session = self.replica.register(name, None).await.session;
        let token = self.tokens.signer.session_token(&session, self.replica.environment.now()).unwrap();
        (session, token)
    }

    async fn caller(&self, token: Option<&str>) -> Caller {
        self.lookup.look_up(token).await.unwrap().caller
    }

    async fn is_live(&self, token: &str) -> bool {
        self.caller(Some(token)).await.live().is_some()
    }

    fn storage(&self) -> &dyn thunderhead_domain::ports::Storage {
        &*self.replica.environment.storage
    }
}

#[test]
fn a_session_is_live_until_it_is_ended_and_not_for_a_moment_longer() {
    for bytes in SIZES {
        block_on(async {
            let scene = Scene::new(bytes).await;
            let (session, token) = scene.user("ada").await;
            for _ in 0..3 {
                let Caller::Live(found) = scene.caller(Some(token.expose())).await else { panic!("{bytes}") };
                assert_eq!((found.session.uuid, found.user.id), (session.uuid, session.user));
            }
            assert!(scene.storage().session_end(session.user, session.id, EndReason::Revoked, OPERATOR).await.unwrap());
            assert_eq!(scene.caller(Some(token.expose())).await, Caller::Rejected, "{bytes}");
        });
    }
}

#[test]
fn a_ban_is_told_and_lifting_it_brings_no_session_back() {
    for bytes in SIZES {
        block_on(async {
            let scene = Scene::new(bytes).await;
            let (session, token) = scene.user("ada").await;
            assert!(scene.is_live(token.expose()).await);
            scene.storage().account_ban(session.user, None, OPERATOR.into()).await.unwrap().unwrap();
            assert_eq!(scene.caller(Some(token.expose())).await, Caller::Banned);
            scene.storage().account_unban(session.user, OPERATOR.into()).await.unwrap().unwrap();
            assert_eq!(scene.caller(Some(token.expose())).await, Caller::Rejected);
        });
    }
}

#[test]
fn what_is_cached_is_told_at_once_and_nothing_is_cached_without_a_cache() {
    block_on(async {
        let scene = Scene::new(1_000_000).await;
        let (_, token) = scene.user("ada").await;
        assert!(matches!(scene.lookup.look_up(Some(token.expose())), LookupFuture::Waiting(_)));
        assert!(scene.is_live(token.expose()).await && scene.is_live(token.expose()).await);
        let at_once = scene.lookup.look_up(Some(token.expose()));
        assert!(matches!(at_once, LookupFuture::Done(_)));
        assert!(at_once.await.unwrap().caller.live().is_some());
        let status = scene.lookup.cache_status().unwrap();
        assert_eq!((status.sessions, status.most_bytes, status.asked_at), (1, 1_000_000, Some(NOW)));
        assert!(Scene::new(0).await.lookup.cache_status().is_none());
    });
}

#[test]
fn a_session_that_expires_is_over_although_it_is_cached() {
    for bytes in SIZES {
        block_on(async {
            let scene = Scene::new(bytes).await;
            let text = "x7".repeat(16);
            scene.replica.register("ada", Some(digest(&text))).await;
            scene.replica.clock.turn_to(86_399_999);
            assert!(scene.is_live(&text).await, "{bytes}");
            scene.replica.clock.turn_to(86_400_000);
            assert_eq!(scene.caller(Some(&text)).await, Caller::Rejected, "{bytes}");
        });
    }
}

#[test]
fn nobody_calls_without_a_token_and_what_is_no_token_is_rejected() {
    for bytes in SIZES {
        block_on(async {
            let scene = Scene::new(bytes).await;
            for _ in 0..2 {
                assert_eq!(scene.caller(None).await, Caller::Nobody, "{bytes}");
                for text in ["", "x", &"x7".repeat(16), &"x".repeat(LONGEST), &"x".repeat(LONGEST + 1)] {
                    assert_eq!(scene.caller(Some(text)).await, Caller::Rejected, "{bytes} {text:.40}");
                }
            }
        });
    }
}

#[test]
fn a_pass_is_good_where_a_pass_is_asked_for_and_a_token_where_a_token_is() {
    for bytes in SIZES {
        block_on(async {
            let scene = Scene::new(bytes).await;
            let (session, token) = scene.user("ada").await;
            let pass = secret::generate(&Stream::new(9));
            let pass = pass.expose_secret();
            assert!(scene.storage().session_set_pass(session.uuid, session.user, digest(pass), NOW).await.unwrap());
            // Twice, so that each finds the other cached.
            for _ in 0..2 {
                let by_pass = scene.lookup.look_up_pass(pass).await.unwrap().caller;
                assert_eq!(by_pass.live().map(|found| found.session.uuid), Some(session.uuid), "{bytes}");
                assert!(scene.is_live(token.expose()).await);
                assert!(!scene.is_live(pass).await);
                assert_eq!(scene.lookup.look_up_pass(token.expose()).await.unwrap().caller, Caller::Rejected);
            }
        });
    }
}

#[test]
fn switches_are_told_as_they_are_now() {
    for bytes in SIZES {
        block_on(async {
            let scene = Scene::new(bytes).await;
            let (_, token) = scene.user("ada").await;
            let tokens = [None, Some(token.expose()), Some("x")];
            for on in [false, true, false] {
                scene.storage().switch_set(KillSwitch::Global, on, OPERATOR.into()).await.unwrap().unwrap();
                for token in tokens {
                    let found = scene.lookup.look_up(token).await.unwrap();
                    assert_eq!(found.switches.is_on(KillSwitch::Global), on, "{bytes} {token:?}");
                }
            }
        });
    }
}

#[test]
fn a_token_is_refused_once_its_key_is_gone_although_its_session_is_cached() {
    for bytes in SIZES {
        block_on(async {
            let scene = Scene::new(bytes).await;
            let (_, token) = scene.user("ada").await;
            let Environment { storage, random, .. } = &scene.replica.environment;
            let key = next_key(&encryption_keys(), NOW.plus_millis(1), &**random).unwrap();
            let kid = key.kid.clone();
            storage.signing_key_add(key, OPERATOR).await.unwrap();
            scene.tokens.refresh_keys().await.unwrap();
            assert!(scene.is_live(token.expose()).await && scene.is_live(token.expose()).await);
            scene.database.tamper(&format!("DELETE FROM signing_keys WHERE kid <> '{kid}'"));
            scene.tokens.refresh_keys().await.unwrap();
            assert_eq!(scene.caller(Some(token.expose())).await, Caller::Rejected, "{bytes}");
        });
    }
}

#[test]
fn that_a_session_is_used_is_written_once_a_minute() {
    for bytes in SIZES {
        block_on(async {
            let scene = Scene::new(bytes).await;
            let (session, token) = scene.user("ada").await;
            for (second, used_at) in [(0, 0), (59, 0), (60, 60), (90, 60), (120, 120)] {
                scene.replica.clock.turn_to(second * 1_000);
                assert!(scene.is_live(token.expose()).await);
                scene.lookup.flush_uses().await.unwrap();
                let row = scene.storage().session_find_any(session.uuid).await.unwrap().unwrap();
                assert_eq!(row.used_at, Some(NOW.plus_seconds(used_at)), "{bytes} {second}");
            }
        });
    }
}

#[test]
fn a_session_is_not_idle_that_was_used_here_a_moment_ago() {
    let limits = SessionLimits { idle: Some(3_600), ..SessionLimits::DEFAULT };
    for bytes in SIZES {
        block_on(async {
            let scene = Scene::under(bytes, SessionPolicy::for_all(limits)).await;
            let (session, token) = scene.user("ada").await;
            for (second, is_live) in [(3_000, true), (6_600, true), (10_200, true), (13_861, false)] {
                scene.replica.clock.turn_to(second * 1_000);
                assert_eq!(scene.is_live(token.expose()).await, is_live, "{bytes} {second}");
                let ended = scene.lookup.ended_since(session.uuid, session.user).await.unwrap();
                assert_eq!(ended.is_none(), is_live, "{bytes} {second}");
            }
        });
    }
}

#[test]
fn it_is_told_why_a_session_is_not_live_any_more() {
    block_on(async {
        let scene = Scene::new(1_000_000).await;
        let (ada, _) = scene.user("ada").await;
        scene.replica.clock.turn_to(5);
        let (eve, _) = scene.user("eve").await;
        let ended = |session: &Session| scene.lookup.ended_since(session.uuid, session.user);
        assert_eq!((ended(&ada).await.unwrap(), ended(&eve).await.unwrap()), (None, None));
        assert!(scene.storage().session_end(ada.user, ada.id, EndReason::Revoked, OPERATOR).await.unwrap());
        scene.storage().account_ban(eve.user, None, OPERATOR.into()).await.unwrap().unwrap();
        assert_eq!(ended(&ada).await.unwrap(), Some(PreconditionFailed::SessionEnded));
        assert_eq!(ended(&eve).await.unwrap(), Some(PreconditionFailed::Banned));
        assert!(!scene.storage().session_end(ada.user, SessionId::NONE, EndReason::Revoked, OPERATOR).await.unwrap());
    });
}

#[test]
fn a_database_that_is_away_is_an_error_and_never_an_unknown_caller() {
    for bytes in SIZES {
        block_on(async {
            let scene = Scene::new(bytes).await;
            let (_, token) = scene.user("ada").await;
            assert!(scene.is_live(token.expose()).await);
            scene.database.tamper("DROP TABLE kill_switches; DROP TABLE sessions");
            assert!(scene.lookup.look_up(Some(token.expose())).await.is_err(), "{bytes}");
        });
    }
}
