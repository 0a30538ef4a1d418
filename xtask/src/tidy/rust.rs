//! Rust sources as tokens, without comments and without what is compiled for tests alone.

/// A word, a number, a string with its quotes, `::`, or one other sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    /// Counted from 0.
    pub(super) line: usize,
}

/// The tokens of a file, without items under `#[cfg(test)]`.
pub(super) fn product(source: &str) -> Vec<Token<'_>> {
    without_tests(&tokens(source))
}

fn tokens(source: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut rest, mut line) = (vec![], source, 0);
    while let Some(first) = rest.chars().next() {
        let length = length(rest, first).max(first.len_utf8()).min(rest.len());
        let (text, after) = rest.split_at(length);
        if !first.is_whitespace() && !is_comment(text) {
            tokens.push(Token { text, line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

fn is_comment(text: &str) -> bool {
    text.starts_with("//") || text.starts_with("/*")
}

/// How long the first token is, or the comment, or the space.
fn length(rest: &str, first: char) -> usize {
    let word = |text: &str| text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with("::") {
        return 2;
    }
    // The letters before a string say what it is.
    let prefix = word(rest);
    let (letters, quoted) = rest.split_at(prefix);
    if matches!(letters, "" | "b" | "c") && quoted.starts_with('"') {
        return prefix + string(quoted);
    }
    if matches!(letters, "r" | "br" | "cr") && quoted.trim_start_matches('#').starts_with('"') {
        return prefix + raw_string(quoted);
    }
    match first {
        '\'' => character(rest),
        _ => prefix,
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let tail = rest.as_bytes().get(at..at + 2);
        match tail {
            Some(b"/*") => depth += 1,
            Some(b"*/") => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(quoted: &str) -> usize {
    let mut escaped = false;
    let end = quoted.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(quoted.len(), |(at, _)| at + 1)
}

fn raw_string(quoted: &str) -> usize {
    let signs = quoted.len() - quoted.trim_start_matches('#').len();
    let end = format!("\"{}", "#".repeat(signs));
    quoted[signs + 1..].find(&end).map_or(quoted.len(), |at| signs + 1 + at + end.len())
}

/// A character, or the sign of a lifetime.
fn character(rest: &str) -> usize {
    let mut letters = rest.char_indices().skip(1);
    match letters.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(1, |at| at + 4),
        Some((at, letter)) if rest[at + letter.len_utf8()..].starts_with('\'') => at + letter.len_utf8() + 1,
        _ => 1,
    }
}

fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let (mut kept, mut at) = (vec![], 0);
    while let Some(token) = tokens.get(at) {
        if is_for_tests(&tokens[at..]) {
            at += item(&tokens[at..]);
        } else {
            kept.push(*token);
            at += 1;
        }
    }
    kept
}

fn is_for_tests(tokens: &[Token<'_>]) -> bool {
    let begins = |words: &[&str]| words.iter().zip(tokens).filter(|(word, token)| **word == token.text).count();
    let (alone, among) = (["#", "[", "cfg", "(", "test", ")"], ["#", "[", "cfg", "(", "all", "(", "test", ","]);
    begins(&alone) == alone.len() || begins(&among) == among.len()
}

/// How many tokens an item has, with its attributes.
fn item(tokens: &[Token<'_>]) -> usize {
    let (mut depth, mut at, mut in_body) = (0_usize, 0, false);
    // A group in braces ends a module or a function, but not these.
    let mut goes_on = false;
    for (index, token) in tokens.iter().enumerate() {
        at = index + 1;
        match token.text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "{" => {
                in_body |= depth == 0;
                depth += 1;
            }
            "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && in_body && !goes_on {
                    break;
                }
            }
            ";" if depth == 0 => break,
            "use" | "static" | "type" | "const" if depth == 0 => goes_on = true,
            "fn" if depth == 0 => goes_on = false,
            _ => {}
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        product(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn words_signs_and_strings_are_tokens_and_comments_are_none() {
        let source = "use a::b; // c\n/* d /* e */ */ let x = \"f \\\" // g\"; r#\"h\"i\"#; b'\"'; '\\''; &'a str;";
        let expected =
            ["use", "a", "::", "b", ";", "let", "x", "=", "\"f \\\" // g\"", ";", "r#\"h\"i\"#", ";", "b", "'\"'"];
        assert_eq!(texts(source)[..14], expected);
        assert_eq!(texts(source)[14..], [";", "'\\''", ";", "&", "'", "a", "str", ";"]);
        let lines: Vec<_> = product("a\n\n\"b\nc\" d").iter().map(|token| token.line).collect();
        assert_eq!(lines, [0, 2, 3]);
    }

    #[test]
    fn what_is_compiled_for_tests_alone_is_left_out() {
        for test in [
            "#[cfg(test)] mod tests { fn f() { {} } }",
            "#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;",
            "#[cfg(test)] use crate::{a, b};",
            "#[cfg(all(test, unix))] pub(crate) const fn f(x: [u8; 2]) -> u8 { 1 }",
            "#[cfg(test)] const A: [u8; 2] = [{ 1 }, 2];",
        ] {
            assert_eq!(texts(&format!("a {test} b")), ["a", "b"], "{test}");
        }
        assert_eq!(texts("#[cfg(unix)] mod x;").len(), 10);
    }
}
