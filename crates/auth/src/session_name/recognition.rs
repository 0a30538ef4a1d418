//! The browser and the system behind a User-Agent, by the rules of uap-core, which `build.rs` compiles in.

use std::sync::LazyLock;

use ua_parser::{Error, os, user_agent};

/// A pattern, and the name and the version that it gives where they are not captured.
type Rule = (&'static str, Option<&'static str>, Option<&'static str>);

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// Made when it is first needed: it takes 12 MiB and 70 ms.
static RECOGNISER: LazyLock<Option<Recogniser>> = LazyLock::new(|| {
    Recogniser::new().inspect_err(|fault| tracing::error!("user agents are not recognised: {fault}")).ok()
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

/// `<browser> v<major>` and `<system> v<major>`, each where it is recognised.
pub(super) fn recognise(user_agent: &str) -> (Option<String>, Option<String>) {
    let Some(recogniser) = &*RECOGNISER else { return (None, None) };
    let browser = recogniser.browsers.extract(user_agent).and_then(|it| part(&it.family, it.major));
    let system = recogniser.systems.extract(user_agent).and_then(|it| part(&it.os, it.major.as_deref()));
    (browser, system)
}

fn part(family: &str, major: Option<&str>) -> Option<String> {
    match (family, major) {
        ("Other" | "", _) => None,
        (family, Some(major)) => Some(format!("{family} v{major}")),
        (family, None) => Some(family.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognised(user_agent: &str) -> [String; 2] {
        let (browser, system) = recognise(user_agent);
        [browser, system].map(Option::unwrap_or_default)
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
    fn what_is_no_browser_is_not_taken_for_one() {
        for agent in ["", " ", "-", "()", "Mozilla/5.0", "$1", "\u{2014}/9.9", "Wolke", "1.2.3.4"] {
            assert_eq!(recognised(agent), ["", ""], "{agent}");
        }
    }
}
