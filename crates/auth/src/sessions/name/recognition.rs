//! The browser and the system behind a User-Agent, by the rules of uap-core, which `build.rs` compiles in.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use percent_encoding::percent_decode_str;
use thunderhead_domain::session::SessionName;
use ua_parser::{Error, os, user_agent};

/// A pattern, and the name and the version that it gives where they are not captured.
type Rule = (&'static str, Option<&'static str>, Option<&'static str>);

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// Made when it is first needed: it takes 12 MiB and 70 ms.
static RECOGNISER: LazyLock<Option<Recogniser>> = LazyLock::new(|| {
    Recogniser::new().inspect_err(|error| tracing::error!("user agents are not recognised: {error}")).ok()
});

struct Recogniser {
    browsers: user_agent::Extractor<'static>,
    systems: os::Extractor<'static>,
}

impl Recogniser {
    fn new() -> Result<Self, Error> {
        let browsers = BROWSERS.iter().map(|&(regex, family, version)| user_agent::Parser {
            regex: regex.into(),
            family_replacement: family.map(Into::into),
            v1_replacement: version.map(Into::into),
            ..Default::default()
        });
        let systems = SYSTEMS.iter().map(|&(regex, system, version)| os::Parser {
            regex: regex.into(),
            os_replacement: system.map(Into::into),
            os_v1_replacement: version.map(Into::into),
            ..Default::default()
        });
        Ok(Self {
            browsers: user_agent::Builder::new().push_all(browsers)?.build()?,
            systems: os::Builder::new().push_all(systems)?.build()?,
        })
    }
}

/// A browser or a system.
pub(super) struct Recognised {
    /// What it is called.
    pub(super) family: String,
    major: Option<String>,
}

/// `<family> v<major>`.
impl fmt::Display for Recognised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.family)?;
        self.major.as_ref().map_or(Ok(()), |major| write!(f, " v{major}"))
    }
}

/// Browser and system, each where it is recognised.
pub(super) fn recognise(user_agent: &str) -> (Option<Recognised>, Option<Recognised>) {
    let Some(recogniser) = &*RECOGNISER else { return (None, None) };
    let browser = recogniser.browsers.extract(user_agent);
    let system = recogniser.systems.extract(user_agent);
    let family = browser.as_ref().map(|it| &*it.family);
    let repeats_the_system = family.is_some() && family == system.as_ref().map(|it| &*it.os);
    let app = match family {
        Some(family) if repeats_the_system || SHELLS.contains(&family) => app(user_agent),
        None if system.is_some() => app(user_agent).filter(|app| app.major.is_some()),
        _ => None,
    };
    let browser = match app {
        Some(app) => part(app.name, app.major),
        None => browser.filter(|_| !repeats_the_system).and_then(|it| part(&it.family, it.major)),
    };
    (browser, system.and_then(|it| part(&it.os, it.major.as_deref())))
}

/// What apps run in, as the rules call it where they do not know the app.
const SHELLS: [&str; 3] = ["Chrome Mobile WebView", "Electron", "Mobile Safari UI/WKWebView"];
/// What those call themselves and their parts.
const PARTS: [&str; 8] = ["AppleWebKit", "Chrome", "Electron", "Gecko", "Mobile", "Mozilla", "Safari", "Version"];

/// What a client calls itself.
struct App<'a> {
    name: &'a str,
    major: Option<&'a str>,
}

/// The first product of a User-Agent that is no part of a browser (RFC 9110 §10.1.5).
fn app(user_agent: &str) -> Option<App<'_>> {
    let product = products(user_agent).find(|product| {
        let name = product.split('/').next().unwrap_or_default();
        !PARTS.contains(&name) && name.chars().any(char::is_alphabetic)
    })?;
    let (name, version) = product.split_once('/').unwrap_or((product, ""));
    let digits = version.find(|character: char| !character.is_ascii_digit()).unwrap_or(version.len());
    Some(App { name, major: Some(&version[..digits]).filter(|digits| !digits.is_empty()) })
}

