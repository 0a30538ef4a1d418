//! Reading e-mail addresses as they are typed.

use email_address::Options;
use thunderhead_domain::label::is_visible;
use thunderhead_domain::user::EmailAddress;

/// The longest address, in bytes (RFC 5321 §4.5.3.1.3, less the angle brackets).
pub(crate) const LONGEST_ADDRESS: usize = 254;

/// A text that is no e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address")]
pub struct InvalidEmail;

/// Reads an e-mail address that somebody is to have, as it is typed into a form: no display name, no address literal,
/// and nothing that hides in it, so that no two look the same for that.
///
/// # Errors
/// Where the text is not one, or too long.
pub fn parse_email(text: &str) -> Result<EmailAddress, InvalidEmail> {
    if is_visible(text) { existing_email(text) } else { Err(InvalidEmail) }
}

/// Reads an e-mail address that somebody may have, whenever they got it.
///
/// # Errors
/// Where nobody can have it.
pub(crate) fn existing_email(text: &str) -> Result<EmailAddress, InvalidEmail> {
    let options = Options::default().without_display_text().without_domain_literal();
    let plain = text.len() <= LONGEST_ADDRESS && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if plain && email_address::EmailAddress::parse_with_options(text, options).is_ok() {
        Ok(EmailAddress::from_checked(text.to_owned()))
    } else {
        Err(InvalidEmail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plain_and_bounded() {
        for good in ["ada@example.org", "Ada.L+x@sub.example.org", "o'neil@example.com"] {
            assert!(parse_email(good).is_ok(), "{good}");
        }
        let long = format!("{}@example.org", "x".repeat(250));
        for bad in
            ["", "ada", "@", "ada@", "@example.org", "a b@example.org", "Ada <ada@example.org>", &long, "a@[::1]"]
        {
            assert_eq!(parse_email(bad), Err(InvalidEmail), "{bad}");
        }
    }

    #[test]
    fn new_addresses_hide_nothing_and_older_ones_are_still_read() {
        for good in ["é@example.org", "用户@例え.jp"] {
            assert!(parse_email(good).is_ok(), "{good}");
        }
        let hidden = [
            '\u{3164}',
            '\u{115f}',
            '\u{1160}',
            '\u{ffa0}',
            '\u{200b}',
            '\u{200d}',
            '\u{202e}',
            '\u{2800}',
            '\u{ad}',
            '\u{fe0f}',
            '\u{e0041}',
            '\u{fff9}',
        ];
        for hidden in hidden {
            for bad in [format!("a{hidden}@example.org"), format!("a@exam{hidden}ple.org")] {
                assert_eq!(parse_email(&bad), Err(InvalidEmail), "{bad:?}");
            }
        }
        assert!(existing_email("a\u{3164}@example.org").is_ok());
        assert_eq!(existing_email("a b@example.org"), Err(InvalidEmail));
    }
}
