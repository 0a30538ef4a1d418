//! Texts that are as much work as they can be for whoever reads them.

/// The longest body that is read, in bytes.
pub(super) const BODY: usize = 64 * 1_024;
/// Roughly the longest that one header, or the query, may be.
pub(super) const HEAD: usize = 60_000;
/// What is replaced by another number at each request.
pub(super) const NUMBER: &str = "{n}";

/// A text and what to call it.
pub(super) type Named = (&'static str, String);

/// As often as it fits in so many bytes.
pub(super) fn filled(piece: &str, bytes: usize) -> String {
    piece.repeat(bytes / piece.len())
}

/// Passwords: those on which the estimator of strength works longest, and those that are long to compose and compare.
pub(super) fn passwords() -> Vec<Named> {
    vec![
        ("leet", filled("4@8({[<3691!|70$5+%2", 1_024)),
        ("leet and words", "kcaaza{8811234<1sp@ssdragon6[{@6qwe\u{1f600}l1ve".to_owned()),
        ("words and leet", "{|(b4by$4p@ss8x%s3x<b4byzxcvbnw0rd\u{e9}".to_owned()),
        ("keyboard and leet", "9(zxcvbnqwe{h@9!6love{1999{abqwe%n1999$!".to_owned()),
        ("one letter", filled("a", 1_024)),
        ("repeats in repeats", filled("aabaabaacaabaabaac", 1_024)),
        ("two letters without a square", filled("abbabaabbaababbabaababbaabbabaabbaababba", 1_024)),
        ("dates", filled("1/1/1999", 1_024)),
        ("digits", filled("1234567890", 1_024)),
        ("keyboard", filled("qwertyuiopasdfghjkl", 1_024)),
        ("words", filled("Passw0rd!love1999iloveyouprincess", 1_024)),
        ("CJK", filled("\u{6f22}\u{5b57}", 1_023)),
        ("60 KB of letters with two marks", filled("\u{1f82}", HEAD)),
        ("60 KB of one letter", filled("a", HEAD)),
    ]
}

/// Passwords in another of Unicode's forms than NFC: a wrong one is hashed as it was typed, and composed.
pub(super) fn passwords_in_another_form() -> Vec<Named> {
    vec![
        ("Hangul in parts", filled("\u{1112}\u{1161}\u{11ab}", 1_023)),
        ("marks", filled("e\u{301}\u{323}", 1_020)),
        ("one letter, 60 KB of marks", format!("e{}", filled("\u{301}\u{323}\u{345}\u{31b}", HEAD))),
    ]
}

pub(super) fn names() -> Vec<Named> {
    vec![
        ("64 letters", filled("a", 64)),
        ("address of labels", format!("{}@{}org", filled("a.", 62) + "a", filled("a.", 120))),
        ("address in punycode", format!("a@{}org", filled("xn--80ak6aa92e.", 240))),
        ("address of bad punycode", format!("a@{}org", format!("xn--{}.", "9".repeat(58)).repeat(3))),
        ("address of quotes", format!("\"{}\"@example.org", filled("\\\"", 230))),
        ("address of brackets", format!("{}@example.org", filled("(a)", 230))),
        ("60 KB of dots", filled(".", HEAD)),
        ("60 KB of @", filled("@", HEAD)),
        ("60 KB of punycode", format!("a@{}org", filled("xn--80ak6aa92e.", HEAD))),
        ("60 KB of capital letters that grow", filled("\u{130}", HEAD)),
        ("60 KB of digits", filled("9", HEAD)),
        ("60 KB of spaces", filled(" ", HEAD)),
        ("20 KB of invisible characters", filled("\u{200b}\u{202e}\u{3164}", 20_000)),
    ]
}

pub(super) fn tokens() -> Vec<Named> {
    vec![
        ("60 KB of dots", filled(".", HEAD)),
        ("2 KB of base64", filled("eyJh", 2_044)),
        ("60 KB of base64", filled("eyJh", HEAD)),
        ("code of 60 KB of digits", filled("1", HEAD)),
        ("code of 60 KB of hyphens", filled("- ", HEAD)),
        ("code of a backup", "ABCDEF-GHIJKL-MNOPQR-STUVWX".to_owned()),
    ]
}

/// User agents that begin as many rules as fit.
pub(super) fn user_agents() -> Vec<Named> {
    let agents = [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 ",
        "Mozilla/5.0 (",
        "Mozilla/5.0 (Linux; Android ",
        "Version/",
        "Mobile Safari Version/ Android iPhone CFNetwork Darwin Opera Firefox/ MSIE bot/ ",
        "SamsungBrowser/ CriOS/ FxiOS/ OPR/ Edg/ UCBrowser/ YaBrowser/ Vivaldi/ QQBrowser/ Instagram Pinterest ",
        "1.1.1.1.1.1.1.1",
        "a/1.1 ",
        ";;;;",
        "((((;;;;////",
        "Windows NT Mac OS X iOS Linux CrOS SmartTV Tizen BlackBerry Symbian webOS Kindle PlayStation Xbox ",
        "bot crawler spider Googlebot bingbot HTTP python-requests java/ okhttp/ curl/ Wget/ Go-http-client/ ",
        "\u{e9}",
    ];
    agents.into_iter().map(|agent| (agent, format!("{NUMBER}{}", filled(agent, 8_000)))).collect()
}

/// JSON that is one value, as long as a body may be beside other fields.
pub(super) fn json_values() -> Vec<Named> {
    let many = |piece: &str| filled(piece, HEAD);
    let list = |item: &str| format!("[{}0]", many(&format!("{item},")));
    let keys: String = (0..6_000).map(|key| format!("\"{key:x}\":1,")).collect();
    let ids: Vec<String> = (0..50).map(|id| format!("\"{id}{}\"", "9".repeat(1_000))).collect();
    let uuids: Vec<String> = (0..1_000).map(|id| format!("\"6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b{id:04x}\"")).collect();
    let sessions: Vec<String> = (0..4_000).map(|id| format!("\"{}\"", 1_767_225_600 + id)).collect();
    vec![
        ("30 000 brackets in each other", format!("{}{}", many("[").split_off(30_000), many("]").split_off(30_000))),
        (
            "100 objects in each other, over and over",
            format!("[{}0]", {
                let one = format!("{}1{},", "{\"a\":".repeat(100), "}".repeat(100));
                filled(&one, HEAD)
            }),
        ),
        ("6 000 keys", format!("{{{keys}\"z\":1}}")),
        ("one key 10 000 times", format!("{{{}\"a\":1}}", many("\"a\":1,"))),
        ("20 000 numbers", list("1")),
        ("20 000 empty texts", list("\"\"")),
        ("10 000 objects", list("{}")),
        ("a text of 60 KB", format!("\"{}\"", many("a"))),
        ("10 000 escapes", format!("\"{}\"", many("\\u0000"))),
        ("5 000 pairs of escapes", format!("\"{}\"", many("\\ud83d\\ude00"))),
        ("a number of 60 000 digits", many("9")),
        ("a fraction of 60 000 digits", format!("0.{}", many("3"))),
        ("an exponent of 50 000 digits", format!("1e{}", many("9").split_off(10_000))),
        ("numbers of 400 digits", list(&"7".repeat(300))),
        ("long fractions", list("0.30000000000000004440892098500626161694526672363")),
        ("50 ids of 1 KB", format!("[{}]", ids.join(","))),
        ("50 numbers of 1 000 digits", format!("[{}]", ids.join(",").replace('"', "").replace(",0", ",1"))),
        ("1 000 uuids", format!("[{}]", uuids.join(","))),
        ("4 000 ids", format!("[{}]", sessions.join(","))),
        ("50 ids", format!("[{}]", sessions[..50].join(","))),
    ]
}

/// Forms in parts, with their content type.
pub(super) fn forms_in_parts() -> Vec<(&'static str, String, String)> {
    let kind = |boundary: &str| format!("multipart/form-data; boundary={boundary}");
    let part = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n";
    let long = filled("b", 30_000);
    let text = |inner: &str| {
        let inner = filled(inner, HEAD);
        format!("--x\r\nContent-Disposition: form-data; name=user\r\n\r\n{inner}\r\n--x--\r\n")
    };
    let nearly = |boundary: &str| {
        let inner = filled(&format!("\r\n--{}y", &boundary[1..]), HEAD);
        format!("--{boundary}\r\nContent-Disposition: form-data; name=user\r\n\r\n{inner}\r\n--{boundary}--\r\n")
    };
    let headers = format!("--x\r\nContent-Disposition: form-data; name=a\r\n{}\r\n\r\n", "A: b\r\n".repeat(60));
    vec![
        ("1 300 parts", kind("x"), filled(part, HEAD) + "--x--\r\n"),
        ("10 000 parts without heads", kind("x"), filled("--x\r\n\r\n", HEAD) + "--x--\r\n"),
        (
            "a boundary of 30 KB",
            kind(&long),
            format!("--{long}\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--{long}"),
        ),
        ("a part of returns", kind("x"), text("\r")),
        ("a part of line ends", kind("x"), text("\r\n")),
        ("a part of beginnings of boundaries", kind("x"), text("\r\n--")),
        ("a part of hyphens", kind("x"), text("-")),
        ("boundaries of 70 that are off by one", kind(&"b".repeat(70)), nearly(&"b".repeat(70))),
        ("boundaries of 1 000 that are off by one", kind(&"b".repeat(1_000)), nearly(&"b".repeat(1_000))),
        ("parts with 60 headers", kind("x"), filled(&headers, HEAD)),
        ("a head without an end", kind("x"), format!("--x\r\n{}", filled("A: b\r\n", HEAD))),
        ("a preamble of line ends", kind("x"), filled("\r\n", HEAD) + "--x--"),
        ("a preamble of hyphens", kind("x"), filled("--\r\n", HEAD) + "--x--"),
    ]
}

/// Forms that are a query, of which the legacy dialect makes objects.
pub(super) fn forms() -> Vec<Named> {
    let many = |piece: &str| filled(piece, HEAD);
    vec![
        ("15 000 pairs", many("a=1&")),
        ("60 000 empty pairs", many("&")),
        ("5 000 names", (0..6_000).map(|key| format!("{key:x}=1&")).collect()),
        ("20 000 escapes", format!("user={}", many("%41"))),
        ("20 000 escapes that are none", format!("user={}", many("%%z"))),
        ("30 000 spaces", format!("user={}", many("+"))),
        ("brackets in brackets", format!("2fa{}=1", many("[a]"))),
        ("2 000 paths of 8", many("2fa[a][b][c][d][e][f][g][h]=1&")),
        ("a value that becomes an array again and again", many("2fa[a]=1&2fa=1&")),
        ("30 000 commas", format!("sessions={}", many(","))),
        ("15 000 ids with commas", format!("sessions={}", many("1,"))),
        ("4 000 arrays", many("sessions[]=1,2&")),
        ("JSON in a form", format!("2fa={{\"a\":[{}0]}}", many("1,"))),
        ("brackets that are not closed", many("a[[]=1&")),
    ]
}
