//! What the worst inputs cost a processor, beside one Argon2id hash with the default parameters: the strength of new
//! passwords, the recognition of user agents, and the other readers of what clients send. Each figure is the fastest of
//! some runs on one thread, in milliseconds. `cargo run --release -p thunderhead-auth --example costs`

use std::hint::black_box;
use std::io::{self, Write};
use std::time::Instant;

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use serde_json::Value;
use thunderhead_auth::credentials::password::Password;
use thunderhead_auth::credentials::password::rules::Candidate;
use thunderhead_auth::email::parse_email;
use thunderhead_auth::sessions::name::names;
use thunderhead_domain::label::is_label;
use thunderhead_domain::session::{Origin, SessionName};

/// The most that a client can send in a body.
const LONGEST_BODY: usize = 64 * 1_024;
const RUNS: u32 = 20;

type Job = Box<dyn Fn()>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let params = Params::new(19_456, 2, 1, None).map_err(|error| error.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = fastest(&|| drop(black_box(argon2.hash_password_with_salt(b"analytical engine 1843", &[7; 16]))));
    writeln!(io::stdout(), "{hash:9.3}  1.000  one hash")?;
    for (name, job) in passwords().into_iter().chain(user_agents()).chain(others()) {
        let millis = fastest(&*job);
        writeln!(io::stdout(), "{millis:9.3}  {:.3}  {name}", millis / hash)?;
    }
    Ok(())
}

fn fastest(job: &dyn Fn()) -> f64 {
    let once = || {
        let begun = Instant::now();
        job();
        begun.elapsed().as_secs_f64() * 1_000.0
    };
    (0..RUNS).map(|_| once()).fold(f64::INFINITY, f64::min)
}

/// Texts on which the estimator works longest, among those that a search by mutation found.
fn passwords() -> Vec<(String, Job)> {
    let texts = [
        "4@8({[<3691!|70$5+%2".repeat(5),
        "kcaaza{8811234<1sp@ssdragon6[{@6qwe😀l1ve".to_owned(),
        "{|(b4by$4p@ss8x%s3x<b4byzxcvbnw0rdé".to_owned(),
        "9(zxcvbnqwe{h@9!6love{1999{abqwe%n1999$!".to_owned(),
        "69".repeat(20),
        "$5".repeat(20),
        "qawsedrftgyhujikolpqazwsxedcrfvtgbyhnujm".to_owned(),
        "a".repeat(1_024),
        "ab".repeat(512),
        "aabaabaacaabaabaac".repeat(20),
        "abbabaabbaababbabaababbaabbabaabbaababba".repeat(20),
        "1/1/1999".repeat(40),
        "1234567890".repeat(50),
        "qwertyuiopasdfghjkl".repeat(20),
        "iloveyouprincess".repeat(20),
        "Passw0rd!love1999".repeat(20),
        "é".repeat(512),
    ];
    let personal = || vec!["ada-lovelace".to_owned(), "ada@example.org".to_owned()];
    let job = |text: String| -> (String, Job) {
        let name = format!("strength of {:?}", text.chars().take(42).collect::<String>());
        let estimate = move || {
            drop(black_box(Candidate::new(Password::new(text.clone()), personal()).and_then(Candidate::estimate)));
        };
        (name, Box::new(estimate))
    };
    texts.into_iter().map(job).collect()
}

