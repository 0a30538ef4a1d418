//! The HTTP server: one module per dialect, the access check in front of them, and what every request and response has.
//!
//! This crate knows the use cases and the domain, and neither a database nor its configuration.

pub mod access;
pub mod dialects;
pub mod events;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod identity_headers;
pub mod middleware;
pub mod request;
pub mod server;
pub mod site;

mod api;
mod json_object;
mod kratos;
mod legacy;
mod metrics;
mod openapi;
mod pages;
mod roots;
mod services;
mod session_query;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, Service};
use actix_web::{App, HttpServer, web};
use thunderhead_auth::Auth;
use thunderhead_domain::ports::{Random, Storage};

use crate::access::authorization::Shared;
use crate::access::mount::nowhere;
use crate::access::rate_limit::{Limit, Limits, Windows};
use crate::api::Api;
use crate::identity_headers::IdentityHeaders;
use crate::middleware::decoration::decorate;
use crate::middleware::logged_requests::LoggedRequests;
use crate::middleware::request_context::RequestContextLayer;
use crate::middleware::shield::Shield;
use crate::middleware::{cors, path};
use crate::pages::Kit;
use crate::request::client_ip::TrustedProxies;
use crate::request::cookie::SessionCookie;
use crate::request::credential_order::CredentialOrder;
use crate::request::origin::Origins;
use crate::roots::RootEndpoint;
use crate::server::connections;
use crate::server::connections::Connections;
use crate::server::connections::registry::Registry;
use crate::server::listen::{Listener, Listeners};
use crate::server::shutdown::Draining;
use crate::services::RootServices;
use crate::services::forward_auth::ForwardAuth;
use crate::services::forward_auth::sign_in::SignIn;
use crate::services::metadata::Metadata;
use crate::services::openapi_document::Documentation;
use crate::site::PageSettings;
use crate::site::public_url::PublicUrl;

/// More workers than that actix-web refuses.
const MOST_WORKERS: usize = 512;
/// How long a connection that is being closed may take for it.
const CLOSING_DEADLINE: Duration = Duration::from_secs(2);
/// How long requests in flight may take to finish at shutdown, in seconds: with all that comes before and after, the
/// process ends within ten.
const SHUTDOWN_SECONDS: u64 = 5;

/// The settings of the HTTP server.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where the current dialect is mounted: empty, or a path that starts with a slash and does not end in one.
    pub base_path: String,
    /// The limit of everything that is not named otherwise.
    pub general_limit: Limit,
    /// The limit of logins.
    pub login_limit: Limit,
    /// The limit of revocations of one's own sessions.
    pub revocation_limit: Limit,
    /// The proxies that are trusted to name their clients.
    pub trusted_proxies: TrustedProxies,
    /// The origins whose pages may call.
    pub origins: Origins,
    /// The session cookie.
    pub cookie: SessionCookie,
    /// Where browsers find the server, if that is known.
    pub public_url: Option<PublicUrl>,
    /// The pages for people, if there are any.
    pub pages: Option<PageSettings>,
    /// Where the requests that proxies ask about carry their credential.
    pub forward_auth_credentials: CredentialOrder,
    /// What the headers are called that tell who makes them.
    pub forward_auth_headers: IdentityHeaders,
    /// Threads that serve requests.
    pub workers: usize,
    /// What connections may take.
    pub connections: Connections,
    /// Which requests are logged.
    pub log_requests: LoggedRequests,
    /// Whether the log has the addresses of clients and the ids of users.
    pub log_clients: bool,
    /// Whether a server that cannot write says that it is not ready.
    pub ready_needs_writes: bool,
    /// How long the server goes on after it was told to stop, so that load balancers notice that it is not ready.
    pub drain: Duration,
}

