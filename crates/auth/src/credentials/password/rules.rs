//! What is accepted as a new password (`docs/MODEL.md`, *Accounts*): the rules that cost nothing, and an
//! estimate of how soon it is guessed, whose cost has a bound whatever was typed.

use std::panic::{UnwindSafe, catch_unwind};

use crate::credentials::password::{Password, composed};

/// The estimator looks at this many characters at most: its cost grows faster than the text.
///
/// Two of its numbers overflow in texts as long as this, and wrapping leaves the result right. The turns of a keyboard
/// pattern count as 4^turns, or 5^turns on a keypad, which is too much from 32 or 28 turns on; but those are added,
/// with saturation, to a sum that is at its highest after the 31 or 27 before them. The order of n matches counts as
/// n!, which is too much from 21 on; but it is multiplied, with saturation, with 10 attempts or more for each of them,
/// which are too much as well, and no n! up to 65! wraps to nothing.
const LONGEST_HEAD: usize = 40;
/// The most that an estimate may cost: readings of the text, times its length, squared. That is a sixth of an Argon2id
/// hash with the default parameters (`examples/costs.rs` measures it).
const MOST_WORK: usize = 40_000;

/// The characters that stand for each letter in "leet". The estimator reads a text once for every way to put letters in
/// the place of those that occur: of all of them together there are hundreds.
const LEET: [&[char]; 12] = [
    &['4', '@'],
    &['8'],
    &['(', '{', '[', '<'],
    &['3'],
    &['6', '9'],
    &['1', '!', '|'],
    &['1', '|', '7'],
    &['0'],
    &['$', '5'],
    &['+', '7'],
    &['%'],
    &['2'],
];

/// A password that may be set: long enough, and not easily guessed. It is in Unicode's form NFC (RFC 8265).
#[derive(Debug)]
pub struct NewPassword(pub(super) Password);

/// A password that must not be set, and the rule that it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnacceptablePassword {
    /// Shorter than [`NewPassword::MIN`].
    #[error("the password is too short: it takes at least {} characters", NewPassword::MIN)]
    TooShort,
    /// Longer than [`NewPassword::MAX`].
    #[error("the password is too long: it takes at most {} bytes", NewPassword::MAX)]
    TooLong,
    /// The user's name or address, or what stands before the `@`.
    #[error("the password is the user's own name or address")]
    Personal,
    /// Common, or a pattern that is soon guessed.
    #[error("the password is too common or too easily guessed: take several words that do not belong together")]
    Common,
}

/// A password that keeps the rules which cost nothing. Whether it is easily guessed is not known yet.
#[derive(Debug)]
pub struct Candidate {
    password: Password,
    personal: Vec<String>,
}

impl NewPassword {
    /// The shortest, in characters.
    pub const MIN: usize = 8;
    /// The longest, in bytes.
    pub const MAX: usize = 1024;

    /// Applies all rules. `personal` are the texts that belong to the user: name and address.
    ///
    /// # Errors
    /// Where the password is too short, too long, common, or one of the personal texts.
    pub fn new(password: Password, personal: &[&str]) -> Result<Self, UnacceptablePassword> {
        Candidate::new(password, personal.iter().map(|text| (*text).to_owned()).collect())?.estimate()
    }
}

impl Candidate {
    /// Applies the rules that cost nothing. `personal` are the texts that belong to the user: name and address.
    ///
    /// # Errors
    /// Where the password is too short, too long, or one of the personal texts.
    pub fn new(password: Password, personal: Vec<String>) -> Result<Self, UnacceptablePassword> {
        // Composing makes a text shorter by less than this.
        if password.text().len() > 8 * NewPassword::MAX {
            return Err(UnacceptablePassword::TooLong);
        }
        let password = password.into_composed();
        let text = password.text();
        if text.chars().take(NewPassword::MIN).count() < NewPassword::MIN {
            return Err(UnacceptablePassword::TooShort);
        }
        if text.len() > NewPassword::MAX {
            return Err(UnacceptablePassword::TooLong);
        }
        let is_own = |personal: &String| {
            let local_part = personal.split('@').next().unwrap_or(personal);
            same_text(text, personal) || same_text(text, local_part)
        };
        if personal.iter().any(is_own) {
            return Err(UnacceptablePassword::Personal);
        }
        Ok(Self { password, personal })
    }

    /// Whether the confirmation is the same text, in whatever form a keyboard sends it.
    pub fn is(&self, confirmation: &str) -> bool {
        self.password.text() == composed(confirmation)
    }

    /// Estimates how soon the password is guessed. This takes a processor as long as a small part of a hash does.
    ///
    /// # Errors
    /// Where it is common, or soon guessed.
    pub fn estimate(self) -> Result<NewPassword, UnacceptablePassword> {
        let personal: Vec<&str> = self.personal.iter().map(String::as_str).collect();
        let head = head(self.password.text());
        if is_common(|| zxcvbn::zxcvbn(head, &personal).score()) {
            return Err(UnacceptablePassword::Common);
        }
        Ok(NewPassword(self.password))
    }
}

/// Whether an estimate comes out too low. What the estimator cannot cope with has not been shown to be hard to guess,
/// and must take neither a request nor a command with it.
fn is_common(estimate: impl FnOnce() -> zxcvbn::Score + UnwindSafe) -> bool {
    catch_unwind(estimate).map_or(true, |score| score < zxcvbn::Score::Two)
}

fn same_text(left: &str, right: &str) -> bool {
    !right.is_empty() && left.to_lowercase() == right.to_lowercase()
}

