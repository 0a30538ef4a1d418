//! The file of a Unix socket: made, replaced where a dead process has left one, and removed in the end.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// Who may connect: whoever may write to the file. A proxy is another user, of the same group.
const MODE: u32 = 0o660;

/// Device and number of a file, and the moment of its making: numbers are given again.
type Identity = (u64, u64, i64, i64);

/// The file of a socket that this process has made. It is removed when this is dropped.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Tells another process' file of the same name apart.
    identity: Option<Identity>,
}

/// Listens on a new file.
pub(super) fn listen(path: &Path, backlog: u16) -> io::Result<(UnixListener, SocketFile)> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // The file's name must lead to it from wherever the process goes.
    let path = std::path::absolute(path)?;
    let file = SocketFile { identity: identity(&path), path };
    // Nobody can connect before there is somebody who listens.
    fs::set_permissions(&file.path, fs::Permissions::from_mode(MODE))?;
    socket.listen(backlog.into())?;
    Ok((socket.into(), file))
}

/// Removes the socket of a process that has not cleared it away.
fn remove_stale(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "there is a file that is no socket"));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(ErrorKind::AddrInUse, "another process listens there")),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        // It went away meanwhile.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec()))
}

impl SocketFile {
    /// Removes the file: who has connected stays, and nobody finds the way any more.
    pub(crate) fn remove(&mut self) {
        let ours = self.identity.take();
        if ours.is_some()
            && ours == identity(&self.path)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, file = %self.path.display(), "the socket was not removed");
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_for_its_owner_and_group_and_goes_with_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        let (listener, file) = listen(&path, 8).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        let taken = listen(&path, 8).err().unwrap();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        drop((listener, file));
        assert!(!path.exists());
    }

    #[test]
    fn one_that_was_left_is_replaced_and_what_is_no_socket_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let (_listener, _file) = listen(&path, 8).unwrap();
        UnixStream::connect(&path).unwrap();
        let other = folder.path().join("x.db");
        fs::write(&other, "precious").unwrap();
        assert!(listen(&other, 8).is_err());
        assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
    }

    #[test]
    fn the_socket_of_a_successor_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        let (_first, mut file) = listen(&path, 8).unwrap();
        file.remove();
        let (_second, _its_file) = listen(&path, 8).unwrap();
        drop(file);
        assert!(path.exists());
    }
}
