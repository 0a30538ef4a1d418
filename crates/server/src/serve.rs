//! `thunderhead serve`: opens the database, says where everything is, and serves until a signal.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::rt;
use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use thunderhead_domain::ports::PageRequest;
use thunderhead_http::request::cookie::SessionCookie;
use thunderhead_http::server::connections::Connections;
use thunderhead_http::server::listen::{Listeners, Place};
use thunderhead_http::server::shutdown::{Draining, Exit};
use thunderhead_http::site::public_url::PublicUrl;
use thunderhead_webhook_client::WebhookClient;

use crate::application::{Adapters, Application};
use crate::config::Config;
use crate::database;
use crate::error::CommandError;
use crate::key_file;
use crate::log::{self, DroppedLines, Start};
use crate::metrics;
use crate::signals::Signals;
use crate::system::{SystemClock, SystemRandom, allow_files};
use crate::traces::{self, SpanExporter, SpanQueue};

/// Files that are open besides the connections of clients: databases, logs, listeners.
const OTHER_FILES: u64 = 512;

/// What is measured, and where it is to be read.
struct Measurements {
    address: SocketAddr,
    handle: PrometheusHandle,
    dropped_lines: DroppedLines,
}

/// Where the process listens.
struct Addresses {
    /// None of a Unix socket.
    server: Vec<SocketAddr>,
    metrics: Option<SocketAddr>,
}

/// Serves until the process is told to stop. Where there are no users yet, the command that makes the first one is
/// shown.
///
/// # Errors
/// Where something that serving needs is not there.
pub(crate) fn serve(config: Config, first_user_command: &str) -> Result<(), CommandError> {
    let (spans, traces) = traces::set_up(&config)?.unzip();
    let log = log::start(&config, spans)?;
    if !config.passed_over.is_empty() {
        let variables = config.passed_over.join(", ");
        tracing::info!(variables, "variables that Kubernetes sets for a Service were passed over");
    }
    // Before anything that is measured.
    let measure = |address| {
        let dropped_lines = log.dropped_lines().clone();
        Ok(Measurements { address, handle: metrics::install()?, dropped_lines })
    };
    let measurements = config.metrics_listen.map(measure).transpose().map_err(CommandError::Refused)?;
    let mut database = database::open_or_make(&config)?;
    database.lock.sign("the server").context("the lock of the database")?;
    let storage = Arc::clone(&database.storage);
    let adapters = Adapters {
        storage,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        webhook_sender: Arc::new(WebhookClient::default()),
    };
    rt::System::new().block_on(async {
        run(&Application::build(config, adapters).await?, measurements, traces, first_user_command).await
    })
}

async fn run(
    application: &Application,
    measurements: Option<Measurements>,
    traces: Option<SpanQueue>,
    first_user_command: &str,
) -> Result<(), CommandError> {
    let config = application.config();
    let connections = config.http.connections;
    let cannot_listen = || format!("cannot listen on {}", config.listen);
    let mut listeners = Listeners::at(&config.listen, connections.backlog).with_context(cannot_listen)?;
    let server_addresses = listeners.addresses().with_context(cannot_listen)?;
    let draining = Draining::default();
    let exit = Exit::of(&mut listeners, draining.clone()).with_context(cannot_listen)?;
    let server = application.serve(listeners, &draining).with_context(cannot_listen)?;
    let signals = Signals::listen().context("cannot listen for signals")?;
    let metrics_address = measurements.map(serve_metrics).transpose()?;
    let addresses = Addresses { server: server_addresses, metrics: metrics_address };
    announce(application, addresses, first_user_command).await;
    warn_of_few_files(connections);
    let exporter = traces.map(SpanExporter::start);
    let tasks = application.start_tasks();
    until_stopped(server, exit, config.http.drain, signals).await?;
    tasks.stop().await;
    if let Some(exporter) = exporter {
        exporter.stop().await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Serves until a signal, and then to the end of what has begun. A second signal ends that.
async fn until_stopped(server: Server, exit: Exit, drain: Duration, mut signals: Signals) -> Result<(), CommandError> {
    let handle = server.handle();
    let mut server = pin!(server);
    tokio::select! {
        ended = &mut server => return Ok(ended.context("the server broke off")?),
        signal = signals.next() => tracing::info!(signal, "stopping"),
    }
    let leaving = rt::spawn(exit.leave(handle, drain));
    tokio::select! {
        ended = server => ended.context("the server broke off")?,
        signal = signals.next() => {
            leaving.abort();
            return Err(CommandError::Refused(anyhow::anyhow!("a second signal ({signal}) cut the shutdown short")));
        }
    }
    Ok(())
}

/// Has the measurements served until the process ends. Returns where.
fn serve_metrics(measurements: Measurements) -> Result<SocketAddr, CommandError> {
    let Measurements { address, handle, dropped_lines } = measurements;
    let cannot_listen = || format!("`metrics_listen`: cannot listen on {address}");
    let listener = TcpListener::bind(address).with_context(cannot_listen)?;
    let address = listener.local_addr().with_context(cannot_listen)?;
    let server = metrics::serve(listener, handle, dropped_lines).with_context(cannot_listen)?;
    rt::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(error = &error as &dyn std::error::Error, "the measurements are not served any more");
        }
    });
    Ok(address)
}

