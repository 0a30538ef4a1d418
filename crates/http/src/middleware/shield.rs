//! The place of a shield against floods, in front of every endpoint. This crate has none: whoever serves brings one.

use std::num::NonZeroU32;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, Error};

use crate::request::client_ip::{IpBucket, TrustedProxies};
use crate::roots::is_exempt_from_flood_shield;

/// How fast one client may send requests at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloodLimit {
    /// As fast as it likes.
    Off,
    /// Steadily so many in a second, and some more at once after a pause.
    Leaky {
        /// Requests per second in the long run.
        per_second: NonZeroU32,
        /// Requests at once.
        burst: NonZeroU32,
    },
}

/// A shield of one process. Its clones share their counts: one goes to each worker.
///
/// It answers what it refuses with a status and headers alone. The body comes from the dialect of the path.
pub trait Shield: Clone + Send + 'static {
    /// The licence of a program that has it, as an SPDX expression.
    const LICENSE: &str;

    /// Puts it in front of an app.
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
        B: MessageBody + 'static;
}

/// Lets everything through.
#[derive(Clone, Copy, Debug)]
pub struct NoShield;

impl Shield for NoShield {
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
        app
    }
}

/// Whom a request counts against. Nobody, where proxies and supervisors ask all the time.
pub fn counted_client(request: &ServiceRequest, proxies: &TrustedProxies) -> Option<IpBucket> {
    if is_exempt_from_flood_shield(request.path()) {
        return None;
    }
    let peer = request.peer_addr().map(|socket| socket.ip());
    Some(proxies.client_of(peer, request.headers()).bucket())
}