/// The words of a User-Agent, without its comments.
fn products(user_agent: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    let outside = move |character: char| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => return depth > 0 || character.is_whitespace() || "[]".contains(character),
        }
        true
    };
    user_agent.split(outside).filter(|change| !change.is_empty())
}

fn part(family: &str, major: Option<&str>) -> Option<Recognised> {
    match &*decoded(family) {
        "Other" | "" => None,
        family => Some(Recognised { family: family.to_owned(), major: major.map(str::to_owned) }),
    }
}

/// What a client calls itself that is not recognised.
pub(super) fn own_name(user_agent: &str) -> Option<&str> {
    app(user_agent).map(|app| app.name)
}

/// Systems of Apple write what is not of ASCII in an app's name, and blanks, as URLs do.
fn decoded(name: &str) -> Cow<'_, str> {
    let decoded = percent_decode_str(name).decode_utf8();
    decoded.ok().filter(|text| is_label(text)).unwrap_or(Cow::Borrowed(name))
}

fn is_label(text: &str) -> bool {
    SessionName::try_from(text.to_owned()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognised(user_agent: &str) -> [String; 2] {
        let (browser, system) = recognise(user_agent);
        [browser, system].map(|it| it.map(|it| it.to_string()).unwrap_or_default())
    }

    #[test]
    fn the_browsers_and_systems_of_most_people_are_recognised() {
        for (agent, expected) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
                 Safari/537.36",
                ["Chrome v142", "Windows v10"],
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/142.0.0.0 Safari/537.36",
                ["Chrome v142", "Mac OS X v10"],
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile \
                 Safari/537.36",
                ["Chrome Mobile v142", "Android v10"],
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 CriOS/142.0.7444.77 Mobile/15E148 Safari/604.1",
                ["Chrome Mobile iOS v142", "iOS v18"],
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
                 Safari/537.36",
                ["Chrome v142", "Chrome OS v14541"],
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
                ["Firefox v145", "Windows v10"],
            ),
            (
                "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
                ["Firefox v145", "Ubuntu"],
            ),
            (
                "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
                ["Firefox Mobile v145", "Android v15"],
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.6 Safari/605.1.15",
                ["Safari v18", "Mac OS X v10"],
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.6 Mobile/15E148 Safari/604.1",
                ["Mobile Safari v18", "iOS v18"],
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
                 Safari/537.36 Edg/142.0.0.0",
                ["Edge v142", "Windows v10"],
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 \
                 Safari/537.36 OPR/124.0.0.0",
                ["Opera v124", "Windows v10"],
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/29.0 \
                 Chrome/136.0.0.0 Mobile Safari/537.36",
                ["Samsung Internet v29", "Android v10"],
            ),
            ("Mozilla/5.0 (Windows NT 6.3; WOW64; Trident/7.0; rv:11.0) like Gecko", ["IE v11", "Windows v8"]),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", ["Googlebot v2", ""]),
            (
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
                ["GPTBot v1", ""],
            ),
            ("curl/8.17.0", ["curl v8", ""]),
            ("Wget/1.25.0", ["Wget v1", ""]),
            ("python-requests/2.32.5", ["Python Requests v2", ""]),
            ("okhttp/5.3.0", ["okhttp v5", ""]),
            // The rules of these two put together what they give: `Firefox ($1)`, and `$1` for a version.
            (
                "Mozilla/5.0 (X11; Linux i686; rv:2.0b8pre) Gecko/20101112 Minefield/4.0b8pre",
                ["Firefox (Minefield) v4", "Linux"],
            ),
            ("aws-cli/2.27.0 md/awscrt#0.26.1 ua/2.1 os/macos#24.4.0 md/arch#arm64", ["aws-cli v2", "Mac OS X v24"]),
            ("ThunderheadClient/12 CFNetwork/1568.300.101 Darwin/24.2.0", ["ThunderheadClient v12", "iOS v18"]),
        ] {
            assert_eq!(recognised(agent), expected, "{agent}");
        }
    }

    #[test]
    fn apps_are_named_rather_than_what_they_run_in() {
        const ANDROID: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UD1A.231105.004; wv) AppleWebKit/537.36 \
                               (KHTML, like Gecko) Version/4.0 Chrome/126.0.6478.122 Mobile Safari/537.36";
        const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
                              Gecko) Mobile/15E148";
        const ELECTRON: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                                Skylark/1.4.2 Chrome/120.0.6099.291 Electron/28.3.3 Safari/537.36";
        const SLACK: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) \
                             Slack/4.39.95 Chrome/126.0.6478.127 Electron/31.2.0 Safari/537.36 Sonic Slack_SSB/4.39.95";
        const TEAMS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                             Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0 Teams/24165.1414.2987.41";
        for (agent, expected) in [
            // As the rules know them.
            (format!("{ANDROID} [FB_IAB/FB4A;FBAV/470.0.0.40.81;]"), ["Facebook v470", "Android v14"]),
            (format!("{IPHONE} [FBAN/FBIOS;FBAV/470.1.0.40.81;FBSN/iOS;FBSV/17.5.1]"), ["Facebook v470", "iOS v17"]),
            (format!("{IPHONE} Instagram 338.0.5.29.89 (iPhone14,5; iOS 17_5_1)"), ["Instagram v338", "iOS v17"]),
            (SLACK.to_owned(), ["Slack Desktop Client v4", "Mac OS X v10"]),
            (TEAMS.to_owned(), ["Microsoft Teams v24165", "Windows v10"]),
            ("PostmanRuntime/7.39.0".to_owned(), ["PostmanRuntime v7", ""]),
            ("axios/1.7.2".to_owned(), ["axios v1", ""]),
            ("Go-http-client/2.0".to_owned(), ["Go-http-client v2", ""]),
            // As they call themselves.
            ("Skylark/5.2.1 (Linux; Android 14; Pixel 8 Build/UQ1A)".to_owned(), ["Skylark v5", "Android v14"]),
            (
                "org.example.skylark/1.2 (Linux; U; Android 14; en_US)".to_owned(),
                ["org.example.skylark v1", "Android v14"],
            ),
            ("Slack/24.06.20.0 (Pixel 8; Android 14)".to_owned(), ["Slack v24", "Android v14"]),
            ("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UD1A)".to_owned(), ["Dalvik v2", "Android v14"]),
            ("Skylark/5.2.1 (iPhone; iOS 17.5.1; Scale/3.00)".to_owned(), ["Skylark v5", "iOS v17"]),
            ("Skylark/1.0 (org.example; build:1; iOS 17.5.1) Alamofire/5.9.1".to_owned(), ["Skylark v1", "iOS v17"]),
            ("TikTok 34.5.0 rv:345018 (iPhone; iOS 17.5.1; en_US) Cronet".to_owned(), ["TikTok", "iOS v17"]),
            ("Sky%20Lark/1.2.3 CFNetwork/1410.0.3 Darwin/22.6.0".to_owned(), ["Sky Lark v1", "iOS v16"]),
            ("Sky%00Lark/1.2.3 CFNetwork/1410.0.3 Darwin/22.6.0".to_owned(), ["Sky%00Lark v1", "iOS v16"]),
            (format!("{IPHONE} LinkedInApp/9.29"), ["LinkedInApp v9", "iOS v17"]),
            (format!("{ANDROID} Skylark/7"), ["Skylark v7", "Android v14"]),
            (ELECTRON.to_owned(), ["Skylark v1", "Windows v10"]),
            // Those that do not say.
            (ANDROID.to_owned(), ["Chrome Mobile WebView v126", "Android v14"]),
            (IPHONE.to_owned(), ["Mobile Safari UI/WKWebView", "iOS v17"]),
            (ELECTRON.replace("Skylark/1.4.2 ", ""), ["Electron v28", "Windows v10"]),
            ("(Linux; Android 14; Pixel 8 Build/UD1A)".to_owned(), ["", "Android v14"]),
        ] {
            assert_eq!(recognised(&agent), expected, "{agent}");
        }
    }

    #[test]
    fn what_is_no_browser_is_not_taken_for_one() {
        for agent in ["", " ", "-", "()", "Mozilla/5.0", "$1", "\u{2014}/9.9", "Wolke", "1.2.3.4"] {
            assert_eq!(recognised(agent), ["", ""], "{agent}");
        }
    }
}
