//! Names and reasons that people write, and others read in lists: what is printable in them, by Unicode's properties.

use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

/// What one character shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Something.
    Visible,
    /// Nothing, but it takes room.
    Blank,
    /// How the two characters beside it are joined.
    Joiner,
    /// The character before it as a picture.
    Selector,
    /// Nothing, or it turns the text around it.
    Unprintable,
}

/// Whether a text is 1 to `longest` printable characters, of which one at least shows something.
pub fn is_label(text: &str, longest: usize) -> bool {
    text.chars().nth(longest).is_none() && shows_something(text) == Some(true)
}

/// Whether all of a text is printable. It may be empty.
pub fn is_printable(text: &str) -> bool {
    shows_something(text).is_some()
}

/// Whether every character of a text shows something by itself: no blanks, and nothing that joins or picks others.
pub fn is_visible(text: &str) -> bool {
    text.chars().all(|character| look(character) == Look::Visible)
}

/// Whether a character shows nothing, or might turn the text around it: a terminal must not be sent it.
pub fn is_unprintable(character: char) -> bool {
    look(character) == Look::Unprintable
}

/// A label made of any text: what is not printable becomes a space, and the rest is cut. `None` where nothing is left
/// that shows something.
pub(crate) fn cleaned(text: &str, longest: usize) -> Option<String> {
    let plain = |character| if matches!(look(character), Look::Visible) { character } else { ' ' };
    let text: String = text.trim().chars().take(longest).map(plain).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether a text shows anything; `None` where something in it is not printable.
fn shows_something(text: &str) -> Option<bool> {
    let (mut visible, mut after_visible, mut joining) = (false, false, false);
    for character in text.chars() {
        match look(character) {
            Look::Visible => (visible, after_visible, joining) = (true, true, false),
            Look::Blank if !joining => after_visible = false,
            Look::Selector if after_visible && !joining => {}
            Look::Joiner if after_visible && !joining => joining = true,
            Look::Blank | Look::Selector | Look::Joiner | Look::Unprintable => return None,
        }
    }
    (!joining).then_some(visible)
}

fn look(character: char) -> Look {
    match character {
        '!'..='~' => Look::Visible,
        // The last is a Braille cell without dots.
        ' ' | '\u{2800}' => Look::Blank,
        '\u{200c}' | '\u{200d}' => Look::Joiner,
        '\u{fe0f}' => Look::Selector,
        // Anchors of annotations, which are not for interchange.
        '\u{fff9}'..='\u{fffb}' => Look::Unprintable,
        _ => look_by_properties(character),
    }
}

fn look_by_properties(character: char) -> Look {
    use GeneralCategory::{Control, LineSeparator, ParagraphSeparator, SpaceSeparator};
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character);
    if ignorable || CodePointSetData::new::<BidiControl>().contains(character) {
        return Look::Unprintable;
    }
    match CodePointMapData::<GeneralCategory>::new().get(character) {
        Control | LineSeparator | ParagraphSeparator => Look::Unprintable,
        SpaceSeparator => Look::Blank,
        _ => Look::Visible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_a_label() {
        for text in [
            "x",
            "Way Cool Session",
            "José’s Mac",
            "日本\u{3000}語",
            "می\u{200c}خواهم",
            "👩\u{200d}💻 desk",
            "❤\u{fe0f}",
            "👁\u{fe0f}\u{200d}🗨\u{fe0f}",
            "e\u{301}",
            "\u{f8ff} Watch",
        ] {
            assert!(is_label(text, 128), "{text:?}");
        }
    }

    #[test]
    fn what_hides_or_turns_the_text_around_it_is_none() {
        for bad in [
            '\u{202e}',
            '\u{2066}',
            '\u{200b}',
            '\u{2028}',
            '\u{2029}',
            '\u{ad}',
            '\u{3164}',
            '\u{e0041}',
            '\u{7}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{200e}',
            '\u{200f}',
            '\u{61c}',
            '\u{2060}',
            '\u{feff}',
            '\u{115f}',
            '\u{180e}',
            '\u{fe00}',
            '\u{e0100}',
            '\u{fff9}',
            '\u{34f}',
            '\n',
        ] {
            assert!(!is_label(&format!("a{bad}b"), 128), "{bad:?}");
            assert!(!is_printable(&bad.to_string()), "{bad:?}");
        }
        for text in
            ["\u{200d}a", "a\u{200d}", "a\u{200d} b", "a \u{200d}b", "a\u{200d}\u{200c}b", "\u{fe0f}a", "a \u{fe0f}"]
        {
            assert!(!is_label(text, 128), "{text:?}");
        }
    }

    #[test]
    fn a_label_shows_something_and_is_not_too_long() {
        for text in ["", " ", "\u{a0}\u{3000}", "\u{2800}"] {
            assert!(!is_label(text, 128), "{text:?}");
            assert!(is_printable(text), "{text:?}");
        }
        assert!(is_label(&"ß".repeat(128), 128) && !is_label(&"ß".repeat(129), 128));
    }

    #[test]
    fn a_visible_text_has_no_blanks_and_nothing_that_joins_others() {
        for text in ["", "x", "日本語", "e\u{301}"] {
            assert!(is_visible(text), "{text:?}");
        }
        for text in ["a b", "a\u{a0}b", "می\u{200c}خواهم", "❤\u{fe0f}", "a\u{202e}b", "\n"] {
            assert!(!is_visible(text), "{text:?}");
        }
    }

    #[test]
    fn a_terminal_is_sent_blanks_and_what_joins_and_nothing_that_hides_or_turns() {
        for character in ['x', ' ', '\u{3000}', '\u{200d}', '\u{fe0f}', '語'] {
            assert!(!is_unprintable(character), "{character:?}");
        }
        for character in ['\u{1b}', '\n', '\u{202e}', '\u{200b}', '\u{2028}', '\u{fffa}'] {
            assert!(is_unprintable(character), "{character:?}");
        }
    }

    #[test]
    fn any_text_can_be_cleaned() {
        assert_eq!(cleaned("a\u{202e}b\u{200d}", 128).as_deref(), Some("a b"));
        assert_eq!(cleaned("\u{3164}", 128), None);
        assert_eq!(cleaned(&"x".repeat(200), 128).map(|text| text.len()), Some(128));
    }
}