/// Headers that begin as many rules as will fit.
fn user_agents() -> Vec<(String, Job)> {
    let texts = [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
            .to_owned(),
        "Mozilla/5.0 (Linux; Android ".repeat(40),
        "Mobile Safari Version/ Android iPhone CFNetwork Darwin Opera Firefox/ MSIE bot/ ".repeat(10),
        "SamsungBrowser/ CriOS/ FxiOS/ OPR/ Edg/ UCBrowser/ YaBrowser/ Vivaldi/ QQBrowser/ Instagram Pinterest ".repeat(6),
        "a/1.1 ".repeat(100),
        "1.1.1.1.1.1.1.1".repeat(40),
        " ".repeat(600),
        "Windows NT Mac OS X iOS Linux CrOS SmartTV Tizen BlackBerry Symbian webOS Kindle PlayStation Xbox ".repeat(6),
        "bot crawler spider Googlebot bingbot HTTP python-requests java/ okhttp/ curl/ Wget/ Go-http-client/ ".repeat(6),
        "((((;;;;////".repeat(50),
        // Found by a search by mutation.
        "Firefox/CrOS UCBrowser/EpiphanyLinksSymbianMac OS X 10_botSamsungBrowser/)MaemoKHTMLjava/Epiphany)SAMSUNG\
         PlayStationLGEpiphanyMobileEpiphanySAMSUNGSafari/CriOS/Edg/Edg/1.1OPR/.EpiphanyEpiphanyEpiphanyEpiphanyPuffin\
         EpiphanySmartTVEpiphany_XboxLinksOutlookHTTPIronEpiphanyLightningSafari/Epiphany((webOSLynxKindleEpiphany\
         java/ )Wget/EpiphanyWget/Safari/MSIE 1MobileKindleMobileNokiabotMac OS X 10_XboxEpiphanyEpiphanyLightningMaemo\
         EpiphanyThunderbird9PlayStationOperaSmartTVEpiphanySAMSUNGOPR/HTTPspiderEpiphanyPla"
            .to_owned(),
        "é".repeat(600),
    ];
    let job = |text: String| -> (String, Job) {
        let text = Origin::cut_user_agent(&text).to_owned();
        let name = format!("user agent {:?}", text.chars().take(42).collect::<String>());
        (name, Box::new(move || drop(black_box(names(&text)))))
    };
    texts.into_iter().map(job).collect()
}

fn others() -> Vec<(String, Job)> {
    let json = |name: &str, text: String| -> (String, Job) {
        let job = move || drop(black_box(serde_json::from_slice::<Value>(text.as_bytes())));
        (format!("JSON of {name}"), Box::new(job))
    };
    let keys: Vec<String> = (0..6_000).map(|key| format!("\"{key}\":1")).collect();
    let email = |name: &str, text: String| -> (String, Job) {
        (format!("address of {name}"), Box::new(move || drop(black_box(parse_email(&text)))))
    };
    let name = |name: &str, text: String| -> (String, Job) {
        let job = move || drop(black_box((SessionName::try_from(text.clone()), is_label(&text, LONGEST_BODY))));
        (format!("label of {name}"), Box::new(job))
    };
    let long_password = "e\u{301}\u{323}".repeat(LONGEST_BODY / 5);
    vec![
        json("many keys", format!("{{{}}}", keys.join(","))),
        json("one key again and again", format!("{{{}}}", vec!["\"a\":1"; LONGEST_BODY / 6].join(","))),
        json("deep nesting", "[".repeat(LONGEST_BODY)),
        json("long numbers", format!("[{}]", "9".repeat(LONGEST_BODY - 2))),
        json("a long exponent", format!("[1e{}]", "9".repeat(LONGEST_BODY - 4))),
        json("escapes", format!("\"{}\"", "\\ud83d\\ude00".repeat(LONGEST_BODY / 12))),
        email("many labels", format!("a@{}org", "a.".repeat(120))),
        email("quotes", format!("\"{}\"@example.org", "\\\"".repeat(110))),
        email("64 KiB", "a.".repeat(LONGEST_BODY / 2)),
        name("64 KiB", "ß".repeat(LONGEST_BODY / 2)),
        name("marks", "\u{301}".repeat(LONGEST_BODY / 2)),
        (
            "a new password of 64 KiB of marks".to_owned(),
            Box::new(move || drop(black_box(Candidate::new(Password::new(long_password.clone()), vec![])))),
        ),
    ]
}
