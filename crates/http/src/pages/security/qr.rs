//! QR codes as pictures in a page.

use maud::{Markup, html};
use qrcodegen::{QrCode, QrCodeEcc};

/// White around the code, in modules (ISO/IEC 18004).
const QUIET: i32 = 4;

/// The code of a text; nothing where it is too long for one.
pub(super) fn picture(text: &str, label: &str) -> Option<Markup> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let size = code.size() + 2 * QUIET;
    let mut path = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            path.push_str(&format!("M{},{}h1v1h-1z", x + QUIET, y + QUIET));
        }
    }
    Some(html! {
        div.qr {
            svg viewBox={ "0 0 " (size) " " (size) } role="img" aria-label=(label) shape-rendering="crispEdges" {
                path d=(path) fill="#000" {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_a_picture_of_black_modules() {
        let drawn = picture("otpauth://totp/Thunderhead:ada?secret=ABC", "The code").unwrap().into_string();
        assert!(drawn.starts_with("<div class=\"qr\"><svg viewBox=\"0 0 "), "{drawn}");
        // The first finder pattern, behind the white around it.
        assert!(drawn.contains("d=\"M4,4h1v1h-1zM5,4h1v1h-1z") && !drawn.contains("style"), "{drawn}");
        assert!(picture(&"x".repeat(5_000), "").is_none());
    }
}