/// As much of a text as may be estimated.
fn head(text: &str) -> &str {
    let ends = text.char_indices().map(|(start, character)| start + character.len_utf8()).take(LONGEST_HEAD);
    let fits = |(number, end): &(usize, usize)| readings(&text[..*end]) * (number + 1).pow(2) <= MOST_WORK;
    let end = ends.enumerate().take_while(fits).last().map_or(0, |(_, end)| end);
    &text[..end]
}

/// How often the estimator reads a text at most.
fn readings(text: &str) -> usize {
    let ways = |letter: &[char]| {
        let occurring = letter.iter().filter(|character| text.contains(**character));
        // Those that stand for two letters double what there is.
        occurring.map(|character| if matches!(character, '1' | '|' | '7') { 2 } else { 1 }).sum::<usize>().max(1)
    };
    LEET.into_iter().map(ways).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Result<(), UnacceptablePassword> {
        NewPassword::new(Password::new(text.to_owned()), &["ada-lovelace", "countess.ada@example.org"]).map(drop)
    }

    #[test]
    fn new_passwords_are_8_characters_to_1024_bytes_and_hard_to_attempt() {
        use UnacceptablePassword::{Common, Personal, TooLong, TooShort};
        let long = "long and winding road ".repeat(46);
        for good in ["correct horse battery", " spaces around count ", "пароль-кобыла-скоба", &long] {
            assert_eq!(rule(good), Ok(()), "{good:?}");
        }
        for (refused, broken) in [
            ("", TooShort),
            ("Zk3#q9x", TooShort),
            ("пароль!", TooShort),
            // Seven characters, of which each is typed as two.
            (&"e\u{301}".repeat(7), TooShort),
            (&"x9Fq".repeat(257), TooLong),
            (&"e\u{301}x9Fq".repeat(2_000), TooLong),
            ("password", Common),
            ("12345678", Common),
            ("aaaaaaaaaaaa", Common),
            ("qwertyuiop", Common),
            ("ADA-lovelace", Personal),
            ("Countess.Ada@example.org", Personal),
            ("countess.ada", Personal),
        ] {
            assert_eq!(rule(refused), Err(broken), "{refused:?}");
        }
    }

    #[test]
    fn a_confirmation_may_come_in_another_unicode_form() {
        let candidate = |text: &str| Candidate::new(Password::new(text.to_owned()), vec![]).unwrap();
        assert!(candidate("caf\u{e9} au lait").is("cafe\u{301} au lait"));
        assert!(candidate("cafe\u{301} au lait").is("caf\u{e9} au lait"));
        assert!(!candidate("caf\u{e9} au lait").is("cafe au lait"));
    }

    #[test]
    fn no_text_makes_the_estimator_work_for_longer_than_it_may() {
        let leet = "4@8({[<3691!|70$5+%2";
        for text in [leet.repeat(5), "1|7".repeat(40), format!("{}{leet}", "a".repeat(39)), "é".repeat(100)] {
            let head = head(&text);
            let length = head.chars().count();
            assert!(readings(head) * length * length <= MOST_WORK && length <= LONGEST_HEAD, "{head:?}");
            // What is left is enough to tell a common password.
            assert!(length >= 12, "{head:?}");
        }
        assert_eq!(head("correct horse battery staple, 42 times!").len(), 39);
        assert_eq!(head(""), "");
    }

    #[test]
    fn no_text_makes_the_estimator_panic() {
        let alphabets = [
            "69",
            "$5",
            "4@",
            "1|7!",
            "0o",
            "aA4@",
            "qwe",
            "aoeu",
            "7896",
            "159",
            "1/*-+",
            "=/*",
            "abc",
            "cba",
            "0123456789",
            "1.9",
            "1/ 20",
            "٣٤1",
            "ßẞİı",
            "éa",
            "👩\u{200d}💻",
            "aA",
            "pP4@sS$5wW0oOrRdD",
        ];
        // A generator without state elsewhere (Knuth, MMIX): a text that failed once fails again.
        let mut state: u64 = 1_843;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        for alphabet in alphabets {
            let characters: Vec<char> = alphabet.chars().collect();
            let mut texts: Vec<String> =
                (8..=LONGEST_HEAD).step_by(4).map(|length| characters.iter().cycle().take(length).collect()).collect();
            texts.extend((0..12).map(|_| {
                let length = 8 + next(LONGEST_HEAD - 7);
                (0..length).map(|_| characters[next(characters.len())]).collect::<String>()
            }));
            for text in texts {
                let estimated = catch_unwind(|| zxcvbn::zxcvbn(head(&text), &["ada-lovelace"]).score());
                assert!(estimated.is_ok(), "{text:?}");
            }
        }
    }

    #[test]
    fn a_text_with_more_turns_than_can_be_counted_is_no_less_common_for_it() {
        for common in ["69".repeat(20), "$5".repeat(20), "69".repeat(512)] {
            assert_eq!(rule(&common), Err(UnacceptablePassword::Common), "{common}");
        }
        // Turns at every key, and nothing that repeats.
        assert_eq!(rule("qawsedrftgyhujikolpqazwsxedcrfvtgbyhnujm"), Ok(()));
    }

    #[test]
    fn a_text_that_cannot_be_estimated_is_taken_for_a_common_one() {
        assert!(is_common(|| panic!("made up")));
        assert!(is_common(|| zxcvbn::Score::One) && !is_common(|| zxcvbn::Score::Two));
    }

    #[test]
    fn leet_is_seen_through() {
        for common in ["p@$$w0rd", "P@55w0rd!", "1l0v3y0u", "dr4g0n123"] {
            assert_eq!(rule(common), Err(UnacceptablePassword::Common), "{common}");
        }
    }
}