/// Each connection is a file to the system.
fn warn_of_few_files(connections: Connections) {
    let wanted = connections.descriptors() + OTHER_FILES;
    let allowed = allow_files(wanted);
    if allowed < wanted {
        tracing::warn!(
            allowed,
            wanted,
            "the system lets this process open too few files for `http.max_connections`: raise its limit (`ulimit -n`, \
             `LimitNOFILE=`), or lower the setting"
        );
    }
}

/// Says where everything is, and warns of what should not be so for long.
async fn announce(application: &Application, addresses: Addresses, first_user_command: &str) {
    let (config, adapters) = (application.config(), application.adapters());
    let no_users = match adapters.storage.account_page(PageRequest { limit: 0, offset: 0 }).await {
        Ok(page) => page.count == 0,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the users cannot be counted");
            false
        }
    };
    let start = Start {
        server: server_url(&config.listen, &addresses.server),
        base_path: &config.http.base_path,
        pages: pages_url(config, &addresses.server),
        database: config.database.url.to_string(),
        encryption_key: application.key_file().map(|file| file.display().to_string()),
        metrics: addresses.metrics.map(|address| format!("http://{address}/metrics")),
        first_user_command: no_users.then_some(first_user_command),
    };
    start.print(config.log_format, adapters.clock.now());
    if application.key_file_is_exposed() {
        tracing::warn!("the encryption key file can be read by others than its owner: chmod 600");
    }
    let folder = config.database.url.sqlite_path().and_then(Path::parent);
    let folder = folder.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    if let Some(folder) = folder.filter(|folder| key_file::is_open_to_everybody(folder)) {
        tracing::warn!(folder = %folder.display(), "everybody on this machine may enter the data folder: chmod 700");
    }
    if config.pages_lack_url {
        tracing::warn!(
            "there are no pages for people: set `public_url` to where browsers find this server, such as \
             https://auth.example.org, or `pages.enabled` to off"
        );
    }
    let is_here = config.http.public_url.as_ref().is_some_and(|url| !url.is_https());
    if config.http.cookie == SessionCookie::Plain && !is_here {
        tracing::warn!(
            "THE SESSION COOKIE GOES OVER PLAIN HTTP (`insecure_cookie`): whoever is on the way can read it. \
             For development only"
        );
    }
}

/// Where people find the pages.
fn pages_url(config: &Config, addresses: &[SocketAddr]) -> Option<String> {
    let url = config.http.pages.as_ref()?.public_url.clone();
    let port = addresses.first().map(SocketAddr::port);
    Some(port.into_iter().fold(url, PublicUrl::at_port).to_string())
}

/// Where the server is, without a path. A Unix socket is written as nginx writes it.
fn server_url(listen: &Place, addresses: &[SocketAddr]) -> String {
    let port = addresses.first().map_or(0, SocketAddr::port);
    match (listen, addresses.first()) {
        (Place::Host { name, .. }, _) => format!("http://{name}:{port}"),
        (Place::Address(address), None) | (Place::Address(_), Some(address)) => format!("http://{address}"),
        (Place::Unix(path), _) => format!("http://unix:{}:", path.display()),
    }
}