/// Starts to serve on bound sockets; the server ends when it is told to ([`shutdown::Exit`]). Signals are not its
/// business.
///
/// # Errors
/// Where the socket cannot be listened on, or the base path is taken.
pub fn serve<S: Shield>(
    listeners: impl Into<Listeners>,
    settings: HttpSettings,
    auth: Arc<Auth>,
    storage: Arc<dyn Storage>,
    random: Arc<dyn Random>,
    shield: S,
    draining: &Draining,
) -> std::io::Result<Server> {
    let listeners = listeners.into();
    let kit = settings.pages.map(|site| Arc::new(Kit::new(site.listening_at(listeners.port()))));
    let own_origin = kit.as_ref().map(|kit| kit.site().public_url.origin());
    let shared = Arc::new(Shared {
        auth,
        windows: Windows::new(Limits {
            general: settings.general_limit,
            login: settings.login_limit,
            revocation: settings.revocation_limit,
        }),
        proxies: Arc::new(settings.trusted_proxies),
        origins: own_origin.into_iter().fold(settings.origins, Origins::beside),
        cookie: settings.cookie,
        pass_domain: kit.as_ref().and_then(|kit| kit.site().pass_domain.clone()),
    });
    let forward_auth = forward_auth(
        &settings.forward_auth_credentials,
        settings.forward_auth_headers,
        kit.as_deref(),
        settings.cookie,
    );
    let HttpSettings { base_path, connections, log_requests, log_clients, .. } = settings;
    if dialects::is_taken(&base_path) {
        let text = format!("the base path {base_path} is taken by other endpoints");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, text));
    }
    let workers = settings.workers.clamp(1, MOST_WORKERS);
    let draining = draining.clone();
    let registry = Arc::new(Registry::new(connections.most, connections.most_of_client, Arc::clone(&shared.proxies)));
    let services = RootServices {
        shared: Arc::clone(&shared),
        storage,
        draining: draining.clone(),
        ready_needs_writes: settings.ready_needs_writes,
        forward_auth: Arc::new(forward_auth),
        documentation: Documentation::new(&base_path, S::LICENSE),
        metadata: Metadata::of(shared.auth.tokens.issuer()),
        has_pages: kit.is_some(),
    };
    metrics::register(dialects::endpoints(&base_path, kit.is_some()));
    let app = move || {
        let mount_all = |config: &mut web::ServiceConfig| {
            // Routes are tried one after the other. Most requests are for the API; where it is mounted above an endpoint
            // of the root, that comes first.
            let hides_others = RootEndpoint::ALL.iter().any(|endpoint| endpoint.path().starts_with(&base_path));
            if !hides_others {
                dialects::mount_below_base_path(config, &shared, &base_path);
            }
            services.mount(config, &base_path);
            dialects::mount_elsewhere(config, &shared);
            if let Some(kit) = &kit {
                pages::mount(config, &shared, kit);
            }
            if hides_others {
                dialects::mount_below_base_path(config, &shared, &base_path);
            }
        };
        let (base_path, auth) = (base_path.clone(), Arc::clone(&shared.auth));
        let error_format = if kit.is_some() { dialects::error_format_beside_pages } else { dialects::error_format };
        let context = RequestContextLayer::new(Arc::clone(&random), draining.clone(), error_format);
        let app = App::new().configure(mount_all).default_service(nowhere::<Api>(&shared, None)).wrap_fn(
            |mut request, service| {
                path::tidy(&mut request);
                service.call(request)
            },
        );
        let app = shield.clone().protect(app);
        app.wrap(cors::cors(&shared.origins))
            .wrap_fn(move |mut request, service| {
                cors::hide_preflights_of_envoy(&mut request);
                let decoration = dialects::decoration(&request, &base_path);
                let (answer, auth) = (service.call(request), Arc::clone(&auth));
                async move {
                    let answer = answer.await;
                    match decoration {
                        Some(decoration) => decorate(decoration, answer, auth.clock().now()),
                        None => answer,
                    }
                }
            })
            .wrap(context.with_clients(Arc::clone(&shared.proxies), log_clients).logging(log_requests))
    };
    let mut server = HttpServer::new(app)
        .workers(workers)
        .max_connections(connections.each_of(workers))
        .on_connect(move |connection, data| connections::watch(connection, data, &registry, connections))
        .client_request_timeout(connections.head_deadline)
        .client_disconnect_timeout(CLOSING_DEADLINE)
        .keep_alive(connections.keep_alive)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals();
    for listener in listeners.sockets {
        server = match listener {
            Listener::Tcp(listener) => server.listen(listener)?,
            #[cfg(unix)]
            Listener::Unix(listener) => server.listen_uds(listener)?,
        };
    }
    Ok(server.run())
}

/// What the questions of proxies share. Browsers that they ask about are led to the pages.
fn forward_auth(
    credentials: &CredentialOrder,
    headers: IdentityHeaders,
    kit: Option<&Kit>,
    cookie: SessionCookie,
) -> ForwardAuth {
    let site = kit.map(Kit::site);
    let places = credentials.places(site.is_some_and(|site| site.pass_domain.is_some()));
    let sign_in = site.map(|site| SignIn::new(site, cookie, &places));
    ForwardAuth::new(places, headers, sign_in)
}
