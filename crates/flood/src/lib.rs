//! The shield against floods: a leaky bucket per client IP (`docs/MODEL.md`, *Rate limits*). A crate of its own, because
//! actix-governor is under the GPL, and so is this.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_governor::governor::clock::{Clock, DefaultClock, QuantaInstant};
use actix_governor::governor::middleware::NoOpMiddleware;
use actix_governor::governor::{DefaultKeyedRateLimiter, NotUntil};
use actix_governor::{Governor, GovernorConfig, GovernorConfigBuilder, KeyExtractor};
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::RETRY_AFTER;
use actix_web::middleware::Condition;
use actix_web::{App, Error, HttpResponse, HttpResponseBuilder};
use thunderhead_http::middleware::shield::{FloodLimit, Shield, counted_client};
use thunderhead_http::request::client_ip::{IpBucket, TrustedProxies};

/// The shield of one process. Its clones share their counts: one goes to each worker.
#[derive(Clone)]
pub struct FloodShield {
    config: GovernorConfig<ClientKey, NoOpMiddleware>,
    on: bool,
}

impl FloodShield {
    /// Made once per process. `None` never comes of a [`FloodLimit`]; the builder cannot know.
    pub fn new(limit: FloodLimit, proxies: TrustedProxies) -> Option<Self> {
        let (period, burst, on) = match limit {
            FloodLimit::Off => (Duration::from_secs(1), 1, false),
            FloodLimit::Leaky { per_second, burst } => {
                let period = Duration::from_secs(1) / per_second.get();
                (period.max(Duration::from_nanos(1)), burst.get(), true)
            }
        };
        let key = ClientKey { proxies: Arc::new(proxies), sweeper: Arc::default() };
        let config =
            GovernorConfigBuilder::default().period(period).burst_size(burst).key_extractor(key.clone()).finish()?;
        key.sweeper.limiter.get_or_init(|| config.limiter());
        Some(Self { config, on })
    }
}

impl Shield for FloodShield {
    const LICENSE: &str = env!("CARGO_PKG_LICENSE");

    fn protect<T, B>(
        self,
        app: App<T>,
    ) -> App<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<impl MessageBody + 'static>,
            Error = Error,
            InitError = (),
        >,
    >
    where
        T: ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<B>, Error = Error, InitError = ()>
            + 'static,
        B: MessageBody + 'static,
    {
        app.wrap(Condition::new(self.on, Governor::new(&self.config)))
    }
}

type Limiter = DefaultKeyedRateLimiter<Key>;

/// Whom a request counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// Nobody.
    Exempt,
    /// Its client.
    Client(IpBucket),
}

/// Tells the governor whom a request counts against, and what a refusal looks like.
#[derive(Clone)]
struct ClientKey {
    proxies: Arc<TrustedProxies>,
    sweeper: Arc<Sweeper>,
}

impl KeyExtractor for ClientKey {
    type Key = Key;
    type KeyExtractionError = std::convert::Infallible;

    fn extract(&self, request: &ServiceRequest) -> Result<Key, Self::KeyExtractionError> {
        Ok(match counted_client(request, &self.proxies) {
            None => Key::Exempt,
            Some(client) => {
                self.sweeper.count();
                Key::Client(client)
            }
        })
    }

    fn whitelisted_keys(&self) -> Vec<Key> {
        vec![Key::Exempt]
    }

    // The builder that comes with the call carries a wait that is rounded down, and headers that no page of
    // ours names. The layer around it adds the body, which the dialect of the path decides.
    fn exceed_rate_limit_response(&self, negative: &NotUntil<QuantaInstant>, _: HttpResponseBuilder) -> HttpResponse {
        let wait = negative.wait_time_from(DefaultClock::default().now());
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        HttpResponse::TooManyRequests().insert_header((RETRY_AFTER, seconds.max(1))).finish()
    }
}

/// Forgets clients that have been quiet for long enough to start afresh: the governor itself never does.
/// A sweep looks at every client, so it waits for as many requests as there were clients after the last one.
#[derive(Default)]
struct Sweeper {
    limiter: OnceLock<Arc<Limiter>>,
    requests: AtomicUsize,
    clients: AtomicUsize,
}

impl Sweeper {
    /// The fewest requests between two sweeps.
    const FEWEST: usize = 4_096;

