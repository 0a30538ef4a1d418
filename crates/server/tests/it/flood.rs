//! The shield against floods refuses in the words of the dialect whose path was asked for.

use std::num::NonZeroU32;

use serde_json::json;
use thunderhead_http::middleware::shield::FloodLimit;
use thunderhead_testkit::TestDatabase;

use crate::app::TestApp;

#[test]
fn what_comes_on_top_of_a_burst_is_refused_in_the_words_of_its_path() {
    let app = TestApp::with(TestDatabase::sqlite(), |config| {
        config.flood_limit = FloodLimit::Leaky { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN };
    });
    // On a busy machine a second may go by between two of them.
    let refused = |path: &str| {
        let mut answers = (0..100).map(|_| app.anonymous().get(path));
        answers.find(|answer| answer.status == 429).expect("a refusal")
    };
    let kratos = refused("/auth/sessions");
    assert_eq!(kratos.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(kratos.json()["error"]["code"], 429);
    let ours = refused("/api");
    assert_eq!(ours.header("content-type"), Some("application/json"));
    assert_eq!((ours.header("retry-after"), ours.header("x-ratelimit-after")), (Some("1"), None));
    let message = "You Have Been Ratelimited. Please Try Again Later.";
    assert_eq!(ours.json(), json!({"code": "RATELIMITED_ERROR", "message": message}));
}
