//! What a phone's camera does with a QR code on a page: jsQR reads it from the picture.

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::chromium::Chromium;
use super::packages;
use super::tab::Tab;

const READ: &str = "(async (source) => { \
    const image = new Image(); image.src = source; await image.decode(); \
    const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d'); canvas.drawImage(image, 0, 0); \
    const { data, width, height } = canvas.getImageData(0, 0, image.width, image.height); \
    return jsQR(data, width, height)?.data; })";

/// The camera. It has a tab of its own, where no policy of a page forbids anything.
pub(super) struct Scanner(Tab);

impl Scanner {
    pub(super) fn install(chromium: &Chromium) -> Result<Self> {
        let tab = chromium.tab()?;
        tab.evaluate(&format!("{}; null", packages::script("jsqr/dist/jsQR.js")?))?;
        Ok(Self(tab))
    }

    /// The text of the code in a picture.
    pub(super) fn read(&self, picture: &[u8]) -> Result<String> {
        let source = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(picture));
        let text = self.0.evaluate(&format!("{READ}({})", json!(source)))?;
        Ok(text.as_str().context("no QR code is found in the picture")?.to_owned())
    }
}
