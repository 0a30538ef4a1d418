//! What a client was told, kept on the client's side.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use thunderhead_system_tests::live::http::{Answer, Client, Request};
use thunderhead_system_tests::live::pause;
use thunderhead_system_tests::requests::{Dice, PASSWORD, log_in, log_out, register};

/// How many sessions a client has at a time.
const MOST: usize = 12;

/// A client with an account of its own.
pub(super) struct FeedClient {
    name: String,
    is_registered: bool,
    turn: u32,
    dice: Dice,
    /// Tokens and uuids of sessions that it has.
    live: Vec<(String, String)>,
    /// Sessions that it was told to have opened, and to have ended, by their uuids.
    pub(super) opened: BTreeSet<String>,
    pub(super) ended: BTreeSet<String>,
    /// Sessions that it asked to end, without an answer that says whether they have.
    pub(super) doubtful: BTreeSet<String>,
}

impl FeedClient {
    pub(super) fn new(number: u32) -> Self {
        Self {
            name: format!("f{number}"),
            is_registered: false,
            turn: number,
            dice: Dice::new(u64::from(number) + 500),
            live: vec![],
            opened: BTreeSet::new(),
            ended: BTreeSet::new(),
            doubtful: BTreeSet::new(),
        }
    }

    /// Opens and ends sessions, each at another replica, until it is told to stop.
    pub(super) fn change_things(&mut self, at: &Mutex<Vec<SocketAddr>>, acknowledged: &AtomicU64, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            self.turn += 1;
            let address = at.lock().ok().and_then(|known| known.get(self.turn as usize % known.len().max(1)).copied());
            let done = address.is_some_and(|address| self.change_one(address));
            if done {
                acknowledged.fetch_add(1, Ordering::Relaxed);
            } else {
                pause(Duration::from_millis(10));
            }
        }
    }

    /// Whether it was acknowledged.
    fn change_one(&mut self, address: SocketAddr) -> bool {
        let ask = |request: Request| Client::new(address).ask(&request).ok();
        if self.live.is_empty() || (self.live.len() < MOST && self.dice.below(2) == 0) {
            let request = if self.is_registered { log_in(&self.name, PASSWORD) } else { register(&self.name) };
            let answer = ask(request);
            // Registered in doubt: then the name is taken.
            self.is_registered |= answer.as_ref().is_some_and(|answer| [201, 409].contains(&answer.status));
            let token = answer.filter(|answer| answer.status == 201).map(|answer| answer.text("token"));
            let Some((token, uuid)) = token.and_then(|token| Some((token.clone(), uuid(&token)?))) else {
                return false;
            };
            self.opened.insert(uuid.clone());
            self.live.push((token, uuid));
            return true;
        }
        let (token, uuid) = self.live.swap_remove(self.dice.below(self.live.len() as u64) as usize);
        let was_ended = ask(log_out(&token)).is_some_and(|answer: Answer| answer.status == 200);
        if was_ended {
            self.ended.insert(uuid)
        } else {
            self.doubtful.insert(uuid)
        };
        was_ended
    }
}

/// The `jti` of a token.
fn uuid(token: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Value>(&claims).ok()?["jti"].as_str().map(str::to_owned)
}
