//! What tokens cost: `cargo bench -p thunderhead-auth`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use divan::Bencher;
use divan::counter::ItemsCount;
use thunderhead_auth::tokens::keys::EncryptionKeys;
use thunderhead_auth::tokens::token::{PlainToken, TokenSigner};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{Clock, Random};
use thunderhead_domain::session::Session;
use thunderhead_domain::time::Timestamp;
use thunderhead_testkit::{TestDatabase, block_on, sample};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

fn main() {
    divan::main();
}

struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// The next number, over and over: nothing here is a secret.
#[derive(Default)]
struct Counting(AtomicU8);

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed));
    }
}

fn signer() -> Arc<TokenSigner> {
    // Its file is gone with it.
    let database = TestDatabase::sqlite();
    let storage = database.open();
    let Ok(keys) = EncryptionKeys::parse(&"00".repeat(32)) else { unreachable!("a good key") };
    let random = Counting::default();
    match block_on(TokenSigner::load("thunderhead".to_owned(), &*storage, &keys, &Now, &random)) {
        Ok(signer) => Arc::new(signer),
        Err(error) => unreachable!("a new database takes a key: {error}"),
    }
}

fn session() -> Session {
    sample::session(UserId::from_number(1_600_000_000_000), NOW)
}

fn token(signer: &TokenSigner) -> PlainToken {
    match signer.session_token(&session(), NOW) {
        Ok(token) => token,
        Err(error) => unreachable!("a good key signs: {error}"),
    }
}

#[divan::bench]
fn a_good_token_is_verified(bencher: Bencher<'_, '_>) {
    let signer = signer();
    let token = token(&signer);
    bencher.counter(ItemsCount::new(1_u32)).bench(|| signer.session_key(divan::black_box(token.expose()), NOW));
}

#[divan::bench]
fn a_forged_token_is_refused(bencher: Bencher<'_, '_>) {
    let signer = signer();
    let token = token(&signer);
    // Another first character of the signature.
    let (message, signature) = token.expose().rsplit_once('.').unwrap_or_default();
    let (first, rest) = signature.split_at(1);
    let forged = format!("{message}.{}{rest}", if first == "A" { "B" } else { "A" });
    bencher.counter(ItemsCount::new(1_u32)).bench(|| signer.session_key(divan::black_box(&forged), NOW));
}

#[divan::bench]
fn an_opaque_token_is_hashed(bencher: Bencher<'_, '_>) {
    let signer = signer();
    let opaque = "0123456789abcdef0123456789ABCDEF";
    bencher.counter(ItemsCount::new(1_u32)).bench(|| signer.session_key(divan::black_box(opaque), NOW));
}

#[divan::bench]
fn a_token_is_signed(bencher: Bencher<'_, '_>) {
    let signer = signer();
    let session = session();
    bencher.counter(ItemsCount::new(1_u32)).bench(|| signer.session_token(divan::black_box(&session), NOW));
}
