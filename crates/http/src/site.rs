//! Where people find the pages and what the pages look like, as the operator says it.

pub mod cookie_domain;
pub mod public_url;
pub mod redirect_origins;

use actix_web::web::Bytes;

use crate::site::cookie_domain::CookieDomain;
use crate::site::public_url::PublicUrl;
use crate::site::redirect_origins::RedirectOrigins;

/// What the pages are made with.
#[derive(Clone, Debug)]
pub struct PageSettings {
    /// Where they are found.
    pub public_url: PublicUrl,
    /// Whether staff have pages, too.
    pub staff: bool,
    /// Where else a sign-in may lead.
    pub redirects: RedirectOrigins,
    /// The domain whose applications browsers show a pass, if there is one.
    pub pass_domain: Option<CookieDomain>,
    /// What the site is called.
    pub name: String,
    /// Its logo, instead of the name.
    pub logo: Option<Logo>,
    /// Rules that come after those of the pages' own style sheet.
    pub css: Option<Bytes>,
}

impl PageSettings {
    /// The same where the server listens at this port, if that was left to the system to pick.
    pub(crate) fn listening_at(self, port: Option<u16>) -> Self {
        let public_url = port.into_iter().fold(self.public_url, PublicUrl::at_port);
        Self { public_url, ..self }
    }
}

/// A picture that stands for the site.
#[derive(Clone, Debug)]
pub struct Logo {
    format: LogoFormat,
    pub(crate) bytes: Bytes,
}

/// What a logo may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LogoFormat {
    Svg,
    Png,
}

/// A file that is no picture of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a logo is an SVG or a PNG file")]
pub struct InvalidLogo;

impl Logo {
    /// A picture, which is told from others by what it begins with.
    ///
    /// # Errors
    /// Where it is neither SVG nor PNG.
    pub fn new(bytes: Vec<u8>) -> Result<Self, InvalidLogo> {
        let begins = bytes.trim_ascii_start();
        let format = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            LogoFormat::Png
        } else if begins.starts_with(b"<svg") || begins.starts_with(b"<?xml") {
            LogoFormat::Svg
        } else {
            return Err(InvalidLogo);
        };
        Ok(Self { format, bytes: Bytes::from(bytes) })
    }

    pub(crate) const fn content_type(&self) -> &'static str {
        match self.format {
            LogoFormat::Svg => "image/svg+xml",
            LogoFormat::Png => "image/png",
        }
    }

    pub(crate) const fn extension(&self) -> &'static str {
        match self.format {
            LogoFormat::Svg => "svg",
            LogoFormat::Png => "png",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logo_is_known_by_what_it_begins_with() {
        let format = |bytes: &[u8]| Logo::new(bytes.to_vec()).map(|logo| logo.format);
        assert_eq!(format(b"\n<svg xmlns='http://www.w3.org/2000/svg'/>"), Ok(LogoFormat::Svg));
        assert_eq!(format(b"\x89PNG\r\n\x1a\n..."), Ok(LogoFormat::Png));
        for other in [&b""[..], b"<html>", b"GIF89a", b"\xff\xd8\xff"] {
            assert_eq!(format(other), Err(InvalidLogo));
        }
    }
}
