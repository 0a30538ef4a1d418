//! The HTTP edge: one module per dialect, the gate in front of them, and what every request and response has.
//!
//! This crate knows the use cases and the domain, and neither a database nor its configuration.

pub mod client_ip;
pub mod cors;
pub mod flood;
pub mod limit;

mod api;
mod body;
mod call;
mod credential;
mod edge;
mod gate;
mod health;
mod jwks;
mod openapi;
mod query;
mod route;
mod services;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::{NormalizePath, TrailingSlash};
use actix_web::{App, HttpServer, web};
use thunderhead_auth::Auth;
use thunderhead_domain::ports::{Random, Storage};

use crate::client_ip::TrustedProxies;
use crate::cors::Origins;
use crate::edge::Edge;
use crate::flood::{FloodLimit, FloodShield};
use crate::gate::Shared;
use crate::limit::{Limit, Windows};
use crate::openapi::Documentation;

/// How long a client may take to send a request's head.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long requests in flight may take to finish at shutdown, in seconds.
const SHUTDOWN_SECONDS: u64 = 8;

/// The settings of the edge.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the current dialect is mounted: empty, or a path that starts with a slash and does not end in one.
    pub base_path: String,
    /// The limit of everything that is not named otherwise.
    pub general_limit: Limit,
    /// The limit of logins.
    pub login_limit: Limit,
    /// The shield in front of everything.
    pub flood_limit: FloodLimit,
    /// The proxies whose word about their clients is believed.
    pub trusted_proxies: TrustedProxies,
    /// The origins whose pages may call.
    pub origins: Origins,
    /// Threads that serve requests.
    pub workers: usize,
}

/// Starts to serve on a bound socket; the server ends when it is told to, or by a signal.
///
/// # Errors
/// Where the socket cannot be listened on.
pub fn serve(
    listener: TcpListener,
    settings: Settings,
    auth: Arc<Auth>,
    storage: Arc<dyn Storage>,
    random: Arc<dyn Random>,
) -> std::io::Result<Server> {
    let proxies = Arc::new(settings.trusted_proxies);
    let shield = FloodShield::new(settings.flood_limit, Arc::clone(&proxies))
        .ok_or_else(|| std::io::Error::other("the flood limit is out of range"))?;
    let shared = Arc::new(Shared {
        auth,
        windows: Windows::new(settings.general_limit, settings.login_limit),
        proxies,
        origins: settings.origins,
    });
    let base_path = settings.base_path;
    let documentation = Documentation::new(&api::table(), &base_path);
    let app = move || {
        let mount_all = |config: &mut web::ServiceConfig| {
            health::mount(config, Arc::clone(&storage));
            jwks::mount(config, &shared.auth);
            openapi::mount(config, &documentation);
            services::mount(config, &shared);
            let api = web::scope(&base_path).configure(|config| route::mount(config, &shared, api::table()));
            config.service(api.default_service(route::nowhere(&shared, None)));
        };
        App::new()
            .configure(mount_all)
            .default_service(route::nowhere(&shared, None))
            .wrap(NormalizePath::new(TrailingSlash::Trim))
            .wrap(shield.middleware())
            .wrap(cors::cors(&shared.origins))
            .wrap(Edge::new(Arc::clone(&random)))
    };
    let server = HttpServer::new(app)
        .workers(settings.workers.max(1))
        .client_request_timeout(HEAD_DEADLINE)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .listen(listener)?;
    Ok(server.run())
}