    fn count(&self) {
        let due = self.clients.load(Ordering::Relaxed).max(Self::FEWEST);
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        // Only the request that reaches the number sweeps; those that pass it meanwhile wait for the reset.
        if requests == due
            && let Some(limiter) = self.limiter.get()
        {
            limiter.retain_recent();
            limiter.shrink_to_fit();
            self.clients.store(limiter.len(), Ordering::Relaxed);
            self.requests.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::num::NonZeroU32;

    use actix_web::rt::System;
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::web;

    use super::*;

    fn leaky(per_second: u32, burst: u32) -> FloodLimit {
        let some = |number| NonZeroU32::new(number).unwrap();
        FloodLimit::Leaky { per_second: some(per_second), burst: some(burst) }
    }

    fn shield(limit: FloodLimit) -> FloodShield {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        FloodShield::new(limit, proxies).unwrap()
    }

    fn from(peer: &str) -> TestRequest {
        TestRequest::default().peer_addr(SocketAddr::new(peer.parse().unwrap(), 4711))
    }

    /// What one worker behind the shield answers to each of the requests.
    fn statuses(shield: &FloodShield, requests: Vec<TestRequest>) -> Vec<u16> {
        System::new().block_on(async {
            let app = shield.clone().protect(App::new().default_service(web::to(HttpResponse::Ok)));
            let worker = init_service(app).await;
            let mut statuses = Vec::new();
            for request in requests {
                statuses.push(call_service(&worker, request.to_request()).await.status().as_u16());
            }
            statuses
        })
    }

    #[test]
    fn a_burst_passes_and_what_comes_on_top_is_told_when_to_come_again() {
        let shield = shield(leaky(1, 2));
        assert_eq!(statuses(&shield, vec![from("192.0.2.1"), from("192.0.2.1")]), [200, 200]);
        System::new().block_on(async {
            let app = shield.clone().protect(App::new().default_service(web::to(HttpResponse::Ok)));
            let worker = init_service(app).await;
            let response = call_service(&worker, from("192.0.2.1").to_request()).await;
            assert_eq!(response.status(), 429);
            assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "1");
            assert_eq!(response.headers().get("x-ratelimit-after"), None);
        });
    }

    #[test]
    fn workers_share_the_count() {
        let shield = shield(leaky(1, 1));
        assert_eq!(statuses(&shield, vec![from("192.0.2.1")]), [200]);
        assert_eq!(statuses(&shield.clone(), vec![from("192.0.2.1"), from("192.0.2.2")]), [429, 200]);
    }

    #[test]
    fn clients_behind_a_trusted_proxy_are_told_apart_and_others_cannot_pretend() {
        let forwarded = |peer, client| from(peer).insert_header(("X-Forwarded-For", client));
        let requests = vec![
            forwarded("10.0.0.1", "192.0.2.1"),
            forwarded("10.0.0.1", "192.0.2.2"),
            forwarded("10.0.0.1", "192.0.2.1"),
            forwarded("192.0.2.3", "192.0.2.4"),
            forwarded("192.0.2.3", "192.0.2.5"),
        ];
        assert_eq!(statuses(&shield(leaky(1, 1)), requests), [200, 200, 429, 200, 429]);
    }

    #[test]
    fn health_is_not_counted_and_off_counts_nothing() {
        let health = || from("192.0.2.1").uri("/health/live?x=1");
        let requests = vec![health(), health(), from("192.0.2.1"), from("192.0.2.1"), health()];
        assert_eq!(statuses(&shield(leaky(1, 1)), requests), [200, 200, 200, 429, 200]);
        let requests = (0..50).map(|_| from("192.0.2.1")).collect();
        assert!(statuses(&shield(FloodLimit::Off), requests).iter().all(|status| *status == 200));
    }

    #[test]
    fn a_request_without_a_peer_address_is_counted_with_its_like() {
        let requests = vec![TestRequest::default(), TestRequest::default()];
        assert_eq!(statuses(&shield(leaky(1, 1)), requests), [200, 429]);
    }

    #[test]
    fn clients_that_have_been_quiet_are_forgotten() {
        // At this rate a client starts afresh within nanoseconds.
        let shield = shield(leaky(1_000_000_000, 1));
        let app = shield.clone().protect(App::new().default_service(web::to(HttpResponse::Ok)));
        System::new().block_on(async {
            let worker = init_service(app).await;
            for number in 0..3 * Sweeper::FEWEST as u32 {
                let address = std::net::Ipv4Addr::from_bits(0xc000_0000 + number);
                call_service(&worker, from(&address.to_string()).to_request()).await;
            }
        });
        assert!(shield.config.limiter().len() <= 2 * Sweeper::FEWEST);
    }
}
