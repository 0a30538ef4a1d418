//! Where the server listens: on an address, on all addresses of a host name, or on a Unix socket.

#[cfg(unix)]
mod socket_file;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

use socket2::{Domain, Protocol, Socket, Type};

#[cfg(unix)]
pub(crate) use self::socket_file::SocketFile;

/// What the name of a Unix socket begins with.
const UNIX: &str = "unix:";

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address and a port.
    Address(SocketAddr),
    /// All addresses of a host name.
    Host {
        /// The name.
        name: String,
        /// The port, the same on all of them.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

/// A text that is no place to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no place to listen at")]
pub struct InvalidPlace;

impl Place {
    /// The port; there is none to a Unix socket.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Address(address) => Some(address.port()),
            Self::Host { port, .. } => Some(*port),
            Self::Unix(_) => None,
        }
    }

    /// Whether nobody but this machine itself can come here. Who comes by a Unix socket is passed on by somebody else.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => address.ip().is_loopback(),
            // RFC 6761, section 6.3.
            Self::Host { name, .. } => name.eq_ignore_ascii_case("localhost"),
            Self::Unix(_) => false,
        }
    }
}

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        if let Some(path) = text.strip_prefix(UNIX) {
            let is_file = !path.is_empty() && !path.ends_with('/') && !path.contains('\0');
            return if is_file { Ok(Self::Unix(path.into())) } else { Err(InvalidPlace) };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let (name, port) = text.rsplit_once(':').ok_or(InvalidPlace)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_plain);
        let last = name.rsplit('.').next().unwrap_or_default();
        // What ends in a number is an address that was misspelt (URL Standard, *ends in a number*).
        let is_name = name.split('.').all(is_label) && last.bytes().any(|byte| !byte.is_ascii_digit());
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
        match port.parse() {
            Ok(port) if is_name && is_port => Ok(Self::Host { name: name.to_owned(), port }),
            _ => Err(InvalidPlace),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Host { name, port } => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// Sockets that are listened on.
pub struct Listeners {
    pub(crate) sockets: Vec<Listener>,
    #[cfg(unix)]
    pub(crate) file: Option<SocketFile>,
}

/// One of them.
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
}

impl Listeners {
    /// Listens at a place, with room for so many who wait to be taken in.
    ///
    /// # Errors
    /// Where the place is taken, not ours to take, or not there.
    pub fn at(place: &Place, backlog: u16) -> io::Result<Self> {
        match place {
            Place::Address(address) => Ok(listen(*address, backlog)?.into()),
            Place::Host { name, port } => Self::on_all((name.as_str(), *port).to_socket_addrs()?, backlog),
            #[cfg(unix)]
            Place::Unix(path) => {
                let (listener, file) = socket_file::listen(path, backlog)?;
                Ok(Self { sockets: vec![Listener::Unix(listener)], file: Some(file) })
            }
            #[cfg(not(unix))]
            Place::Unix(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets")),
        }
    }

    /// A name may have addresses that this machine does not have: of IPv6, where that is switched off.
    fn on_all(addresses: impl Iterator<Item = SocketAddr>, backlog: u16) -> io::Result<Self> {
        let mut sockets: Vec<TcpListener> = vec![];
        let mut missing = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
        for mut address in addresses {
            // Where the system is to pick a port, it is the same one for all.
            if let (0, Some(first)) = (address.port(), sockets.first()) {
                address.set_port(first.local_addr()?.port());
            }
            let is_there = sockets.iter().any(|socket| socket.local_addr().is_ok_and(|there| there == address));
            match listen(address, backlog) {
                _ if is_there => {}
                Ok(socket) => sockets.push(socket),
                Err(error) if is_of_no_use(&error) => missing = error,
                Err(error) => return Err(error),
            }
        }
        if sockets.is_empty() { Err(missing) } else { Ok(Self::of(sockets)) }
    }

    fn of(sockets: Vec<TcpListener>) -> Self {
        Self {
            sockets: sockets.into_iter().map(Listener::Tcp).collect(),
            #[cfg(unix)]
            file: None,
        }
    }

    /// The addresses; a Unix socket has none.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let tcp = |listener: &Listener| match listener {
            Listener::Tcp(listener) => Some(listener.local_addr()),
            #[cfg(unix)]
            Listener::Unix(_) => None,
        };
        self.sockets.iter().filter_map(tcp).collect()
    }

    /// The port that all of them share, if there is one.
    pub(crate) fn port(&self) -> Option<u16> {
        self.addresses().ok()?.first().map(SocketAddr::port)
    }
}

impl From<TcpListener> for Listeners {
    fn from(listener: TcpListener) -> Self {
        Self::of(vec![listener])
    }
}

fn is_of_no_use(error: &io::Error) -> bool {
    // Linux says this of an address whose family is switched off.
    const FAMILY_NOT_SUPPORTED: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable
        || (cfg!(target_os = "linux") && error.raw_os_error() == Some(FAMILY_NOT_SUPPORTED))
}

/// Listens on an address. As the standard library does it, but with a backlog of one's own.
fn listen(address: SocketAddr, backlog: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // After a restart, connections of the process before may still be closing.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_a_name_or_a_file() {
        let address = |text: &str| Ok(Place::Address(text.parse().unwrap()));
        let host = |name: &str, port| Ok(Place::Host { name: name.to_owned(), port });
        for (text, place) in [
            ("127.0.0.1:8000", address("127.0.0.1:8000")),
            ("[::1]:0", address("[::1]:0")),
            ("localhost:8000", host("localhost", 8_000)),
            ("auth-1.internal_net.example:80", host("auth-1.internal_net.example", 80)),
            ("unix:/run/thunderhead.sock", Ok(Place::Unix("/run/thunderhead.sock".into()))),
            ("unix:x.sock", Ok(Place::Unix("x.sock".into()))),
        ] {
            assert_eq!(text.parse(), place, "{text}");
            assert_eq!(place.unwrap().to_string(), text);
        }
        for text in [
            "",
            "x",
            "8000",
            ":8000",
            "localhost",
            "localhost:",
            "localhost:x",
            "localhost:65536",
            "localhost:+1",
            "127.0.0.1",
            "256.0.0.1:80",
            "127.1:80",
            "::1:80",
            "a b:80",
            "a..b:80",
            "http://a:80",
            "unix:",
            "unix:/run/",
        ] {
            assert_eq!(text.parse::<Place>(), Err(InvalidPlace), "{text}");
        }
    }

    #[test]
    fn all_addresses_of_a_name_are_listened_on_with_one_port() {
        let addresses = ["127.0.0.1:0", "127.0.0.2:0", "127.0.0.1:0", "192.0.2.1:0"];
        let addresses = addresses.map(|address| address.parse::<SocketAddr>().unwrap());
        let listeners = Listeners::on_all(addresses.into_iter(), 8).unwrap();
        let bound = listeners.addresses().unwrap();
        let ips: Vec<String> = bound.iter().map(|address| address.ip().to_string()).collect();
        if cfg!(target_os = "linux") {
            assert_eq!(ips, ["127.0.0.1", "127.0.0.2"]);
        }
        assert!(bound.iter().all(|address| address.port() == bound[0].port() && address.port() != 0));
        assert!(Listeners::on_all(bound.into_iter(), 8).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse));
        assert!(Listeners::on_all([].into_iter(), 8).is_err());
    }
}
